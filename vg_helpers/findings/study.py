"""Sentences about people's answers; `table` is the frame of `study.fit.evaluate`.

Convention: makers and judges are named as in the study's record; strengths are log odds against the first maker.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ..intervals import Estimate
from ..plots.look import counted, name_of

REAL, PEOPLE = "van_gogh", "another person"  # as in study.questions and study.fit
FEW = 5  # raters, from which on a bootstrap over them says much
MEASURES = {"ssim": "structural similarity", "edges": "edge agreement", "perceptual": "perceptual distance"}
WORDS = {  # best, better, worse
    "van_gogh": ("Most like Van Gogh to people", "are chosen more often", "are chosen less often"),
    "photo": ("What keeps the photo best to people", "keep it better", "keep it worse"),
}
TASKS = {"van_gogh": "which picture is by Van Gogh", "photo": "which picture keeps the photo better"}


def participants(answers: pd.DataFrame) -> str:
    """Return how many people answered how much and how fast, and a warning if they are few.

    Args:
        answers: columns rater and seconds.
    """
    raters = answers["rater"].nunique()
    if not raters:
        return "Nobody has answered the questions of this study yet."
    who = "1 person" if raters == 1 else f"{raters} people"
    start = f"{who} gave {counted(len(answers), 'answer')}, in {answers['seconds'].median():.1f} s each (median)."
    if raters == 1:
        return f"{start} The answers of one person have no interval."
    few = " Intervals from so few people are rough." if raters < FEW else ""
    return f"{start} The intervals cover the choice of people, not of pictures.{few}"


def results(table: pd.DataFrame) -> list[str]:
    """Return all sentences about a table; empty ones are left out.

    Args:
        table: columns kind (of question), result, name, value, low, high.
    """
    sentences = []
    for kind in TASKS:
        sentences.append(taken_for_real(select(table, kind, "taken for real")))
        sentences.append(strengths(kind, select(table, kind, "strength")))
        sentences.append(agreement(kind, select(table, kind, "agreement")))
    return [sentence for sentence in sentences if sentence]


def select(table: pd.DataFrame, kind: str, result: str) -> dict[str, Estimate]:
    """Return the estimates of one kind of question and one result, by name."""
    rows = table[(table["kind"] == kind) & (table["result"] == result)]
    return {row["name"]: Estimate.read(row) for row in rows.to_dict("records")}


def taken_for_real(shares: Mapping[str, Estimate]) -> str:
    """Return how often people took each maker's pictures for the Van Gogh where a real one stood beside them."""
    parts = []
    for maker, share in shares.items():
        verdict = _against_chance(
            share,
            above=", more often than the real one",
            unclear=", which is not measurably different from guessing",
            below=", less often than the real one",
        )
        parts.append(f"{maker_name(maker)} were taken for it in {share:.0%} of the pairs{verdict}")
    return f"Beside a real Van Gogh, {'; '.join(parts)}." if parts else ""


def strengths(kind: str, values: Mapping[str, Estimate]) -> str:
    """Return in which order people put the makers, and which of them differ from the first.

    Args:
        kind: of question, "van_gogh" or "photo".
        values: log odds against the first entry, whose value is 0.
    """
    if len(values) < 2:
        return ""
    first, *others = values
    best, better, worse = WORDS[kind]
    order = ", then ".join(maker_name(name) for name in sorted(values, key=lambda name: -values[name].value))
    verdicts = [
        f"{maker_name(name)} {values[name].choose(better, 'show no measurable difference', worse)} "
        f"(log odds {values[name]:+.2f})"
        for name in others
        if not np.isnan(values[name].low)
    ]
    return f"{best}: {order}." + (f" Compared with {maker_name(first)}, {'; '.join(verdicts)}." if verdicts else "")


def agreement(kind: str, shares: Mapping[str, Estimate]) -> str:
    """Return how far each judge, and another person, agree with people about one kind of question."""
    judges = {name: share for name, share in shares.items() if name != PEOPLE}
    if not judges:
        return ""
    parts = []
    for name, share in sorted(judges.items(), key=lambda item: -item[1].value):
        verdict = _against_chance(
            share, above="", unclear=" (not measurably different from chance)", below=" (less than chance)"
        )
        parts.append(f"{judge_name(name)} in {share:.0%}{verdict}")
    people = shares.get(PEOPLE)
    ceiling = f" Two people agree in {people:.0%}." if people and not np.isnan(people.value) else ""
    return f"Asked {TASKS[kind]}, judges agree with people's answers: {'; '.join(parts)}.{ceiling}"


def _against_chance(share: Estimate, above: str, unclear: str, below: str) -> str:
    """Return the text that holds for a share against one half; "" if it has no interval."""
    return "" if np.isnan(share.low) else Estimate(*(end - 0.5 for end in share)).choose(above, unclear, below)


def maker_name(maker: str) -> str:
    """Return a maker's pictures in print: "the real ones", "VGG-19's pictures"."""
    return "the real ones" if maker == REAL else f"{name_of(maker)}'s pictures"


def judge_name(judge: str) -> str:
    """Return a judge in print: "VGG-19", "forewarned AlexNet", "structural similarity"."""
    for start in ("p_", "log_odds_"):
        if judge.startswith(start):
            return " ".join(map(name_of, judge.removeprefix(start).split("_")))
    return MEASURES.get(judge, judge.replace("_", " "))
