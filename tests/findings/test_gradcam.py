"""Each sentence of 06 in each of its branches."""

import numpy as np
import pandas as pd
import pytest

from vg_helpers.findings import gradcam as findings

SPREAD = np.array([-0.01, 0.0, 0.01, 0.0])  # four values with a narrow interval around zero
CASES = pytest.mark.parametrize(("shift", "case"), [(0.1, 0), (0.0, 1), (-0.1, 2)])  # above, unclear, below


def test_outcomes_count_what_there_is():
    tested = pd.DataFrame({"outcome": ["TP", "TP", "FN", "TN"]})
    sentence = findings.outcomes(tested, 5)
    assert "4 test paintings include 2 true positives, 0 false positives and 1 false negatives" in sentence
    assert "at most 5" in sentence


def test_measured_paintings_and_their_empty_maps():
    rows = pd.DataFrame({"p_vgg19": [0.9, 0.25]})
    assert findings.measured(rows, 0) == "2 paintings are measured, down to P(van_gogh) = 0.25."
    assert findings.measured(rows, 1).endswith("The maps of 1 of them are zero everywhere.")


@CASES
def test_agreement_of_the_networks(shift, case):
    frame = pd.DataFrame(
        {"correlation": 0.5 + SPREAD, "overlap": 0.111 + shift + SPREAD, "above chance": shift + SPREAD}
    )
    sentence = findings.agreement(frame)
    assert ["more than chance", "no clear agreement", "different places"][case] in sentence
    assert f"overlap by {0.111 + shift:.0%} (intersection over union), by chance 11%" in sentence
    assert "rank correlation is 0.50" in sentence


def test_mean_table_has_a_row_for_each_column():
    table = findings.mean_table(pd.DataFrame({"a": [1.0, 3.0], "b": [2.0, 2.0]}), "map", "share")
    assert table.columns.tolist() == ["map", "share", "low", "high"]
    assert table["map"].tolist() == ["a", "b"] and table["share"].tolist() == [2, 2]
    assert table["low"].tolist() == pytest.approx([2 - 12.706, 2], abs=1e-3)  # Student, one degree of freedom


def shares(over_chance, over_other):
    return pd.DataFrame(
        {"own map": 0.4 + SPREAD, "other map": 0.4 - over_other + 0 * SPREAD, "chance": 0.4 - over_chance + 0 * SPREAD}
    )


@CASES
def test_texture_against_chance(shift, case):
    sentence = findings.texture(shares(shift, 0.0))
    assert sentence.startswith(["The maps fall on dense edges more often", "The maps fall", "The maps avoid"][case])
    assert ("no evidence for brushwork" in sentence) == (case == 1)
    assert f"({shift:+.1%} [" in sentence


@CASES
def test_texture_against_another_paintings_map(shift, case):
    expected = ["Each map follows", "covers the texture about as well", "covers even more"]
    assert expected[case] in findings.texture(shares(0.0, shift))


@CASES
def test_strokes(shift, case):
    verdict = ["more than", "not clearly more or less than", "less than"][case]
    assert f"{verdict} chance ({0.4 - shift:.0%}; {shift:+.1%} [" in findings.strokes(shares(shift, 0.0))
    assert f"and {verdict} the map of another painting" in findings.strokes(shares(0.0, shift))


def test_unknown_strokes():
    assert "only the demo set" in findings.strokes(None)


def areas(deletion, insertion):
    """Grad-CAM's areas at one half, its rivals' so much higher (deletion) or lower (insertion)."""
    frame = {}
    for curve, gain in (("deletion", deletion), ("insertion", -insertion)):
        frame[curve, "Grad-CAM"] = 0.5 + SPREAD
        for rival in ("edges", "random"):
            frame[curve, rival] = 0.5 + gain + 0 * SPREAD
    return pd.DataFrame(frame)


