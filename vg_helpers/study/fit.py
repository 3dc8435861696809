"""What people's answers say: strengths by Bradley and Terry, shares, and how far judges agree with people.

Convention: intervals come from a bootstrap that draws the raters anew, so they say how another group of people might
answer, not how other pictures might fare. With a single rater there are none (NaN).
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import connected_components

from ..intervals import Estimate
from ..metrics import resample_counts
from .questions import KINDS, PHOTO, REAL, Study

PEOPLE = "another person"  # whose agreement a judge's is compared with
RESAMPLES = 1000
HALF = 0.5  # answers added to both sides of a pair that was compared, so that no strength is infinite
MAX_STEPS, TOLERANCE = 2000, 1e-7


def bradley_terry(wins: ArrayLike) -> NDArray[np.float64]:
    """Return the log strengths (…, K) under which item i is preferred to j with odds exp(s_i − s_j); s_0 is 0.

    Maximum likelihood by Hunter's iteration (2004, "MM algorithms for generalized Bradley-Terry models", eq. 3).

    Args:
        wins: (…, K, K), how often row was preferred to column. Every item must have won and lost.
    """
    wins = np.asarray(wins, dtype=np.float64)
    total, won = wins + wins.swapaxes(-1, -2), wins.sum(-1)
    strengths = np.ones(won.shape)
    for _ in range(MAX_STEPS):
        before = strengths
        strengths = won / (total / (before[..., :, None] + before[..., None, :])).sum(-1)
        strengths = strengths / strengths[..., :1]
        if np.abs(np.log(strengths / before)).max() < TOLERANCE:
            break
    return np.log(strengths)


class People:
    """The answers to one kind of question, with the resamples of the raters."""

    def __init__(self, answers: pd.DataFrame, study: Study, kind: str, num_resamples: int = RESAMPLES, seed: int = 0):
        self.answers = answers[answers["kind"] == kind].reset_index(drop=True)
        self.raters, names = pd.factorize(self.answers["rater"])
        self.draws = np.ones((1, len(names)), dtype=np.int64)
        if len(names) > 1:
            self.draws = resample_counts(len(names), num_resamples=num_resamples, seed=seed)
        pictures = study.pictures.set_index("id")
        self.chosen, self.other = (pictures.loc[self.answers[name]].reset_index() for name in ("choice", "other"))
        makers = set(self.chosen["maker"]) | set(self.other["maker"])
        self.makers = sorted(makers, key=lambda name: (name != REAL, name))  # the real ones first, as the reference

    def share(self, score: ArrayLike, counted: ArrayLike) -> Estimate:
        """Return the mean score, 0 to 1, of the answers that are counted."""
        score, counted = np.asarray(score, dtype=np.float64), np.asarray(counted, dtype=bool)
        size = self.draws.shape[1]
        sums = np.bincount(self.raters, np.where(counted, score, 0), minlength=size)
        counts = np.bincount(self.raters, counted, minlength=size)
        if not counts.sum():
            return Estimate(np.nan, np.nan, np.nan)
        drawn = self.draws @ counts
        resampled = (self.draws @ sums)[drawn > 0] / drawn[drawn > 0]
        return Estimate(float(sums.sum() / counts.sum()), *self._ends(resampled))

    def strengths(self) -> dict[str, Estimate]:
        """Return the strength of each maker, in log odds against the first one; NaN if they were never compared."""
        size, count = self.draws.shape[1], len(self.makers)
        codes = {name: place for place, name in enumerate(self.makers)}
        wins = np.zeros((size, count, count))
        np.add.at(wins, (self.raters, self.chosen["maker"].map(codes), self.other["maker"].map(codes)), 1)
        wins[:, range(count), range(count)] = 0  # two pictures by one maker say nothing about makers
        whole = wins.sum(0)
        compared = (whole + whole.T) > 0
        linked = np.flatnonzero((parts := connected_components(compared)[1]) == parts[0])
        half = HALF * compared[np.ix_(linked, linked)]
        wins, whole = wins[np.ix_(range(size), linked, linked)], whole[np.ix_(linked, linked)]
        estimates = {name: Estimate(np.nan, np.nan, np.nan) for name in self.makers}
        if len(linked) > 1:
            values = bradley_terry(whole + half)
            resampled = bradley_terry(np.tensordot(self.draws, wins, 1) + half)
            for column, place in enumerate(linked):
                estimates[self.makers[place]] = Estimate(float(values[column]), *self._ends(resampled[:, column]))
        return estimates

    def taken_for_real(self, maker: str) -> Estimate:
        """Return how often people chose this maker's picture where a real painting stood beside it."""
        won = (self.chosen["maker"] == maker) & (self.other["maker"] == REAL)
        lost = (self.chosen["maker"] == REAL) & (self.other["maker"] == maker)
        return self.share(won, won | lost)

    def agreement(self, judge: str) -> Estimate:
        """Return how often a judge prefers the picture that the person chose; equal values count as half."""
        gap = self.chosen[judge] - self.other[judge]
        return self.share(np.where(gap == 0, 0.5, gap > 0), gap.notna())

    def agreement_with_others(self) -> Estimate:
        """Return how often another rater chose the same picture, on average over the answers.

        The resamples draw whose answers are compared, not the others with whom; so the interval is a little narrow.
        """
        same = self.answers.groupby(["question", "choice"])["rater"].transform("size") - 1
        others = self.answers.groupby("question")["rater"].transform("size") - 1
        return self.share(same / others.clip(lower=1), others > 0)

    def _ends(self, resampled: NDArray) -> tuple[float, float]:
        if self.draws.shape[1] < 2:
            return np.nan, np.nan
        low, high = np.quantile(resampled, (0.025, 0.975))
        return float(low), float(high)


def evaluate(answers: pd.DataFrame, study: Study, num_resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return one row per result, with its interval: kind (of question), result, name, value, low, high.

    The result is "strength" (of a maker, in log odds against the first one of its kind of question), "taken for real"
    (the share of a maker's pictures beside a real painting) or "agreement" (of a judge, or PEOPLE, with people).
    """
    rows: list[tuple] = []
    for kind in KINDS:
        people = People(answers, study, kind, num_resamples, seed)
        if people.answers.empty:
            continue
        rows += [(kind, "strength", name, *estimate) for name, estimate in people.strengths().items()]
        if REAL in people.makers:
            others = [name for name in people.makers if name not in (REAL, PHOTO)]
            rows += [(kind, "taken for real", name, *people.taken_for_real(name)) for name in others]
        judges = [name for name, answered in study.judges.items() if answered == kind]
        rows += [(kind, "agreement", name, *people.agreement(name)) for name in judges]
        rows.append((kind, "agreement", PEOPLE, *people.agreement_with_others()))
    frame = pd.DataFrame(rows, columns=["kind", "result", "name", "value", "low", "high"])
    return frame.dropna(subset="value").reset_index(drop=True)
