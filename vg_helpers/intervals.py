"""A value with its 95 % interval: proportions, means, paired differences, ratios of medians."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Estimate(NamedTuple):
    """A value and the two ends of its 95 % interval; ends that too few values give are NaN and print as dashes.

    >>> f"{Estimate(0.12, 0.05, 0.19):.2f}"
    '0.12 [0.05, 0.19]'
    >>> f"{Estimate(0.5, 0.25, 0.75):.0%}"
    '50% [25%, 75%]'
    """

    value: float
    low: float
    high: float

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Self:
        """Return the estimate of a JSON object or a frame's row with value, low and high."""
        return cls(*(float(entry[name]) for name in cls._fields))

    def choose(self, above: str, unclear: str, below: str) -> str:
        """Return the text that holds: the interval lies above zero, includes it (or has no ends), or lies below.

        >>> Estimate(0.12, 0.05, 0.19).choose("more", "no measurable difference", "less")
        'more'
        """
        return above if self.low > 0 else below if self.high < 0 else unclear

    def __format__(self, spec: str) -> str:
        low, high = ("–" if np.isnan(end) else format(end, spec) for end in (self.low, self.high))
        return f"{self.value:{spec}} [{low}, {high}]"


def proportion(successes: int, total: int) -> Estimate:
    """Return a proportion with Wilson's interval; without any trial the value is NaN and the interval [0, 1]."""
    if total == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    low, high = stats.binomtest(int(successes), int(total)).proportion_ci(method="wilson")
    return Estimate(successes / total, float(low), float(high))


def f1_of_counts(tn: int, fp: int, fn: int, tp: int, num_resamples: int = 10_000, seed: int = 0) -> Estimate:
    """Return F1 with the percentile interval of a parametric bootstrap, for results of which only a table is published.

    The bootstrap draws as many paintings anew, each one of the four outcomes with its share (as `metrics.score_table`
    does, where the single paintings are known and none has a twin). Without any Van Gogh, true or called, F1 is 0.

    >>> f"{f1_of_counts(39, 3, 1, 24):.2f}"
    '0.92 [0.83, 0.98]'
    """
    counts = np.array([tn, fp, fn, tp])
    if counts.min() < 0 or counts.sum() == 0:
        raise ValueError(f"the counts {tn}, {fp}, {fn}, {tp} are no confusion matrix; give four numbers from 0 up")
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), num_resamples)
    hits, errors = 2 * draws[:, 3], draws[:, 1] + draws[:, 2]
    low, high = np.quantile(hits / np.maximum(hits + errors, 1), (0.025, 0.975))
    return Estimate(2 * tp / max(2 * tp + fp + fn, 1), float(low), float(high))


def mean_interval(values: ArrayLike) -> Estimate:
    """Return the mean with Student's interval; the ends are NaN for fewer than two values.

    NaN values, such as a share of an all-zero map, are left out.
    """
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    mean = float(values.mean()) if len(values) else float("nan")
    if len(values) < 2:
        return Estimate(mean, float("nan"), float("nan"))
    margin = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Estimate(mean, mean - margin, mean + margin)


def paired_difference(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Return the mean of a − b over pairs, with Student's interval, as `mean_interval` does."""
    return mean_interval(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64))


def paired_proportions(a: ArrayLike, b: ArrayLike) -> Estimate:
    """Return the share of `a` less the share of `b`, yes or no answers (N,) about the same things, with its interval.

    Newcombe's interval for paired shares (1998, "Improved confidence intervals for the difference between binomial
    proportions based on paired data", method 10). Unlike Student's, it stays wide where few answers all agree.
    """
    a, b = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool)
    if not len(a):
        return Estimate(float("nan"), float("nan"), float("nan"))
    first, second = proportion(int(a.sum()), len(a)), proportion(int(b.sum()), len(b))
    both, neither, only_a, only_b = (a & b).sum(), (~a & ~b).sum(), (a & ~b).sum(), (~a & b).sum()
    spread = np.sqrt(float((both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)))
    product = both * neither - only_a * only_b
    corrected = max(product - len(a) / 2, 0) if product > 0 else product
    phi = corrected / spread if spread else 0.0

    def margin(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0)))

    value = first.value - second.value
    low = value - margin(first.value - first.low, second.high - second.value)
    return Estimate(value, low, value + margin(first.high - first.value, second.value - second.low))


def speed_up(slow: ArrayLike, fast: ArrayLike, num_resamples: int = 2000, seed: int = 0) -> Estimate:
    """Return how many times as fast the median step of `fast` is; the bootstrap resamples both lists of seconds.

    The interval says how much the steps of this run scatter, not how the next machine or the next day would differ.
    """
    rng = np.random.default_rng(seed)
    slow, fast = np.asarray(slow, dtype=np.float64), np.asarray(fast, dtype=np.float64)
    medians = [np.median(rng.choice(seconds, (num_resamples, len(seconds))), axis=1) for seconds in (slow, fast)]
    low, high = np.quantile(medians[0] / medians[1], (0.025, 0.975))
    return Estimate(float(np.median(slow) / np.median(fast)), float(low), float(high))
