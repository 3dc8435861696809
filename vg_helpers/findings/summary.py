"""Sentences of the report's front matter and appendix.

Convention: names that a user typed or that files have are set as they are, whatever marks of Markdown they hold.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from ..intervals import Estimate

NOT_GIVEN = "*(not given)*"
DEVICES = {"cpu": "the CPU", "cuda": "a CUDA GPU", "mps": "an Apple GPU"}
IN_PRINT = {str: str, bool: lambda value: "yes" if value else "no", int: "{:,}".format, float: "{:.4g}".format}
WEIGHTS = {"imagenet": "ImageNet's", "embedded": "embedded", "none": "random"}


def literal(text: object) -> str:
    r"""Return text as Markdown that shows it unchanged, in one line.

    >>> literal("Cost *5 $*")
    'Cost \\*5 \\$\\*'
    """
    return re.sub(r"([^\w\s.,'’-]|_)", r"\\\1", " ".join(str(text).split()))


def signature(course: str, group: str, members: str, due: str) -> str:
    """Return the lines below the title; `members` are separated by commas."""
    people = ", ".join(name.strip() for name in members.split(",") if name.strip())
    lines = {"Course": course, "Group": group, "Members": people, "Due": due}
    return "  \n".join(f"**{name}** {literal(value) or NOT_GIVEN}" for name, value in lines.items())


def subject(paintings: int, van_gogh: int, is_demo: bool) -> str:
    """Return what the networks learn from; without paintings, the task alone."""
    task = "VGG-19 and AlexNet learn to tell {} from others and then judge style transfer. Ranges are 95 % intervals."
    if not paintings:
        return task.format("Van Gogh's paintings")
    if is_demo:
        warning = f"**No number says anything about Van Gogh:** {paintings:,} procedural paintings, "
        return f"{warning}{van_gogh:,} by the demo's Van Gogh painter. {task.format('these')}"
    return f"{paintings:,} paintings, {van_gogh:,} of them Van Gogh's. {task.format('his')}"


def classifier(network: str, auc: Estimate, with_texture: Estimate, answered: Estimate, wrong: Estimate) -> str:
    """Return how well a network tells the paintings apart, alone and with its texture judge, and how often it answers.

    Args:
        answered: share of the test paintings for which the two together do not say that they cannot tell.
        wrong: share of wrong ones among these answers.
    """
    third = "They never answer: too few validation paintings."
    if answered.value:
        third = f"They answer for **{answered.value:.0%}** of the paintings, {wrong.value:.0%} of it wrongly."
    return (
        f"**{network}** has a test ROC AUC of **{auc:.3f}**, with its texture judge **{with_texture:.3f}** "
        f"([@fig:02_classify-metrics]). {third}"
    )


def style_transfer(repainted: Estimate, untouched: Estimate) -> str:
    """Return the share of photos that are a Van Gogh to both classifiers, repainted and as they were."""
    return (
        f"**Style transfer** with VGG-19's features makes **{repainted:.0%}** of the photos a Van Gogh to both "
        f"classifiers, untouched {untouched:.0%} ([@fig:04_style_eval-agreement])."
    )


def speed(speed_up: Estimate, setting: str) -> str:
    """Return how much faster a training step of VGG-19 is in a setting, such as "Tesla T4 in bfloat16"."""
    return (
        f"**Speed:** a training step of VGG-19 is **{speed_up:.1f}** times as fast on the {setting} as on the CPU in "
        "float32 ([@fig:05_gpu_bench-timings])."
    )


def grad_cam(insertion: Estimate, deletion: Estimate) -> str:
    """Return how much more faithful Grad-CAM is than a random map, by both measures."""
    return (
        f"**Grad-CAM** against a random map gains **{insertion:.3f}** by insertion and **{deletion:.3f}** by deletion; "
        "above zero it is the more faithful ([@fig:06_gradcam-faithfulness])."
    )


def bullets(sentences: Iterable[str]) -> str:
    """Return a list with one sentence on each line."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def circumstances(
    profile: str, minutes: float, devices: Iterable[str], weights: Iterable[str], num_fallbacks: int
) -> str:
    """Return how the report was made.

    Args:
        devices: of the notebooks, such as "cpu".
        weights: what the networks started from: "imagenet", "embedded" or "none".
    """
    places = " and ".join(sorted({DEVICES.get(device, device) for device in devices})) or "no device"
    kinds = " and ".join(sorted({WEIGHTS.get(source, source) for source in weights}))
    started = f"; the networks started from {kinds} weights" if kinds else ""
    fallbacks = f"Fallbacks: {num_fallbacks}, listed in Appendix E" if num_fallbacks else "There was no fallback"
    return (
        f"Profile *{literal(profile)}*: the last runs of its notebooks took {minutes:.1f} minutes on {places}, not "
        f"counting work kept from earlier runs{started}. {fallbacks}."
    )


def not_part(stages: Iterable[str]) -> str:
    """Return which notebooks have no results in this report."""
    names = ", ".join(f"`{stage}`" for stage in stages)
    return f"**Not part of this run:** {names}." if names else ""


def no_results(what: str, stage: str) -> str:
    """Return that something is missing because its notebook has no results in this report."""
    return f"*This run holds no {what}: `{stage}` has not been run.*"


def pictures(style: str, content: str) -> str:
    """Return the description of the pictures above the summary, for readers who cannot see them."""
    return (
        f"From left to right: the photo {literal(content)}; the painting {literal(style)}; the photo repainted in the "
        "style of the painting; a painting under the heat map of where VGG-19 looks."
    )


def fallbacks(stages_by_fallback: Mapping[str, Iterable[str]]) -> str:
    """Return the section about fallbacks.

    Args:
        stages_by_fallback: by the fallback's sentence, the notebooks that took it.
    """
    pairs = stages_by_fallback.items()
    lines = [f"{sentence} ({', '.join(f'`{stage}`' for stage in stages)})" for sentence, stages in pairs]
    return f"### Fallbacks\n\n{bullets(lines) or 'None.'}"


def picture_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table of pictures, whose columns are centred but for the last, as the report's Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    lines.insert(1, "|:-:" * (len(head) - 1) + "|:--|")
    return "\n".join(["::: {.compare}", "::: {.table #tbl:appendix-images}", *lines, "", caption, ":::", ":::"])


def facts(noted: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return what a notebook noted, apart from its device, as name and value in print; lists and objects are left out.

    >>> facts({"vgg19_gain": 0.123456, "paintings": 2748, "is_demo": True, "device": "cpu", "speed_up": {}})
    [('VGG-19 gain', '0.1235'), ('paintings', '2,748'), ('is demo', 'yes')]
    """
    rows = []
    for key, value in noted.items():
        if key != "device" and type(value) in IN_PRINT:
            name = key.replace("_", " ").replace("vgg19", "VGG-19").replace("alexnet", "AlexNet").replace(" gb", " GB")
            rows.append((name, IN_PRINT[type(value)](value)))
    return rows
