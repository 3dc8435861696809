"""Sentences of 06 that depend on its results, and the tables of means that they come from.

Convention: frames hold a value per painting or photo; gains are positive if the map named first, or guiding, is better.
"""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from ..intervals import Estimate, mean_interval, paired_difference
from ..plots.look import OUTCOMES

RIVALS = {"edges": "the density of edges", "random": "a random map"}
JUDGES = {"network": "VGG-19", "texture": "the texture judge"}
BETTER = {"deletion": -1, "insertion": 1}  # the sign of a better area
DIRECTIONS = {"p": 1, "content_inside": -1, "ssim_inside": 1, "style_outside": -1}  # the sign of a better value
MEASURES = {
    "p": "P(van_gogh)",
    "content_inside": "content inside",
    "ssim_inside": "SSIM inside",
    "style_outside": "style outside",
}
STRUCTURE = 0.3  # a rank correlation below it counts as lost structure


def outcomes(tested: pd.DataFrame, num_examples: int) -> str:
    """Return how many test paintings had which outcome, and how many are shown.

    Args:
        tested: column outcome ("TP", "FP", "TN", "FN").
    """
    counts = tested["outcome"].value_counts()
    listed = [f"{counts.get(outcome, 0)} {OUTCOMES[outcome]}" for outcome in ("TP", "FP", "FN")]
    return (
        f"The {len(tested)} test paintings include {listed[0]}, {listed[1]} and {listed[2]} at the threshold chosen on "
        f"validation; at most {num_examples} of each are shown."
    )


def measured(rows: pd.DataFrame, num_zero: int) -> str:
    """Return how many paintings are measured, down to which P, and how many of their maps are empty.

    Args:
        rows: column p_vgg19.
    """
    empty = f" The maps of {num_zero} of them are zero everywhere." if num_zero else ""
    return f"{len(rows)} paintings are measured, down to P(van_gogh) = {rows['p_vgg19'].min():.2f}.{empty}"


def agreement(shared: pd.DataFrame) -> str:
    """Return whether two networks look at the same places.

    Args:
        shared: columns correlation, overlap and above chance.
    """
    above = mean_interval(shared["above chance"])
    verdict = above.choose(
        "The two networks agree on where to look more than chance would",
        "The two networks show no clear agreement on where to look",
        "The two networks look at different places",
    )
    overlap, correlation = shared["overlap"].mean(), mean_interval(shared["correlation"])
    return (
        f"{verdict}: the highest fifths of their maps overlap by {overlap:.0%} (intersection over union), by chance "
        f"{overlap - above.value:.0%} (difference {above:+.0%}). The mean rank correlation is {correlation:.2f}."
    )


def mean_table(values: pd.DataFrame, row: str, value: str) -> pd.DataFrame:
    """Return one row per column of `values`: its name, mean, and the ends of the 95 % interval of the mean."""
    means = {name: mean_interval(values[name]) for name in values}
    return pd.DataFrame(means, index=[value, "low", "high"]).T.rename_axis(row).reset_index()


def texture(shares: pd.DataFrame) -> str:
    """Return whether the maps fall on texture.

    Args:
        shares: columns own map, other map and chance.
    """
    gain = paired_difference(shares["own map"], shares["chance"])
    over_other = paired_difference(shares["own map"], shares["other map"])
    brushwork = gain.choose(
        "The maps fall on dense edges more often than chance",
        "The maps fall on dense edges about as often as chance, so this is no evidence for brushwork",
        "The maps avoid dense edges, which speaks against fine brushwork as the evidence",
    )
    painting = over_other.choose(
        "Each map follows the texture of its own painting: the map of another painting covers less of it",
        "The map of another painting covers the texture about as well",
        "The map of another painting covers even more of the texture",
    )
    return f"{brushwork} ({gain:+.1%}). {painting} ({over_other:+.1%})."


def strokes(shares: pd.DataFrame | None) -> str:
    """Return whether the maps fall on the strokes that a demo painter is known for; None if these are not known."""
    if shares is None:
        return "These paintings come without a record of their strokes, so only the demo set allows this check."
    gain = paired_difference(shares["own map"], shares["chance"])
    over_other = paired_difference(shares["own map"], shares["other map"])
    verdict = ("more than", "not clearly more or less than", "less than")
    return (
        f"{shares['own map'].mean():.0%} of the maps falls on characteristic strokes, {gain.choose(*verdict)} chance "
        f"({shares['chance'].mean():.0%}; {gain:+.1%}) and {over_other.choose(*verdict)} the map of another painting "
        f"({over_other:+.1%})."
    )


