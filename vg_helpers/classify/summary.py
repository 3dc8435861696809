"""What the classifiers predict for the held-out paintings: scores with intervals, errors, tables.

Convention: `held` has one row per val and test painting (path, artist, title, label, group, split) and, for each
classifier, its P(van_gogh) in a column such as p_vgg19 or p_alexnet_probe. `metrics` is what metrics.json holds.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..calibration import calibrate, expected_calibration_error, fit_temperature, reliability_table, threshold_for_f1
from ..data.twins import medium_of
from ..intervals import Estimate
from ..metrics import McNemar, auc_difference, confusion_of, mcnemar, outcomes_of, rates_by, score, score_table
from ..models.layers import TITLES

VARIANTS = {
    "": "",
    "_probe": ", frozen + logistic regression",
    "_texture": ", texture alone",
    "_with_texture": " with texture",
    "_scratch": " from random weights",
}
LABELS = {f"{network}{key}": f"{title}{text}" for network, title in TITLES.items() for key, text in VARIANTS.items()}
SHOWN = ("roc_auc", "average_precision", "f1", "accuracy")
SURE_FIRST = {"TP": False, "FP": False, "TN": True, "FN": True}  # whether the surest have the lowest P(van_gogh)


def held_out(index: pd.DataFrame, split: str, probs: Mapping[str, Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Return the frame `held` of a split.

    Args:
        probs: by classifier, P(van_gogh) of "val" and "test", in the order of the index.
    """
    rows = index[index[split] != "train"].reset_index(drop=True)
    held = rows[["path", "artist", "title", "label", "group"]].assign(split=rows[split])
    for name, by_part in probs.items():
        for part, values in by_part.items():
            held.loc[held["split"] == part, f"p_{name}"] = values
    return held


def classifiers(held: pd.DataFrame) -> list[str]:
    """Return the names of the classifiers that have a column."""
    return [column.removeprefix("p_") for column in held if column.startswith("p_")]


def scores_of(held: pd.DataFrame) -> pd.DataFrame:
    """Return one column per classifier and one row per metric, at threshold 0.5 on the test paintings."""
    test = _test(held)
    return pd.DataFrame({name: score(test["label"], test[f"p_{name}"]) for name in classifiers(held)})


def evaluate(
    held: pd.DataFrame, views: int, seed: int = 0, on_classifier: Callable[[], None] | None = None
) -> dict[str, dict[str, Any]]:
    """Return by classifier the threshold chosen on validation, and the test metrics at it ("best") and at 0.5 ("even").

    Args:
        views: how many views of a painting were averaged; it is kept with the threshold.
        seed: of the bootstrap, which resamples groups of twins.
    """
    val, test, metrics = held[held["split"] == "val"], _test(held), {}
    for name in classifiers(held):
        probs = test[f"p_{name}"]
        threshold = threshold_for_f1(val["label"], val[f"p_{name}"])
        best, even = (
            score_table(test["label"], probs, limit, groups=test["group"], seed=seed) for limit in (threshold, 0.5)
        )
        metrics[name] = {"threshold": threshold, "views": views}
        metrics[name] |= {"best": best.to_dict("index"), "even": even.to_dict("index")}
        if on_classifier:
            on_classifier()
    return metrics


def differences(held: pd.DataFrame, variant: str, other: str, seed: int = 0) -> dict[str, Estimate]:
    """Return by network the test ROC AUC of one variant minus that of another, such as "_with_texture" minus ""."""
    return {network: difference(held, f"{network}{variant}", f"{network}{other}", seed) for network in TITLES}


def difference(held: pd.DataFrame, first: str, second: str, seed: int = 0) -> Estimate:
    """Return the test ROC AUC of one classifier minus that of another, with its paired bootstrap interval."""
    test = _test(held)
    return auc_difference(test["label"], test[f"p_{first}"], test[f"p_{second}"], groups=test["group"], seed=seed)


