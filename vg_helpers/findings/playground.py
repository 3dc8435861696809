"""Sentences of the playground.

Convention: an answer is "van_gogh", "other" or "cannot_tell", as `run.py predict` prints it.
"""

from ..plots.look import name_of

NO_JUDGES = (
    "No judge is trained yet, so nobody judges the painting. `python3 run.py report` trains the judges; for a quick "
    "try, `python3 run.py report --profile smoke` does."
)
TAKES = {
    "van_gogh": "takes it for a Van Gogh",
    "other": "does not take it for a Van Gogh",
    "cannot_tell": "cannot tell whether it is a Van Gogh",
}


def verdict(network: str, p: float, answer: str, unfamiliar: bool | None = None, before: float | None = None) -> str:
    """Return what a network makes of a painting.

    Args:
        p: P(van_gogh) of the painting; `before` is the photo's.
        unfamiliar: whether no training painting is like it; None if that is unknown.
    """
    change = "" if before is None else f", after {before:.2f} for the photo"
    text = f"{name_of(network)} {TAKES[answer]} (P = {p:.2f}{change})."
    return f"{text} It has learned from no painting like this one." if unfamiliar else text


def progress(state: str, step: int, total: int, seconds_left: float | None) -> str:
    """Return what is going on, in a few words; `state` is one of `playground.session`."""
    if state == "preparing":
        return "Preparing: the first strokes are laid out."
    if state == "painting":
        left = "" if seconds_left is None else f", about {_about(seconds_left)} left"
        return f"Painting: step {step} of {total}{left}."
    if state == "stopped":
        return f"Stopped after step {step} of {total}. Continue goes on as it began; Paint begins anew."
    if state == "finished" and step < total:
        return f"Ended after step {step} of {total}."
    if state == "finished":
        return f"Finished after {step} {'step' if step == 1 else 'steps'}."
    return "Choose a photo and a style, then press Paint." if state == "ready" else ""


def _about(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 100 else f"{round(seconds / 60)} min"