def strokes_of_evidence(evidence: pd.DataFrame, grad_cam: pd.DataFrame) -> str:
    """Return whether the evidence for Van Gogh lies on characteristic strokes more than Grad-CAM does.

    Args:
        evidence, grad_cam: column own map, the share of each map that falls on strokes.
    """
    gain = paired_difference(evidence["own map"], grad_cam["own map"])
    verdict = gain.choose("more than", "not clearly more or less than", "less than")
    return (
        f"{evidence['own map'].mean():.0%} of the texture judge's evidence for Van Gogh falls on these strokes, "
        f"{verdict} of Grad-CAM's maps ({gain:+.1%})."
    )


def evidence_adds_up(sums: Sequence[float], log_odds: Sequence[float], baseline: float) -> str:
    """Return what the maps of evidence add up to, and how exactly.

    Args:
        sums: of all places of each map.
        log_odds: of each painting by the texture judge.
        baseline: the log odds of a painting of average texture.
    """
    error = max(abs(total - (odds - baseline)) for total, odds in zip(sums, log_odds, strict=True))
    return (
        f"A painting of average texture has log odds of {baseline:.2f}. The places of each map add up to the log odds "
        f"of its painting minus this number; the largest error is {error:.1g}."
    )


def comparison(areas: pd.DataFrame, method: str, rivals: Iterable[str]) -> pd.DataFrame:
    """Return a map's areas under both curves against each rival's: curve, against, area, area_other, gain, low, high.

    Args:
        areas: one row per image, columns (curve, method).
    """
    rows = []
    for curve, sign in BETTER.items():
        for rival in rivals:
            area, other = areas[curve, method], areas[curve, rival]
            gain = paired_difference(sign * area, sign * other)
            rows.append([curve, rival, area.mean(), other.mean(), *gain, gain.choose("yes", "not shown", "no")])
    return pd.DataFrame(rows, columns=["curve", "against", "area", "area_other", "gain", "low", "high", "better"])


def faithfulness_table(areas: pd.DataFrame) -> pd.DataFrame:
    """Return Grad-CAM against each rival: `comparison`, with columns area_gradcam and gradcam_better."""
    table = comparison(areas, "Grad-CAM", RIVALS)
    return table.rename(columns={"area": "area_gradcam", "better": "gradcam_better"})


