"""Sentences of 04 that depend on its results; a picture is a Van Gogh to a classifier from P(van_gogh) = 0.5 on."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from ..intervals import Estimate, paired_difference, paired_proportions, proportion
from ..plots.look import name_of

PROMISE = 0.02  # of untouched photos a forewarned judge may take for Van Goghs
JUDGE_NAMES = {
    "vgg19": "VGG-19",
    "alexnet": "AlexNet",
    "forewarned_vgg19": "the judge forewarned by VGG-19's texture",
    "forewarned_alexnet": "the judge forewarned by AlexNet's texture",
    "strokes": "the stroke judge",
    "attribution": "the attribution",
}


def starting_images(probs: Mapping[str, ArrayLike], loss: str) -> str:
    """Return how many Van Goghs there are before the first step of transfers that start from patches.

    Args:
        probs: by classifier, P(van_gogh) of each starting image.
        loss: with which they are painted.
    """
    reason = "With the loss of nearest neighbours" if loss == "neighbours" else "With the embedded weights"
    source = (
        f"{reason}, each transfer starts from a version of the photo that is made of patches of the painting "
        "[@granot2022]."
    )
    taken = {network: int((np.asarray(values) >= 0.5).sum()) for network, values in probs.items()}
    total = len(next(iter(probs.values())))
    if not any(taken.values()):
        return f"{source} None of these {total} starting images is a Van Gogh to either classifier."
    return (
        f"{source} Before the first step {_counts(taken)} of these {total} starting images for a Van Gogh: only what "
        "exceeds these counts is due to the transfer."
    )


def differing_judges(pictures: pd.DataFrame) -> str:
    """Return on how many pictures the classifiers disagree, and which of them is convinced more easily.

    The pictures of one photo are no independent draws: the difference is that of the photos' means.

    Args:
        pictures: repainted photos, columns content, p_vgg19 and p_alexnet.
    """
    by_vgg, by_alexnet = pictures["p_vgg19"].to_numpy(), pictures["p_alexnet"].to_numpy()
    differing, total = int(((by_vgg >= 0.5) != (by_alexnet >= 0.5)).sum()), len(by_vgg)
    agreement = f"The classifiers agree about all {total} repainted photos."
    if differing:
        agreement = f"The classifiers disagree about {differing} of {total} repainted photos."
    means = pictures.groupby("content")[["p_vgg19", "p_alexnet"]].mean()
    gap = paired_difference(means["p_vgg19"], means["p_alexnet"])
    easier = gap.choose(
        above="VGG-19 is convinced more easily",
        unclear="Neither is measurably easier to convince",
        below="AlexNet is convinced more easily",
    )
    return f"{agreement} {easier} (mean difference in P {gap:+.3f})."


def disputed_titles(pictures: pd.DataFrame) -> list[str]:
    """Return a title for each picture: what was painted by which features, and P by VGG-19 and by AlexNet.

    Args:
        pictures: columns content, extractor, p_vgg19, p_alexnet.
    """
    return [
        f"{row.content}, {name_of(row.extractor)}-styled\nP: {row.p_vgg19:.2f} | {row.p_alexnet:.2f}"
        for row in pictures.itertuples()
    ]


def cost_of_conviction(p: ArrayLike, similarity: ArrayLike) -> str:
    """Return whether the photos that VGG-19 believes most keep less of their structure, by Spearman's rank correlation.

    Args:
        p, similarity: P(van_gogh) and structural similarity of each photo repainted with VGG-19's features.
    """
    total = len(p)
    if total < 3:
        return f"It takes three photos to see whether P(van_gogh) and similarity are related; here are {total}."
    if np.ptp(p) == 0 or np.ptp(similarity) == 0:
        return ""
    correlation, chance = spearmanr(p, similarity)
    numbers = f"Spearman's ρ = {correlation:+.2f}, p = {chance:.2g}, {total} photos repainted with VGG-19's features"
    if chance >= 0.05:
        return f"P(van_gogh) and similarity show no measurable relation ({numbers})."
    amount = "less" if correlation < 0 else "more"
    return f"Photos with a higher P(van_gogh) keep {amount} of their structure ({numbers})."


def convinced(network: str, counts: Mapping[str, int], share: Estimate, lift: Estimate, similarity: Estimate) -> str:
    """Return the result of one network's features.

    Args:
        network: the one that painted.
        counts: how many pictures are Van Goghs to "both", "only one" and "neither" of the classifiers.
        share: of "both".
        lift: VGG-19's P of the repainted minus that of the untouched photos.
        similarity: structural similarity to the photo.
    """
    total = sum(counts[kind] for kind in ("both", "only one", "neither"))
    verb = lift.choose(above="rises", unclear="does not change measurably", below="falls")
    return (
        f"**Style transfer with {name_of(network)}'s features.** {counts['both']} of {total} repainted photos are a "
        f"Van Gogh to both classifiers ({share:.0%}), {counts['only one']} to one, {counts['neither']} to neither. "
        f"VGG-19's P {verb} (mean change {lift:+.3f}). The structural similarity to the photo is {similarity:.2f}."
    )


def untouched_photos(taken: Mapping[str, int], total: int) -> str:
    """Return how many photos are Van Goghs before they are repainted: the baseline of the other counts.

    Args:
        taken: by classifier, how many of the `total` photos are a Van Gogh to it.
    """
    if not any(taken.values()):
        return f"None of the {total} untouched photos is a Van Gogh to either classifier."
    return f"Before painting, {_counts(taken)} of {total} photos for a Van Gogh: compare the counts above with these."


def _counts(taken: Mapping[str, int]) -> str:
    """Return "VGG-19 takes 2 and AlexNet takes 0"."""
    return " and ".join(f"{name_of(network)} takes {count}" for network, count in taken.items())


def judges_on_paintings(tests: Mapping[str, Estimate]) -> str:
    """Return what the judges that are no texture judges reach on test paintings.

    Args:
        tests: "strokes" (ROC AUC), "strokes_validated", and "attribution" (share named rightly).
    """
    strokes = f"{tests['strokes']:.3f} on the test paintings, {tests['strokes_validated']:.3f} cross-validated"
    return (
        f"Strokes alone, without colour or a network, reach a ROC AUC of {strokes}. The attribution names "
        f"{tests['attribution']:.0%} of the painters rightly."
    )


def cost_of_warning(network: str, change: float, before: ArrayLike, after: ArrayLike) -> str:
    """Return what a texture judge loses on real paintings when it is warned by photos.

    Args:
        network: whose texture it judges.
        change: of its ROC AUC on the test paintings.
        before, after: of each test painting by Van Gogh, whether the judge recognised it.
    """
    shares = [proportion(int(np.sum(answers)), len(answers)) for answers in (before, after)]
    lost = paired_proportions(before, after)
    price = lost.choose(above="fewer", unclear="measurably neither fewer nor more", below="more")
    return (
        f"Once warned, the judge of {name_of(network)}'s texture recognises {price} of the test paintings by Van Gogh: "
        f"{shares[1]:.0%}, before {shares[0]:.0%}. Its ROC AUC, which sees the order of the paintings and not where "
        f"the judge draws the line, changes by {change:+.3f}."
    )


def photos_that_pass(taken: Sequence[bool], title: str) -> str:
    """Return how many untouched photos a forewarned judge takes for Van Goghs.

    Args:
        taken: of each photo, whether it does.
        title: the judge's.
    """
    share = proportion(sum(map(bool, taken)), len(taken))
    verdict = f"so few photos cannot tell whether it keeps its bound of {PROMISE:.0%}"
    if share.low > PROMISE:
        verdict = f"it does not keep its bound of {PROMISE:.0%}"
    elif share.high <= PROMISE:
        verdict = f"it keeps its bound of {PROMISE:.0%}"
    return f"The judge {title} takes {share:.0%} of the untouched photos for Van Goghs: {verdict}."


def deception(repainted: Mapping[str, Estimate], photos: Estimate) -> str:
    """Return the deception rates, as Sanakoyeu et al. define them, beside that of untouched photos.

    Args:
        repainted: by network that painted, the share of pictures that are attributed to Van Gogh.
        photos: the same share of the untouched photos.
    """
    rates = ", ".join(f"{share:.0%} with {name_of(network)}'s features" for network, share in repainted.items())
    verdicts, clearly = [], {
        "higher": [network for network, share in repainted.items() if share.low > photos.high],
        "lower": [network for network, share in repainted.items() if share.high < photos.low],
    }  # fmt: skip
    for word, clear in clearly.items():
        names = " and ".join(name_of(network) for network in clear)
        if clear:
            noun, verb = ("rates", "are") if len(clear) > 1 else ("rate", "is")
            verdicts.append(f"The {noun} of {names} {verb} clearly {word} than that.")
    verdict = " ".join(verdicts) or "The intervals overlap with that."
    return f"The deception rate is {rates}; of untouched photos, {photos:.0%} are attributed to Van Gogh. {verdict}"


def knee_against_optimum(gains: Mapping[str, Estimate], changes: Mapping[str, Estimate], total: int) -> str:
    """Return what the knee gains and loses against the weights that one judge's opinion chose.

    Args:
        gains: by measure, how much more of the photo the knee keeps (paired).
        changes: by judge, the difference of the shares of convincing pictures (paired).
        total: how many photos.
    """
    more = sum(gain.low > 0 for gain in gains.values())
    less = sum(gain.high < 0 for gain in gains.values())
    kept = f"The knee keeps measurably more of the {total} photos by {more} of {len(gains)} measures"
    kept += f", and less by {less}" if less else ""
    easier = [judge for judge, change in changes.items() if change.low > 0]
    harder = [judge for judge, change in changes.items() if change.high < 0]
    sentences = [f"It convinces {_names(easier)} more often."] if easier else []
    sentences += [f"It convinces {_names(harder)} less often."] if harder else []
    conviction = " ".join(sentences) or "No judge is convinced measurably more or less often."
    return f"**Knee and single objective.** {kept}. {conviction}"


def _names(judges: Sequence[str]) -> str:
    return ", ".join(JUDGE_NAMES.get(judge, judge) for judge in judges)
