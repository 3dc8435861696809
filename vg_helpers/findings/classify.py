"""Sentences of 02 that depend on its results.

Convention: classifiers come by their key ("vgg19", "vgg19_with_texture"), intervals as Estimates.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..intervals import Estimate
from ..plots.look import artist_name, counted, name_of

FROZEN = {
    "top": "only the upper layers are trained, on features of the frozen lower ones",
    "head": "only the last layer is trained, on features of the frozen others",
}
FEW_TRIALS = 30  # below it, a functional analysis of variance gives no more than a hint
HEADLINE = ("vgg19", "alexnet", "vgg19_with_texture")


def frozen_layers(depths: Mapping[str, str], because_of_cpu: bool) -> list[str]:
    """Return one sentence for each network of which some layers stay frozen.

    Args:
        depths: by network, "all", "top" or "head".
        because_of_cpu: whether the device decided, and not the user.
    """
    reason = "the device is a CPU" if because_of_cpu else "the parameter depth asks for it"
    return [
        f"{name_of(network)}: {FROZEN[depth]}. Reason: {reason}; depth 'all' trains everything."
        for network, depth in depths.items()
        if depth in FROZEN
    ]


def best_trials(trials: pd.DataFrame, best: Mapping[str, Mapping[str, Any]]) -> str:
    """Return which settings each network is trained with, and what their search cost.

    Args:
        trials: columns model, state, seconds.
        best: by network, lr, batch_size, optimizer and value.
    """
    sentences = []
    for network, values in best.items():
        rows = trials[trials["model"] == network]
        pruned, minutes = int((rows["state"] == "PRUNED").sum()), rows["seconds"].sum() / 60
        stopped = f", {pruned} of them stopped early" if pruned else ""
        sentences.append(
            f"{name_of(network)} does best with {values['optimizer']}, learning rate {values['lr']:.2e} and batch size "
            f"{values['batch_size']} (validation AUC {values['value']:.3f}). "
            f"The search made {counted(len(rows), 'trial')}{stopped}, in {minutes:.1f} minutes."
        )
    return " ".join(sentences)


def records(mode: str) -> str:
    """Return where the epochs are on record; `mode` is the tracker's."""
    remote = {
        "online": "and on Weights & Biases",
        "offline": "and by Weights & Biases, which runs offline: `wandb sync` uploads its files later",
    }
    return f"Every epoch is on record locally {remote.get(mode, 'only: Weights & Biases is off')}."


def importances(shares: Mapping[str, Mapping[str, float]], completed: Mapping[str, int]) -> str:
    """Return how much of the variance among the trials each value explains.

    Args:
        shares: by network, the share of each parameter; empty if it could not be estimated.
        completed: by network, the number of completed trials.
    """
    parts = []
    for network, by_name in shares.items():
        named = ", ".join(
            f"{'learning rate' if key == 'lr' else key.replace('_', ' ')} {share:.0%}" for key, share in by_name.items()
        )
        if named:
            parts.append(f"{name_of(network)}: {named} of the variance of {completed[network]} completed trials")
    if not parts:
        return "The completed trials are too few, or too alike, to say which value mattered."
    known = [completed[network] for network, by_name in shares.items() if by_name]
    hint = " With so few trials this is only a hint." if min(known) < FEW_TRIALS else ""
    return f"Which values mattered, by functional analysis of variance [@hutter2014]. {'; '.join(parts)}.{hint}"