def evidence_table(areas: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return evidence against Grad-CAM and each rival, by judge: `comparison`, with area_evidence and evidence_better.

    It is empty if no texture judge took part.

    Args:
        areas: by judge ("network", "texture"), as in `comparison`.
    """
    if "texture" not in areas:
        return pd.DataFrame()
    tables = {judge: comparison(frame, "evidence", ("Grad-CAM", *RIVALS)) for judge, frame in areas.items()}
    table = pd.concat(tables, names=["judge"]).reset_index("judge").reset_index(drop=True)
    return table.rename(columns={"area": "area_evidence", "better": "evidence_better"})


def better_map(table: pd.DataFrame, num_paintings: int) -> str:
    """Return which map is better to each judge, evidence or Grad-CAM, and whether evidence is better than chance.

    Args:
        table: from `evidence_table`; "" comes back if it is empty.
    """
    if table.empty:
        return ""
    over_grad_cam = {
        "yes": "the evidence is better than Grad-CAM by",
        "no": "Grad-CAM is better than the evidence by",
        "not shown": "neither map is clearly better by",
    }
    over_chance = {
        "yes": "the evidence is better than a random map by",
        "no": "the evidence is worse than a random map by",
        "not shown": "the evidence is not clearly better or worse than a random map by",
    }
    sentences = []
    for judge, rows in table.groupby("judge"):
        against = rows.groupby("against")
        sentences.append(f"Scored by {JUDGES[judge]}, {_clauses(against.get_group('Grad-CAM'), over_grad_cam)}.")
        if judge == "texture":
            sentences.append(f"To this judge {_clauses(against.get_group('random'), over_chance)}.")
    note = f"(Gains of the evidence in area, with 95 % intervals over {num_paintings} paintings.)"
    return " ".join(["**Part-wise evidence.**", *sentences, note])


def _clauses(rows: pd.DataFrame, verdicts: Mapping[str, str]) -> str:
    """Return for each verdict that occurs its text and the curves that it holds for, with their gains."""
    clauses = []
    for answer, verdict in verdicts.items():
        held = rows[rows["evidence_better"] == answer]
        gains = {row.curve: Estimate(row.gain, row.low, row.high) for row in held.itertuples()}
        curves = [f"{curve} ({gain:+.3f})" for curve, gain in gains.items()]
        clauses += [f"{verdict} {' and '.join(curves)}"] if curves else []
    return "; ".join(clauses)


def faithful(table: pd.DataFrame, num_paintings: int) -> str:
    """Return where Grad-CAM is better than its rivals, from `faithfulness_table`."""
    verdicts = {"yes": "better", "no": "worse", "not shown": "neither clearly better nor clearly worse"}
    parts = []
    for answer, verdict in verdicts.items():
        rows = table[table["gradcam_better"] == answer]
        cases = ", ".join(f"{row.curve} against {RIVALS[row.against]}" for row in rows.itertuples())
        parts += [f"{verdict} in {cases}"] if cases else []
    return f"Grad-CAM is {'; '.join(parts)} (95 % intervals over {num_paintings} paintings)."


def randomisation(similarity: pd.DataFrame) -> str:
    """Return what is left of the maps once all layers are random.

    Args:
        similarity: a row per painting, a column per layer in the order of the randomisation.
    """
    left = mean_interval(similarity.iloc[:, -1])
    verdict = "may lose their structure or keep some of it: there are too few paintings to tell"
    if left.high < 0:
        verdict = "turn into their opposite: low where the trained ones are high"
    elif left.high < STRUCTURE:
        verdict = "lose their structure"
    elif left.low > STRUCTURE:
        verdict = "keep much of their structure, which therefore was not learnt"
    return f"With all layers random, the maps {verdict} (mean rank correlation {left:.2f})."


def guided_gain(moment: pd.DataFrame, measure: str) -> Estimate:
    """Return the mean gain of guiding in a measure.

    Args:
        moment: columns <measure>_guided and <measure>_unguided.
        measure: one of DIRECTIONS.
    """
    sign = DIRECTIONS[measure]
    return paired_difference(sign * moment[f"{measure}_guided"], sign * moment[f"{measure}_unguided"])


def guided_table(moments: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return guided against unguided transfer at each named moment: moment, measure, guided, unguided, gain, low, high.

    A moment that no photo reached, and measures that it lacks, are left out.
    """
    rows = []
    for name, moment in moments.items():
        for measure, title in MEASURES.items():
            if f"{measure}_guided" in moment:
                means = [moment[f"{measure}_{run}"].mean() for run in ("guided", "unguided")]
                rows.append([name, title, *means, *guided_gain(moment, measure)])
    return pd.DataFrame(rows, columns=["moment", "measure", "guided", "unguided", "gain", "low", "high"])


def _content_and_style(moment: pd.DataFrame) -> str:
    content, ssim, style = (guided_gain(moment, name) for name in ("content_inside", "ssim_inside", "style_outside"))
    inside = content.choose("keeps more of", "makes no clear difference to", "keeps less of")
    outside = style.choose("brings more style", "makes no clear difference to the style", "brings less style")
    return (
        f"guiding {inside} the content inside the mask (gain in feature distance {content:+.3f}, in SSIM {ssim:+.3f}) "
        f"and {outside} outside it ({style:+.3f})"
    )


def guided_at_equal_p(compared: pd.DataFrame, num_photos: int) -> str:
    """Return what guiding changes at the moment at which both runs have the same P(van_gogh).

    Args:
        compared: p, and <measure>_guided and <measure>_unguided, a row for each photo whose P both runs raise.
    """
    if not num_photos:
        return "This run left it out."
    raised = f"Both transfers raise the P(van_gogh) of {len(compared)} of {num_photos} photos"
    if len(compared) < 2:
        return f"{raised}: too few for an interval."
    return f"{raised}. At equal P, {compared['p'].mean():.2f} on average, {_content_and_style(compared)}."


def guided_at_last_step(ended: pd.DataFrame) -> str:
    """Return what guiding changes after the last step; "" with fewer than two photos."""
    if len(ended) < 2:
        return ""
    gain = guided_gain(ended, "p")
    belief = gain.choose("P(van_gogh) is higher", "P(van_gogh) shows no clear difference", "P(van_gogh) is lower")
    return f"After the last step {_content_and_style(ended)}; {belief} ({gain:+.3f})."


def moment_of_equal_p(compared: pd.DataFrame, num_steps: int) -> str:
    """Return when both runs have the same P(van_gogh); "" if they never do.

    Args:
        compared: columns step_guided and step_unguided.
    """
    if compared.empty:
        return ""
    step = compared[["step_guided", "step_unguided"]].median(axis=None)
    early = ", when there are hardly any strokes yet to protect the photo from" if step < num_steps / 2 else ""
    return f"The runs have equal P at step {step:.0f} of {num_steps} (median){early}."