def test_faithfulness_counts_low_deletion_and_high_insertion_as_better():
    table = findings.faithfulness_table(areas(0.1, 0.1))
    assert table["gradcam_better"].tolist() == ["yes"] * 4
    assert table["gain"].tolist() == pytest.approx([0.1] * 4)
    assert table["area_other"].tolist() == pytest.approx([0.6, 0.6, 0.4, 0.4])
    assert findings.faithfulness_table(areas(-0.1, -0.1))["gradcam_better"].tolist() == ["no"] * 4


def test_faithfulness_sentence_groups_the_cases_by_verdict():
    sentence = findings.faithful(findings.faithfulness_table(areas(0.0, 0.1)), 4)
    assert sentence == (
        "Grad-CAM is better in insertion against the density of edges, insertion against a random map; neither clearly "
        "better nor clearly worse in deletion against the density of edges, deletion against a random map (95 % "
        "intervals over 4 paintings)."
    )
    assert "worse in deletion" in findings.faithful(findings.faithfulness_table(areas(-0.1, 0.1)), 4)


@CASES
def test_evidence_on_strokes(shift, case):
    verdict = ["more than", "not clearly more or less than", "less than"][case]
    sentence = findings.strokes_of_evidence(shares(0.1, 0.1) + shift, shares(0.1, 0.1) + 0 * SPREAD[:, None])
    assert f"{0.4 + shift:.0%} of the texture judge's evidence" in sentence
    assert f"strokes, {verdict} of Grad-CAM's maps ({shift:+.1%} [" in sentence


def test_evidence_adds_up_to_the_log_odds_minus_the_baseline():
    sentence = findings.evidence_adds_up([3.0, -1.002], [1.0, -3.0], -2.0)
    assert "average texture has log odds of -2.00" in sentence and "largest error is 0.002." in sentence


def both_areas(network, texture):
    """The areas by both judges; each gets the gains of evidence over Grad-CAM by deletion, insertion, and chance."""
    frames = {}
    for judge, (deletion, insertion, chance) in {"network": network, "texture": texture}.items():
        frame = {}
        for curve, sign, gain in (("deletion", -1, deletion), ("insertion", 1, insertion)):
            frame[curve, "evidence"] = 0.5 + SPREAD
            frame[curve, "Grad-CAM"] = 0.5 - sign * gain + 0 * SPREAD
            frame[curve, "edges"] = frame[curve, "random"] = 0.5 - sign * chance + 0 * SPREAD
        frames[judge] = pd.DataFrame(frame)
    return frames


def test_evidence_table_has_each_judge_curve_and_rival():
    table = findings.evidence_table(both_areas((-0.1, 0.0, 0.2), (0.1, 0.1, 0.2)))
    assert len(table) == 2 * 2 * 3 and list(table)[:3] == ["judge", "curve", "against"]
    against = table[table["against"] == "Grad-CAM"]
    assert against["judge"].tolist() == ["network"] * 2 + ["texture"] * 2
    assert against["evidence_better"].tolist() == ["no", "not shown", "yes", "yes"]
    assert against["gain"].tolist() == pytest.approx([-0.1, 0, 0.1, 0.1])
    assert against["area_other"].tolist() == pytest.approx([0.4, 0.5, 0.6, 0.4])
    assert table[table["against"] == "random"]["gain"].tolist() == pytest.approx([0.2] * 4)


def test_without_a_texture_judge_there_is_no_evidence():
    areas = {"network": both_areas((0, 0, 0), (0, 0, 0))["network"]}
    assert findings.evidence_table(areas).empty
    assert findings.better_map(findings.evidence_table(areas), 4) == ""


def test_the_better_map_is_named_by_judge():
    sentence = findings.better_map(findings.evidence_table(both_areas((-0.1, 0.0, 0.2), (0.1, 0.2, 0.3))), 4)
    assert "Scored by VGG-19, Grad-CAM is better than the evidence by deletion (-0.100 [" in sentence
    assert "; neither map is clearly better by insertion (+0.000 [" in sentence
    texture = sentence.split("Scored by the texture judge, ")[1]
    assert texture.startswith("the evidence is better than Grad-CAM by deletion (+0.100 [")
    assert " and insertion (+0.200 [" in texture and "over 4 paintings" in texture


