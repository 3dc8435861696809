"""Attribution: which of all painters made a picture, by a linear head on the texture judge's statistics.

Convention: statistics (N, 2C) are standardised as a `TextureJudge` does it; probs are (N, painters), in the order of
`Attribution.painters`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from torch import Tensor

from ..intervals import Estimate, proportion
from ..models.extractor import FeatureExtractor
from ..models.texture import TextureJudge
from .forewarned import measure_textures

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)  # of the regression, scikit-learn's C
FOLDS = 3


@dataclass(frozen=True)
class Attribution:
    """A multinomial logistic regression of all painters."""

    regression: LogisticRegression

    @property
    def painters(self) -> list[str]:
        """The painters' names, in the order of the columns of `probs`."""
        return list(self.regression.classes_)

    def content(self) -> tuple[Any, ...]:
        """Return what its answers depend on, for `Stage.keep`."""
        return self.regression.coef_, self.regression.intercept_, self.painters

    def probs(self, statistics: NDArray) -> NDArray[np.float64]:
        """Return the probability of each painter, (N, painters)."""
        return self.regression.predict_proba(statistics)

    def names(self, statistics: NDArray) -> NDArray[np.str_]:
        """Return the most probable painter of each picture, (N,)."""
        return self.regression.predict(statistics)


def fit_attribution(statistics: NDArray, painters: Sequence[str], groups: Sequence[Any], seed: int = 42) -> Attribution:
    """Return the attribution that training paintings with these painters teach; every painter counts alike.

    Grouped cross-validation on these paintings chooses the strength; a painter of too few groups may lack in a fold.
    """
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    head = LogisticRegression(max_iter=500, class_weight="balanced")
    grid = GridSearchCV(head, {"C": STRENGTHS}, cv=folds).fit(statistics, np.asarray(painters), groups=groups)
    return Attribution(grid.best_estimator_)


def judge_statistics(judge: TextureJudge, moments: NDArray) -> NDArray[np.float32]:
    """Return the standardised statistics (N, 2C) of pictures with these moments."""
    return judge.standardise(torch.from_numpy(np.asarray(moments, dtype=np.float32))).numpy()


def attribute(
    attribution: Attribution,
    judge: TextureJudge,
    extractor: FeatureExtractor,
    pictures: Iterable[Tensor],
    device: torch.device,
) -> pd.DataFrame:
    """Return the probability of each painter (a column) for each picture (1, 3, H, W) in [0, 1] (a row)."""
    moments = measure_textures(extractor, pictures, device)
    return pd.DataFrame(attribution.probs(judge_statistics(judge, moments)), columns=attribution.painters)


def accuracy(named: Sequence[str], painters: Sequence[str]) -> Estimate:
    """Return the share of paintings whose painter is named, with Wilson's interval."""
    right = np.asarray(named) == np.asarray(painters)
    return proportion(int(right.sum()), len(right))


def deception_rate(named: Sequence[str], artists: Sequence[str] | str) -> Estimate:
    """Return the share of repainted pictures that are attributed to the artist of their style, with Wilson's interval.

    After Sanakoyeu et al. (2018, "A style-aware content loss for real-time HD style transfer", section 4), who use a
    network of their own for the attribution.

    Args:
        artists: of the style of each picture, or of all.
    """
    deceived = np.asarray(named) == np.asarray(artists)
    return proportion(int(deceived.sum()), len(deceived))