def confusions(held: pd.DataFrame, metrics: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return each network's confusion matrix on the test paintings, at its threshold."""
    test = _test(held)
    return {name: confusion_of(test["label"], test[f"p_{name}"], metrics[name]["threshold"]) for name in TITLES}


def predicted(held: pd.DataFrame, metrics: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return by network whether it takes each test painting for a Van Gogh, at its threshold."""
    test = _test(held)
    return {name: test[f"p_{name}"].to_numpy() >= metrics[name]["threshold"] for name in TITLES}


def wrong(held: pd.DataFrame, metrics: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return by network whether it is wrong on each test painting, at its threshold."""
    targets = _test(held)["label"].to_numpy()
    return {name: preds != targets for name, preds in predicted(held, metrics).items()}


def compare_errors(held: pd.DataFrame, metrics: Mapping[str, Any]) -> McNemar:
    """Return McNemar's test of VGG-19 (a) and AlexNet (b), each at its threshold."""
    preds = predicted(held, metrics)
    return mcnemar(_test(held)["label"], preds["vgg19"], preds["alexnet"])


def temperatures(held: pd.DataFrame) -> dict[str, float]:
    """Return each network's temperature, fitted on validation."""
    val = held[held["split"] == "val"]
    return {name: fit_temperature(val["label"], val[f"p_{name}"]) for name in TITLES}


def reliability(
    held: pd.DataFrame, temperatures: Mapping[str, float]
) -> tuple[dict[str, pd.DataFrame], dict[str, float]]:
    """Return reliability tables and expected calibration errors on test, for "vgg19", "vgg19 calibrated" and so on."""
    test = _test(held)
    probs = {name: test[f"p_{name}"] for name in TITLES}
    probs |= {f"{name} calibrated": calibrate(test[f"p_{name}"], temperatures[name]) for name in TITLES}
    tables = {name: reliability_table(test["label"], values) for name, values in probs.items()}
    return tables, {name: expected_calibration_error(table) for name, table in tables.items()}


def metric_rows(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per classifier and metric of SHOWN at the chosen threshold: model, metric, value, low, high."""
    shown = [name for name in metrics if not name.endswith("_texture") or name.endswith("_with_texture")]
    rows = [{"model": name, "metric": key, **metrics[name]["best"][key]} for key in SHOWN for name in shown]
    return pd.DataFrame(rows)


def results_table(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per classifier with its test results, each with its interval."""
    rows = []
    for name, entry in metrics.items():
        even = [f"{Estimate.read(entry['even'][key]):.3f}" for key in ("roc_auc", "accuracy", "f1")]
        best = f"{Estimate.read(entry['best']['f1']):.3f}"
        rows.append([LABELS[name], *even, best, f"{entry['threshold']:.2f}"])
    columns = ["classifier", "ROC AUC", "accuracy at 0.5", "F1 at 0.5", "F1 at threshold", "threshold"]
    return pd.DataFrame(rows, columns=columns)


def predictions(held: pd.DataFrame, metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Return what predictions.csv holds: both networks' P(van_gogh), and the outcome for VGG-19 at its threshold."""
    outcome = outcomes_of(held["label"], held["p_vgg19"], metrics["vgg19"]["threshold"])
    columns = ["path", "artist", "title", "label", "group", "split", *(f"p_{name}" for name in TITLES)]
    return held[columns].assign(outcome=outcome)


def examples(tested: pd.DataFrame, count: int = 5) -> dict[str, pd.DataFrame]:
    """Return by outcome the predictions of which VGG-19 is surest."""
    return {
        outcome: tested[tested["outcome"] == outcome].sort_values("p_vgg19", ascending=lowest_first).head(count)
        for outcome, lowest_first in SURE_FIRST.items()
    }


def mistakes(tested: pd.DataFrame, count: int = 8) -> pd.DataFrame:
    """Return the wrong predictions of which VGG-19 is surest."""
    errors = tested[tested["outcome"].isin(["FP", "FN"])]
    return errors.assign(error=(errors["p_vgg19"] - errors["label"]).abs()).nlargest(count, "error")


def mistakes_table(mistakes: pd.DataFrame, artist_name: Callable[[str], str] = str) -> pd.DataFrame:
    """Return the mistakes with the numbers that their figure has; `artist_name` says how an artist is printed."""
    rows = [
        [number, artist_name(row.artist), row.title.replace("-", " "), row.p_vgg19, row.p_alexnet]
        for number, row in enumerate(mistakes.itertuples(), start=1)
    ]
    return pd.DataFrame(rows, columns=["no.", "artist", "title", "P by VGG-19", "P by AlexNet"])


def artists_table(tested: pd.DataFrame, artist_name: Callable[[str], str] = str, count: int = 10) -> pd.DataFrame:
    """Return the artists who are most often taken for Van Gogh by VGG-19."""
    rates = rates_by(tested["label"], tested["outcome"].isin(["TP", "FP"]), tested["artist"])
    rates = rates[rates["others"] > 0].assign(mean_p=tested.groupby("artist")["p_vgg19"].mean())
    rates = rates.assign(share=[rate.value for rate in rates["mistaken"]])
    rates = rates.sort_values(["share", "mean_p"], ascending=False).head(count)
    rows = [[artist_name(row.Index), row.others, f"{row.mistaken:.2f}", row.mean_p] for row in rates.itertuples()]
    return pd.DataFrame(rows, columns=["artist", "test paintings", "share taken for a Van Gogh", "mean P"])


def mediums_table(tested: pd.DataFrame) -> pd.DataFrame:
    """Return how often VGG-19 is right by the medium that a title names."""
    rates = rates_by(tested["label"], tested["outcome"].isin(["TP", "FP"]), tested["title"].map(medium_of))
    rows = [
        [row.Index, row.van_goghs, f"{row.found:.2f}", row.others, f"{row.mistaken:.2f}"] for row in rates.itertuples()
    ]
    return pd.DataFrame(rows, columns=["medium", "Van Goghs", "share found", "others", "share mistaken"])


def split_scores(tested: Mapping[str, pd.DataFrame], index: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return one row per split: paintings, twins, and roc_auc, f1 and accuracy at 0.5 as Estimates.

    Args:
        tested: by split, its test paintings with their P(van_gogh) in a column p; twins counts those of which a twin is
            in that split's training part.
    """
    rows = {}
    for split, test in tested.items():
        twins = int(test["group"].isin(index.loc[index[split] == "train", "group"]).sum())
        table = score_table(test["label"], test["p"], groups=test["group"], seed=seed)
        estimates = {key: Estimate.read(table.loc[key]) for key in ("roc_auc", "f1", "accuracy")}
        rows[split] = {"paintings": len(test), "twins": twins, **estimates}
    return pd.DataFrame.from_dict(rows, orient="index")


def splits_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `split_scores` as it is printed."""
    names = {"split_seed": "random", "split_grouped": "grouped"}
    cells = [
        [names[row.Index], row.paintings, row.twins, f"{row.roc_auc:.3f}", f"{row.f1:.3f}", f"{row.accuracy:.3f}"]
        for row in rows.itertuples()
    ]
    columns = ["split", "test paintings", "with a twin in training", "ROC AUC", "F1 at 0.5", "accuracy at 0.5"]
    return pd.DataFrame(cells, columns=columns)


def palettes_table(held: pd.DataFrame, changes: Mapping[str, Estimate]) -> pd.DataFrame:
    """Return each network's ROC AUC with own and with swapped palettes (its variants _own and _swapped)."""
    aucs = scores_of(held).loc["roc_auc"]
    rows = [
        [TITLES[network], aucs[f"{network}_own"], aucs[f"{network}_swapped"], *change]
        for network, change in changes.items()
    ]
    return pd.DataFrame(rows, columns=["network", "own palette", "swapped palette", "change", "low", "high"])


def _test(held: pd.DataFrame) -> pd.DataFrame:
    return held[held["split"] == "test"]