def networks_differ(difference: Estimate, test: Any) -> str:
    """Return whether VGG-19 and AlexNet differ.

    Args:
        difference: ROC AUC of VGG-19 minus that of AlexNet.
        test: McNemar's, with only_a (VGG-19 alone is right), only_b and p_value.
    """
    ranks = difference.choose(
        "VGG-19 ranks the test paintings better than AlexNet",
        "This test set shows no clear difference between the rankings of VGG-19 and AlexNet",
        "AlexNet ranks the test paintings better than VGG-19",
    )
    if not test.only_a + test.only_b:
        return f"{ranks} (difference in ROC AUC {difference:+.3f}). Both are wrong on the same paintings."
    chance = "more than chance explains" if test.p_value < 0.05 else "which chance may well explain"
    return (
        f"{ranks} (difference in ROC AUC {difference:+.3f}). Only VGG-19 is right on "
        f"{counted(test.only_a, 'painting')} and only AlexNet on {counted(test.only_b, 'painting')}, {chance} "
        f"(McNemar, p = {test.p_value:.2g})."
    )


def fine_tuning_gains(gains: Mapping[str, Estimate]) -> str:
    """Return what fine-tuning changes, from each network's ROC AUC minus that of its linear probe."""
    return " ".join(
        gain.choose(
            f"Fine-tuning improves {name_of(network)} over its linear probe (ROC AUC {gain:+.3f}).",
            f"Fine-tuning makes no clear difference to {name_of(network)} (ROC AUC {gain:+.3f} over its linear probe).",
            f"Fine-tuning makes {name_of(network)} worse than its linear probe (ROC AUC {gain:+.3f}).",
        )
        for network, gain in gains.items()
    )


def texture_gains(gains: Mapping[str, Estimate]) -> str:
    """Return what the texture judge adds, from the ROC AUC with it minus that without it."""
    return " ".join(
        gain.choose(
            f"Texture improves {name_of(network)} (ROC AUC {gain:+.3f}).",
            f"Texture makes no clear difference to {name_of(network)} (ROC AUC {gain:+.3f}).",
            f"Texture makes {name_of(network)} worse (ROC AUC {gain:+.3f}).",
        )
        for network, gain in gains.items()
    )


def right_answers(tested: pd.DataFrame) -> str:
    """Return how often VGG-19 is right, as the title of its surest answers; `tested` as in `wrong_answers`."""
    right = int(tested["outcome"].isin(["TP", "TN"]).sum())
    return f"VGG-19 is right about {right} of {counted(len(tested), 'test painting')}; here the answers it is surest of"


def wrong_answers(tested: pd.DataFrame) -> str:
    """Return how many Van Goghs VGG-19 finds, and whose paintings it takes for his.

    Args:
        tested: columns artist and outcome ("TP", "FP", "TN", "FN"), one row per test painting.
    """
    counts = tested["outcome"].value_counts().reindex(["TP", "FP", "TN", "FN"], fill_value=0)
    mistaken = tested.loc[tested["outcome"] == "FP", "artist"].map(artist_name).value_counts()
    artists = ", ".join(f"{name} ({count})" for name, count in mistaken.head(3).items())
    return (
        f"At its threshold VGG-19 finds {counts['TP']} of {counted(counts['TP'] + counts['FN'], 'Van Gogh')} and takes "
        f"{counts['FP']} of {counted(counts['FP'] + counts['TN'], 'other painting')} for his"
        f"{', most often those by ' if artists else ''}{artists}."
    )


def shared_errors(wrong: Mapping[str, Any]) -> str:
    """Return on how many test paintings both networks are wrong, and how many to expect; "" if one makes no error.

    Args:
        wrong: by network, (N,) whether it is wrong on each test painting; two networks.
    """
    first, second = (np.asarray(values, dtype=bool) for values in wrong.values())
    if not (first.any() and second.any()):
        return ""
    both, expected = int((first & second).sum()), first.mean() * second.sum()
    names = " and ".join(name_of(network) for network in wrong)
    return (
        f"{names} are both wrong on {counted(both, 'test painting')}; if their errors were independent, "
        f"{expected:.1f} would be expected."
    )


def no_mistakes(mistakes: pd.DataFrame) -> str:
    """Return that VGG-19 made no mistake, if it made none."""
    return "" if len(mistakes) else "VGG-19 is right about every test painting."