@CASES
def test_evidence_against_a_random_map(shift, case):
    expected = ["is better than", "is not clearly better or worse than", "is worse than"][case]
    sentence = findings.better_map(findings.evidence_table(both_areas((0, 0, 0), (0, 0, shift))), 4)
    assert f"To this judge the evidence {expected} a random map by deletion ({shift:+.3f} [" in sentence


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (-0.5 + SPREAD, "turn into their opposite"),
        (0.05 + SPREAD, "lose their structure ("),
        (0.6 + SPREAD, "keep much of their structure"),
        ([0.0, 0.6, 0.2, 0.5], "too few paintings to tell"),
        ([0.1], "too few paintings to tell"),
    ],
)
def test_randomisation_judges_the_last_layer(values, expected):
    sentence = findings.randomisation(pd.DataFrame({"fc8": 0.9, "conv1_1": values}))
    assert expected in sentence and f"{np.mean(values):.2f} [" in sentence


def moment(p=0.0, content=0.0, style=0.0):
    """Four photos on which guiding gains so much; smaller distances are better."""
    columns = {"p": 0.5 + 0 * SPREAD, "step_guided": [30.0] * 4, "step_unguided": [20.0] * 4}
    for name, sign, gain in (
        ("p", 1, p),
        ("content_inside", -1, content),
        ("ssim_inside", 1, content),
        ("style_outside", -1, style),
    ):
        columns[f"{name}_guided"] = 0.5 + sign * gain + SPREAD
        columns[f"{name}_unguided"] = 0.5 + 0 * SPREAD
    return pd.DataFrame(columns)


@CASES
def test_guided_content_and_style(shift, case):
    sentence = findings.guided_at_equal_p(moment(content=shift), 5)
    assert sentence.startswith("Both transfers raise the P(van_gogh) of 4 of 5 photos. At equal P, 0.50 on average,")
    assert ["keeps more of", "makes no clear difference to", "keeps less of"][case] + " the content inside" in sentence
    expected = ["brings more style", "makes no clear difference to the style", "brings less style"]
    assert expected[case] in findings.guided_at_equal_p(moment(style=shift), 5)
    assert expected[case] in findings.guided_at_last_step(moment(style=shift))


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_photos_for_an_interval(count):
    compared = moment().head(count)
    assert findings.guided_at_equal_p(compared, 3).endswith(f"{count} of 3 photos: too few for an interval.")
    assert findings.guided_at_last_step(compared) == ""


def test_without_photos_guided_transfer_was_left_out():
    assert findings.guided_at_equal_p(pd.DataFrame(), 0) == "This run left it out."


@CASES
def test_belief_after_the_last_step(shift, case):
    expected = ["P(van_gogh) is higher", "P(van_gogh) shows no clear difference", "P(van_gogh) is lower"]
    assert f"{expected[case]} ({shift:+.3f} [" in findings.guided_at_last_step(moment(p=shift))


def test_the_moment_of_equal_p():
    assert findings.moment_of_equal_p(moment(), 40) == "The runs have equal P at step 25 of 40 (median)."
    assert "hardly any strokes yet" in findings.moment_of_equal_p(moment(), 60)
    assert findings.moment_of_equal_p(pd.DataFrame(), 40) == ""


def test_guided_table_leaves_out_what_there_is_not():
    equal = moment(content=0.1).drop(columns=["p_guided", "p_unguided"])
    table = findings.guided_table({"equal P": equal, "last step": moment(p=0.2), "never": pd.DataFrame()})
    assert table["moment"].tolist() == ["equal P"] * 3 + ["last step"] * 4
    first = table.iloc[0]
    assert first["measure"] == "content inside"
    assert first[["guided", "unguided", "gain"]].tolist() == pytest.approx([0.4, 0.5, 0.1])
    assert table.iloc[3]["gain"] == pytest.approx(0.2)
