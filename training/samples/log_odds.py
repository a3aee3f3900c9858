"""Log-odds: the limits of a probability, the way there and back, and logistic regression on a few columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Array = NDArray[np.float64]

LIMIT = 1e-6
"""No probability leaves [LIMIT, 1 - LIMIT]: nothing is certain, and a log-loss stays finite."""


def clip(p: Array) -> Array:
    """Probabilities kept off 0 and 1.

    >>> clip(np.array([0.0, 0.5])).tolist()
    [1e-06, 0.5]
    """
    return np.clip(np.asarray(p, dtype=np.float64), LIMIT, 1 - LIMIT)


def logit(p: Array) -> Array:
    """Log-odds of clipped probabilities.

    >>> logit(np.array([0.5])).tolist()
    [0.0]
    """
    clipped = clip(p)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def row_losses(y: Array, z: Array) -> Array:
    """Log-loss of each row from its log-odds; `y` may be a fraction."""
    return np.asarray(np.logaddexp(0.0, z) - y * z)


def fit_logistic(x: Array, y: Array, weight: Array, start: Array, lower: Array, prior: float | Array = 0.0) -> Array:
    """Coefficients of a weighted logistic regression of `y` (n) on the columns of `x` (n, k), no intercept added.

    `start` (k) is where the search begins and what `prior` pulls towards: a normal distribution of that precision,
    or of those (k), in units of weight. No coefficient falls below its `lower` (k, may be -inf). The problem is convex,
    so the answer does not depend on the way (L-BFGS-B: Byrd, Lu, Nocedal & Zhu, SIAM J. Sci. Comput. 16, 1995).
    """
    # Imported late: it weighs 35 MB and only fitting needs it, not scoring.
    from scipy.optimize import minimize

    total = weight.sum()

    def objective(theta: Array) -> tuple[float, Array]:
        z = x @ theta
        pull = theta - start
        loss = weight @ row_losses(y, z) + (prior * pull) @ pull / 2
        return float(loss / total), (x.T @ (weight * (expit(z) - y)) + prior * pull) / total

    bounds = [(low, np.inf) for low in lower]
    options = {"maxiter": 500, "ftol": 1e-15, "gtol": 1e-10}
    result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(result.x, dtype=np.float64)
