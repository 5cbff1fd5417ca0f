"""A proven bound on F(theta) - F*, where the objective has an l1 penalty. Shapes are those of data/layout.py.

    F(theta) = mean loss_i + l2/2 ||W||^2 + l1 sum |W|,   W without b.

Derivation. loss_i(z) is the largest of <pi - y_i, z> + H(pi) over probabilities pi, H their entropy; it is taken at
p_i, and any other pi_i loses KL(pi_i || p_i). So for probabilities pi_i with mean (pi_i - y_i) = 0, which makes the
minimum over b finite (not needed without an intercept), Fenchel's inequality gives

    F* >= mean H(pi_i) - h(-A),   A = mean x_i (pi_i - y_i)',   h(-A) = max_W -<A, W> - l2/2 ||W||^2 - l1 sum |W|

    F(theta) - F* <= mean KL(pi_i || p_i) + <A, W> + l2/2 ||W||^2 + l1 sum |W| + h(-A).                     (1)

h(-A) = sum max(|A| - l1, 0)^2 / (2 l2) with l2 > 0. With l2 = 0 it is 0 where no |A| is above l1, else infinite.

The dual point. duality_gap.py mixes p_i with one q until the mean is the labels': (1 - t) p_i + t q. Scaling all
residuals by s keeps that and shrinks A: pi_i = y_i + s ((1 - t) p_i + t q - y_i), probabilities for any s in [0, 1].
s = min(1, l1 / max |A|) makes h 0; with l2 > 0, s = 1 is allowed as well, and the lower bound of the two counts.
With tau = s t and 1 - u = s (1 - t) / (1 - tau), pi_i = (1 - tau) (u y_i + (1 - u) p_i) + tau q. KL is convex:

    mean KL(pi_i || p_i) <= (1 - tau) mean KL(u y_i + (1 - u) p_i || p_i) + tau mean KL(q || p_i),

and the first mean is at most u * cost (convexity again, KL(y_i || p_i) being the loss) and at most
log(1 + u^2 (1/m - 1)), m the smallest p_i,y_i (KL is below the logarithm of 1 + chi^2). So one pass at theta and one
over the labels are enough.

Limits: as in duality_gap.py, the rounding of float64 sums is no part of the figure. An |A_jk| above l1 by no more than
e_j = 2^-42 min(1, cost) max_i |x_ij| counts as l1; without that a column of numbers around 1e12, whose slope is known
to 1e-4 at best, could never be proven. With A = A' + E, |E_jk| <= e_j, the same inequality at the optimum gives

    F* >= mean H(pi_i) + <A', W*> + l2/2 ||W*||^2 + l1 sum |W*| + <E, W*> >= mean H(pi_i) - h(-A') - sum e_j |W*_jk|,

so what the figure leaves out is at most 2^-42 of the cost times sum_jk max_i |x_ij| |W*_jk|, the reach of the optimum's
logits: 1e-11 of the cost where they reach 40, in whatever units the columns are.
Source: Boyd and Vandenberghe 2004, section 5.7.1; scaled residuals as dual point: Ndiaye, Fercoq, Gramfort and Salmon
2017, "Gap safe screening rules for sparsity enforcing penalties", section 3; the treatment of the free bias is ours.
"""

import math

import torch
from torch import Tensor

from pipeline.numerics.certificates.duality_gap import Balance, CertificateInputs, balanced
from pipeline.numerics.exact import portable

_ROUNDING = 2.0**-42


def bound(
    inputs: CertificateInputs,
    min_true_probability: float,
    l1: float,
    l2: float,
    intercept: bool,
    largest_numbers: Tensor,
) -> float:
    """The largest that F(theta) - F* can be, in nats; l1 > 0.

    ``min_true_probability`` is m, the smallest p_i,y_i; ``largest_numbers`` (d, 1) is max_i |x_ij|.
    """
    balance = balanced(inputs, intercept)
    slope = balance.data_gradient(inputs, l2)
    rounding = _ROUNDING * min(1.0, inputs.cost) * largest_numbers
    slope = torch.where(slope.abs() <= l1 + rounding, slope.clamp(-l1, l1), slope)
    largest = float(slope.abs().max()) if slope.numel() else 0.0
    feasible = 1.0 if largest <= l1 else l1 / largest
    scales = {feasible, 1.0} if l2 else {feasible}
    gaps = [
        _divergence(inputs.cost, min_true_probability, balance, scale)
        + _penalty_gap(inputs.theta[:-1], scale * slope, l1, l2)
        for scale in scales
    ]
    weights = inputs.theta[:-1]
    penalty = l1 * float(portable.total(weights.abs())) + l2 / 2 * portable.dot(weights, weights)
    return min(*gaps, inputs.cost + penalty)  # F* >= 0


def _divergence(cost: float, min_true_probability: float, balance: Balance, scale: float) -> float:
    """An upper bound on mean KL(pi_i || p_i)."""
    mixed = scale * balance.share
    if mixed >= 1.0:
        return balance.divergence
    labels = (1.0 - scale) / (1.0 - mixed)
    by_square = math.inf
    if min_true_probability > 0:
        by_square = portable.log1p_of(labels * labels * (1 / min_true_probability - 1))
    return (1.0 - mixed) * min(labels * cost, by_square) + mixed * balance.divergence


def _penalty_gap(weights: Tensor, slope: Tensor, l1: float, l2: float) -> float:
    """<A, W> + l2/2 ||W||^2 + l1 sum |W| + h(-A), term by term, each of which is >= 0."""
    terms = slope * weights + l1 * weights.abs()
    if l2:
        terms += l2 / 2 * weights.square() + (slope.abs() - l1).clamp(min=0.0).square() / (2 * l2)
    return float(portable.total(terms.clamp(min=0.0)))
