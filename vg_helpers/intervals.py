"""A value with its 95 % interval: proportions and paired differences."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Estimate(NamedTuple):
    """A value and the two ends of its 95 % interval; f"{estimate:.2f}" reads "0.12 [0.05, 0.19]"."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or −1 where the interval lies above or below zero, else 0."""
        return int(self.low > 0) - int(self.high < 0)

    def __format__(self, spec: str) -> str:
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def proportion(successes: int, total: int) -> Estimate:
    """Return a proportion with Wilson's interval; without any trial the value is NaN and the interval [0, 1]."""
    if total == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    low, high = stats.binomtest(int(successes), int(total)).proportion_ci(method="wilson")
    return Estimate(successes / total, float(low), float(high))


def paired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Return the mean of a − b over pairs, with Student's interval; NaN ends with fewer than two pairs.

    Pairs that hold a NaN, such as a share of an all-zero map, are left out.
    """
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    difference = difference[~np.isnan(difference)]
    mean = float(difference.mean()) if len(difference) else float("nan")
    if len(difference) < 2:
        return Estimate(mean, float("nan"), float("nan"))
    margin = float(stats.t.ppf(0.975, len(difference) - 1) * stats.sem(difference))
    return Estimate(mean, mean - margin, mean + margin)
