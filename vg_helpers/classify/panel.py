"""The judges of part 2 that no painter optimised: forewarned judges, strokes, attribution.

Convention: `keep` is `Stage.keep`; texture looks come by the network's name. `pictures` is a frame as in `forewarned`:
content and style of each picture, "" as the style of an untouched photo.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor
from tqdm.auto import tqdm

from ..data.views import load_pixels
from ..intervals import Estimate
from ..metrics import score_table
from ..models.classifier import Classifier
from ..models.extractor import FeatureExtractor
from ..models.texture import load_texture_classifier
from .attribution import Attribution, accuracy, fit_attribution, judge_statistics
from .forewarned import TextureLook, cross_fit, forewarn, learn_paintings, measure_textures, same_paintings
from .setup import Setup
from .strokes import StrokeJudge, fit_stroke_judge, measure_strokes, paintings_strokes
from .strokes import cross_validate as strokes_auc
from .texture import paintings_moments

Keep = Callable[..., Any]
ATTRIBUTES = "alexnet"  # the network on whose statistics the attribution stands


def load_look(file: str | Path, model: Classifier, device: torch.device) -> TextureLook:
    """Return the texture judge that 02 wrote beside a network."""
    texture, _ = load_texture_classifier(file, model)
    return TextureLook(texture.extractor.to(device), texture.judge, device)


def load_looks(
    files: Mapping[str, str | Path], classifiers: Mapping[str, Classifier], device: torch.device
) -> dict[str, TextureLook]:
    """Return the texture judges that 02 wrote, by network."""
    return {network: load_look(file, classifiers[network], device) for network, file in files.items()}


def view_of(size: int) -> int:
    """Return the size of the view for pictures with so many pixels on the longer side: 224 for 256."""
    return round(size * 7 / 8)


def training_rows(look: TextureLook, index: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the paintings that a texture judge learned from, in its order."""
    return index.set_index("path", drop=False).loc[look.judge.names].reset_index(drop=True)


def at_size(
    look: TextureLook, index: pd.DataFrame, setup: Setup, on_batch: Callable[[int], None] | None = None
) -> tuple[TextureLook, Estimate]:
    """Return a texture judge that learned the same paintings at the size of `setup`, and its ROC AUC.

    The AUC is cross-validated on those paintings. The judge sees pictures as they are, not enlarged: a search asks it
    often.
    """
    train, before = training_rows(look, index), look.extractor
    extractor = FeatureExtractor(before.network, before.body, before.layers, before.weights)
    moments = paintings_moments(extractor, train, setup, on_batch=on_batch)
    about = train["label"].to_numpy(), train["group"].to_numpy(), train["path"].tolist()
    judge, odds = learn_paintings(moments, *about, float(look.judge.gamma), setup.seed)
    auc = score_table(about[0], expit(odds), groups=about[1], seed=setup.seed).loc["roc_auc"]
    return replace(look, extractor=extractor, judge=judge, size=setup.size), Estimate.read(auc)


def warned(
    look: TextureLook,
    index: pd.DataFrame,
    pictures: pd.DataFrame,
    images: list[Tensor],
    paintings: Iterable[Path | str],
) -> TextureLook:
    """Return a look whose judge has learned from repainted and untouched photos, but from none of these paintings.

    Without any repainted photo the look stays as it is.
    """
    if (pictures["style"] == "").all():
        return look
    moments = measure_textures(look.extractor, images, look.device, look.size)
    left_out = same_paintings(training_rows(look, index), paintings)
    return replace(look, judge=forewarn(look.judge, moments, pictures, left_out))


@dataclass(frozen=True)
class Panel:
    """The judges of part 2 beside the two networks, and the training paintings from which they learned.

    The forewarned judges also learn from the pictures that they judge, each from those of other photos in other styles.
    None of them learned from a painting that is `left_out`: those whose style the pictures have, and their twins.
    """

    looks: Mapping[str, TextureLook]
    strokes: StrokeJudge
    attribution: Attribution
    train: pd.DataFrame
    left_out: NDArray[np.bool_]

    @property
    def artist(self) -> str:
        """The name of the painter whose works have the label 1."""
        return str(self.train["artist"][self.train["label"] == 1].mode()[0])

    def judge(self, pictures: pd.DataFrame, images: list[Tensor], keep: Keep) -> pd.DataFrame:
        """Return p_strokes, p_forewarned_vgg19, p_forewarned_alexnet and painter, a row per picture.

        Args:
            images: (1, 3, H, W) in [0, 1], one for each row of `pictures`, the untouched photos among them.
        """
        named = pictures[["content", "style"]]
        answers = {"p_strokes": self.strokes.probs(keep("strokes", measure_strokes, images, self.strokes.size))}
        for network, moments in self.measure(images, keep).items():
            odds = keep(f"forewarned_{network}", cross_fit, self.looks[network].judge, moments, named, self.left_out)
            answers[f"p_forewarned_{network}"] = expit(odds)
            if network == ATTRIBUTES:
                statistics = judge_statistics(self.looks[network].judge, moments)
                answers["painter"] = self.attribution.names(statistics)
        return pd.DataFrame(answers, index=pictures.index)

    def measure(self, images: list[Tensor], keep: Keep, name: str = "moments") -> dict[str, NDArray[np.float32]]:
        """Return by network the moments (N, 2C) of images."""
        looks = self.looks.items()
        return {n: keep(f"{name}_{n}", measure_textures, look.extractor, images, look.device) for n, look in looks}


