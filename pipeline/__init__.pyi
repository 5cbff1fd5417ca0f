from pipeline.estimator.softmax_regression import SoftmaxRegression as SoftmaxRegression
from pipeline.model_address import load as load
