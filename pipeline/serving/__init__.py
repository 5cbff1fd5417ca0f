"""A model behind HTTP: MLflow's scoring protocol, the Open Inference Protocol, a page to try it by hand."""