def no_mediums(mediums: pd.DataFrame) -> str:
    """Return why there is no table by medium, if the titles name fewer than two kinds."""
    return (
        "" if len(mediums) > 1 else "The titles of these test paintings name no medium, so there is no table by medium."
    )


def headline(summary: Mapping[str, Mapping[str, Any]], num_paintings: int, is_demo: bool) -> str:
    """Return one list item for each classifier of HEADLINE: ROC AUC, F1 and accuracy with their intervals.

    Args:
        summary: by classifier, the metrics at its threshold under "best", as in metrics.json.
    """
    task = "the demo's Van Gogh painter from other painters" if is_demo else "Van Gogh from other painters"
    lines = []
    for name in HEADLINE:
        auc, f1, accuracy = (Estimate.read(summary[name]["best"][metric]) for metric in ("roc_auc", "f1", "accuracy"))
        lines.append(
            f"- **{name_of(name)}** tells {task} with a ROC AUC of {auc:.3f}. At the threshold chosen on validation, "
            f"F1 is {f1:.3f} and accuracy {accuracy:.3f}, on {counted(num_paintings, 'test painting')} "
            "([@fig:02_classify-metrics])."
        )
    return "\n".join(lines)


def limits(split: str, num_artists: int) -> str:
    """Return what the result does not show; `num_artists` counts the other painters."""
    kinds = {
        "split_grouped": "grouped split, in which no test painting has a twin in training that 01 recognises",
        "split_given": "split that came with the list of paintings, in which twins are not kept apart",
    }
    kind = kinds.get(split, "random split")
    return (
        f"All of this is measured on the {kind}. It does not show how the networks judge forgeries, other periods, "
        f"painters beyond the {num_artists:,} in this data set, or photographs of other quality."
    )


def splits_differ(random: Estimate, grouped: Estimate, twins: int) -> str:
    """Return whether the random split flatters, from the ROC AUC of one linear probe under each split.

    Args:
        twins: test paintings of the random split that have a twin in training.
    """
    difference = random.value - grouped.value
    if random.low > grouped.high:
        verdict = "The intervals do not overlap: the random split flatters the classifier"
    elif grouped.low > random.high:
        verdict = "The intervals do not overlap: here the random split is the harder one"
    else:
        verdict = "The intervals overlap, so this run does not show that the random split flatters"
    have = "has" if twins == 1 else "have"
    return (
        f"{counted(twins, 'test painting')} of the random split {have} a twin in training. Its ROC AUC is "
        f"{abs(difference):.3f} {'above' if difference >= 0 else 'below'} that of the grouped split. {verdict}."
    )


def pretraining_gain(gain: Estimate | None) -> str:
    """Return how much pre-training helps, from the ROC AUC of AlexNet minus that of one from random weights.

    None: this run trained no network from random weights.
    """
    if gain is None:
        return "This run trains no network from random weights: the parameter `scratch_epochs` is zero."
    return gain.choose(
        f"Pre-training helps: AlexNet gains {gain:+.3f} in ROC AUC over the same network from random weights.",
        f"Pre-training makes no clear difference in this run (ROC AUC {gain:+.3f} over random weights).",
        f"Random weights do better here: pre-training changes the ROC AUC of AlexNet by {gain:+.3f}.",
    )


def palettes(changes: Mapping[str, Estimate]) -> str:
    """Return what other artists' palettes change, from the ROC AUC with them minus that with the own ones."""
    sentences = [
        change.choose(
            f"Other palettes help {name_of(network)} ({change:+.3f}).",
            f"Other palettes make no clear difference to {name_of(network)} ({change:+.3f}).",
            f"Other palettes cost {name_of(network)} some of its ROC AUC ({change:+.3f}).",
        )
        for network, change in changes.items()
    ]
    if any(change.high < 0 for change in changes.values()):
        sentences.append("The drop is the part that relied on colour; the rest relies on shape and brushwork.")
    else:
        sentences.append("So this check shows no reliance on colour.")
    return " ".join(sentences)