def open_panel(
    looks: Mapping[str, TextureLook], index: pd.DataFrame, paintings: Iterable[str], setup: Setup, keep: Keep
) -> Panel:
    """Return the judges of part 2, taught with the paintings from which the texture judges learned.

    Args:
        index: at least those paintings.
        paintings: whose styles the pictures have that will be judged.
    """
    train = training_rows(looks[ATTRIBUTES], index)
    left_out = same_paintings(train, paintings)
    with tqdm(total=len(train), desc="strokes") as bar:
        numbers = keep("train_strokes", paintings_strokes, train, setup, on_painting=bar.update)
    rest = train[~left_out]
    judge = fit_stroke_judge(numbers[~left_out], rest["label"].to_numpy(), setup.seed, setup.size)
    statistics = looks[ATTRIBUTES].judge.support[: len(train)].float().numpy()[~left_out]
    attribution = keep("attribution", fit_attribution, statistics, rest["artist"].tolist(), rest["group"].tolist())
    return Panel(looks, judge, attribution, train, left_out)


def evaluate_panel(
    panel: Panel, tested: pd.DataFrame, images: list[Tensor], pictures: pd.DataFrame, setup: Setup, keep: Keep
) -> tuple[dict[str, Estimate], pd.DataFrame]:
    """Return what each judge reaches on the test paintings, by name, and its answers, a row per painting.

    "strokes", "texture_<network>" and "forewarned_<network>" are ROC AUC, "strokes_validated" is the cross-validated
    one on the training paintings; "attribution" is the share of painters that are named rightly. The answers are those
    of `Panel.judge`, and p_texture_<network>.

    Args:
        tested: the test paintings: path, label, artist, group.
        images, pictures: as for `Panel.judge`; the forewarned judges learn from all of them here.
    """
    labels, groups = tested["label"].to_numpy(), tested["group"].to_numpy()
    numbers, known = keep("test_strokes", paintings_strokes, tested, setup), panel.train
    train = keep("train_strokes", paintings_strokes, known, setup)
    answers = {"p_strokes": panel.strokes.probs(numbers)}
    results = {"strokes": auc_of(labels, answers["p_strokes"], groups, setup.seed)}
    about = known["label"].to_numpy(), known["group"].to_numpy(), setup.seed
    results["strokes_validated"] = Estimate.read(keep("strokes_validated", strokes_auc, train, *about))
    paintings, moments = load_paintings(tested, setup), panel.measure(images, keep)
    for network, seen in panel.measure(paintings, keep, "test_moments").items():
        judge, tensor = panel.looks[network].judge, torch.from_numpy(seen)
        warned_judge = forewarn(judge, moments[network], pictures, panel.left_out)
        for name, one in ((f"texture_{network}", judge), (f"forewarned_{network}", warned_judge)):
            answers[f"p_{name}"] = expit(one(tensor).double().numpy())
            results[name] = auc_of(labels, answers[f"p_{name}"], groups, setup.seed)
        if network == ATTRIBUTES:
            answers["painter"] = panel.attribution.names(judge_statistics(judge, seen))
            results["attribution"] = accuracy(answers["painter"], tested["artist"])
    return results, pd.DataFrame(answers, index=tested.index)


def auc_of(labels: NDArray, probs: NDArray, groups: NDArray, seed: int) -> Estimate:
    """Return the ROC AUC with an interval that resamples groups."""
    return Estimate.read(score_table(labels, probs, groups=groups, seed=seed).loc["roc_auc"])


def load_paintings(index: pd.DataFrame, setup: Setup) -> list[Tensor]:
    """Return paintings as (1, 3, H, W) 8-bit images, from the cache."""
    folder = Path(setup.data_dir)
    pixels = [load_pixels(folder / path, Path(setup.cache_dir)) for path in index["path"]]
    return [torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] for picture in pixels]
