"""A proven bound on f(theta) - f*, the distance of the objective from its optimum. Shapes are those of layout.py.

Derivation, for f of cross_entropy.py with l2 > 0, means taken with the rows' weights. For probabilities pi_i of any
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

Limits: f and G are float64 sums whose own rounding (1e-15 relative) is not part of the figure. Without l2 the bound
does not exist: it is None.
Source: Boyd and Vandenberghe 2004, sections 5.5.1 and 9.1.2; the treatment of the free bias is ours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Facts:
    """What the bound needs to know of a point: theta and gradient (d + 1, k), cost in nats, and the rows' means.

    label_means (d + 1, k) is mean (x_i, 1) y_i'. column_means (d + 1,) is mean (x_i, 1), its last 1.
    """

    theta: Tensor
    gradient: Tensor
    cost: float
    label_means: Tensor

    @property
    def column_means(self) -> Tensor:
        """mean (x_i, 1), (d + 1,): every row has exactly one label."""
        return self.label_means.sum(1)


def bound(facts: Facts, l2: float, intercept: bool) -> float | None:
    """The largest that f(theta) - f* can be, in nats; None without l2."""
    if l2 == 0:
        return None
    weights_gradient = facts.gradient[:-1]
    residual = facts.label_means[-1] - _mean_probabilities(facts)
    share = _mixing_share(residual, _mean_probabilities(facts)) if intercept else 0.0
    if share == 0.0:
        return float(weights_gradient.square().sum()) / (2 * l2)
    return _mixed(facts, l2, residual, share)


def _mean_probabilities(facts: Facts) -> Tensor:
    """pbar (k,): the bias gradient is mean (p_i - y_i)."""
    return facts.gradient[-1] + facts.label_means[-1]


def _mixing_share(residual: Tensor, mean: Tensor) -> float:
    """t in [0, 1]: pbar sums to 1 and so does the classes' share, hence -r <= pbar."""
    return min(1.0, max(0.0, float((-residual / mean.clamp(min=1e-300)).max())))


def _mixed(facts: Facts, l2: float, residual: Tensor, share: float) -> float:
    theta, means = facts.theta, facts.column_means
    mean_probabilities = _mean_probabilities(facts)
    target = (mean_probabilities + residual / share).clamp(min=0.0)
    mean_log_sum_exp = facts.cost + float((theta * facts.label_means).sum())
    mean_log_probabilities = (theta * means[:, None]).sum(0) - mean_log_sum_exp
    divergence = share * float((torch.xlogy(target, target) - target * mean_log_probabilities).sum())
    # mean p_i x_i' from the gradient's data part; A + l2 W = G_W + t (q xbar' - mean p_i x_i').
    expected = facts.gradient[:-1] - l2 * theta[:-1] + facts.label_means[:-1]
    moved = facts.gradient[:-1] + share * (means[:-1, None] * target - expected)
    return max(0.0, divergence) + float(moved.square().sum()) / (2 * l2)
