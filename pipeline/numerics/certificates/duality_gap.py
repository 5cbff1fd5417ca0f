"""A proven bound on f(theta) - f*, the distance of the objective from its optimum. Shapes are those of data/layout.py.

Derivation, for f of objective/packed.py with l2 > 0, means taken with the rows' weights. For probabilities pi_i of any
kind, Fenchel-Young says of the losses: loss_i(z) >= -KL(pi_i || p_i) + loss_i(z_i) + <pi_i - y_i, z - z_i>, because
the right side is the tangent of log-sum-exp at pi_i. Inserting z = W'x + b' for any other (W', b'), taking means, and
minimising the right side over W' and b' gives a lower bound on f*. The minimum over b' is finite only if

    mean (pi_i - y_i) = 0,                                                       (1)

and the minimum over W', of a linear function plus l2/2 ||W'||^2, leaves

    f(theta) - f*  <=  mean KL(pi_i || p_i) + ||A + l2 W||^2 / (2 l2),   A = mean (pi_i - y_i) x_i'.

With pi = p and a bias gradient of exactly 0 this is ||G_W||^2 / (2 l2), the bound of strong convexity: the duality gap
itself is no tighter. Where the bias gradient r = mean (y_i - p_i) is not 0, (1) is restored by mixing:
pi_i = (1 - t) p_i + t q with q = pbar + r / t, pbar = mean p_i, t = max_k(-r_k / pbar_k), so that q >= 0 sums to 1.
KL is convex, so mean KL(pi_i || p_i) <= t sum_k q_k (log q_k - mean log p_ik), and

    mean log p_ik = w_k'xbar + b_k - mean lse_i,   mean lse_i = cost + <theta, mean (x_i, 1) y_i'>,

so all of it follows from one pass at theta and one over the labels. Nothing is assumed about b. Without an intercept
(1) is not needed and t = 0.

Of probabilities: the same expansion about the optimum itself, where the gradient is 0, is an equation,

    f(theta) - f*  =  mean KL(p*_i || p_i) + l2/2 ||W - W*||^2,

to which a convex penalty such as l1 adds something >= 0. By Pinsker's inequality KL(p* || p) >= 2 TV(p*, p)^2, with TV
the largest difference of the probabilities of any set of classes. So the mean of TV^2 over the rows is at most half of
the bound on f - f*; of one row that counts as one of n, n times that.

Limits: f and G are float64 sums whose own rounding is not part of the figure: 1e-15 relative, or 1e-16 of the largest
logit where that is more (outliers of 1e6: 1e-12). Without l2 the bound does not exist: it is None.
Sources: Boyd and Vandenberghe 2004, sections 5.5.1 and 9.1.2; Tsybakov 2009, lemma 2.5 (Pinsker). The treatment of the
free bias is ours.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.exact import portable


@dataclass(frozen=True)
class CertificateInputs:
    """Inputs of the bound at a point: theta and gradient (d + 1, k), cost in nats, and the rows' means.

    label_means (d + 1, k) is mean (x_i, 1) y_i'. column_means (d + 1,) is mean (x_i, 1), its last 1.
    """

    theta: Tensor
    gradient: Tensor
    cost: float
    label_means: Tensor

    @property
    def column_means(self) -> Tensor:
        """mean (x_i, 1), (d + 1,): every row has exactly one label."""
        return portable.total(self.label_means, 1)


@dataclass(frozen=True)
class Balance:
    """pi_i = (1 - share) p_i + share * target, whose mean is that of the labels: equation (1).

    ``target`` q is (k,); ``divergence`` is mean KL(q || p_i) in nats.
    """

    share: float
    target: Tensor
    divergence: float

    def data_gradient(self, inputs: CertificateInputs, l2: float) -> Tensor:
        """A = mean x_i (pi_i - y_i)', (d, k); the l2 in the gradient of ``inputs`` is taken out."""
        own = inputs.gradient[:-1] - l2 * inputs.theta[:-1]
        if self.share == 0.0:
            return own
        expected = own + inputs.label_means[:-1]  # mean x_i p_i'
        return own + self.share * (inputs.column_means[:-1, None] * self.target - expected)


def bound(inputs: CertificateInputs, l2: float, intercept: bool) -> float | None:
    """The largest that f(theta) - f* can be, in nats; None without l2."""
    if l2 == 0:
        return None
    balance = balanced(inputs, intercept)
    moved = balance.data_gradient(inputs, l2) + l2 * inputs.theta[:-1]
    return balance.share * balance.divergence + portable.dot(moved, moved) / (2 * l2)


def probability_bound(bound: float) -> float:
    """The largest root mean square, over the training rows, of the distance of p_i from the optimum's; in [0, 1].

    The distance is total variation: no probability of a row differs by more. ``bound`` is that on f - f*, in nats.
    """
    return min(1.0, math.sqrt(max(bound, 0.0) / 2))


def balanced(inputs: CertificateInputs, intercept: bool) -> Balance:
    """The smallest mixing that makes (1) true; none without an intercept."""
    mean = inputs.gradient[-1] + inputs.label_means[-1]  # pbar: the bias gradient is mean (p_i - y_i)
    residual = inputs.label_means[-1] - mean
    share = _mixing_share(residual, mean) if intercept else 0.0
    if share == 0.0:
        return Balance(0.0, mean, 0.0)
    target = (mean + residual / share).clamp(min=0.0)
    return Balance(share, target, _divergence(inputs, target))


def _mixing_share(residual: Tensor, mean: Tensor) -> float:
    """t in [0, 1]: pbar sums to 1 and so does the classes' share, hence -r <= pbar."""
    return min(1.0, max(0.0, float((-residual / mean.clamp(min=1e-300)).max())))


def _divergence(inputs: CertificateInputs, target: Tensor) -> float:
    """mean KL(q || p_i), in nats."""
    mean_log_sum_exp = inputs.cost + portable.dot(inputs.theta, inputs.label_means)
    mean_log_probabilities = portable.total(inputs.theta * inputs.column_means[:, None], 0) - mean_log_sum_exp
    logs = torch.where(target > 0, portable.log(target), 0.0)
    return max(0.0, portable.dot(target, logs - mean_log_probabilities))
