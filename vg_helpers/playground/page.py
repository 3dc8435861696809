"""The widgets of the playground, the same ones in JupyterLab and on a page of its own.

Convention: torch and the judges load in a thread after the page is there; a picture's alternative text is its title.
"""

import base64
import html
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import ipywidgets as w
from traitlets import Unicode

from ..files import UNREADABLE
from ..images import Upload
from . import drawing, pictures
from .brush import NAME as MASK
from .brush import Brush
from .recipe import AUTO, OUT, Recipe

LOSSES = {"correlations": "gram", "distribution": "wasserstein", "nearest places": "neighbours"}  # of features
SIZES = (192, 256, 384, 512, 768)  # pixels of the longer side
PICTURES = ".jpg,.jpeg,.jfif,.png,.webp,.tif,.tiff,.bmp,.gif,.avif"
PROTECTED = {"nothing": None, "the main object": AUTO}  # and masks that are uploaded or painted
BRUSHED, BRUSH_SIZE = "what the brush covers", 640  # pixels of the photo's longer side under the brush
HERE = Path(__file__).parent
UNEXPLAINED: tuple[str, dict[str, float], list[Any]] = "", {}, [None, None]  # sentences, P(van_gogh), maps
COPY = "navigator.clipboard.writeText(this.parentNode.querySelector('code').textContent);this.textContent='Copied';"
COPY += "setTimeout(() => this.textContent = 'Copy the command', 2000)"


class Picture(w.Image):
    """An image whose tooltip is its title: the browser's code for tooltips asks each widget for a description."""

    description = Unicode("").tag(sync=True)


class Chooser:
    """A list of pictures with a button for one's own; `picture` is the one that is chosen."""

    def __init__(self, title: str, choices: dict[str, Any], on_change: Callable[[], None]) -> None:
        self.choices, self.on_change, self.lock = dict(choices), on_change, threading.RLock()
        self.list = w.Dropdown(options=list(choices), description=title, layout=w.Layout(flex="1 1 auto", width="auto"))
        self.upload = w.FileUpload(accept=PICTURES, description="Upload", tooltip=f"{title}: a picture of mine")
        self.preview = Picture(format="jpeg", tooltip=title, layout=w.Layout(width="auto", max_height="120px"))
        self.problem = w.HTML()
        self.box = w.VBox([w.HBox([self.list, self.upload]), self.problem, self.preview])
        self.upload.observe(self._take, "value")
        self.list.observe(self._chosen, "value")
        self._chosen()

    @property
    def picture(self) -> Any:
        """The picture that is chosen: a file or an Upload."""
        return self.choices[self.list.value]

    def name_of(self, picture: Any) -> str:
        """Return what the list calls a picture, or what its file's name says."""
        return next((name for name, known in self.choices.items() if known == picture), pictures.name_of(picture))

    def add(self, choices: dict[str, Any]) -> None:
        """Add choices at the end of the list; the one that is chosen stays."""
        with self.lock:
            new = {name: picture for name, picture in choices.items() if name not in self.choices}
            self._set({**self.choices, **new}, self.list.value)

    def put(self, name: str, picture: Any) -> None:
        """Choose a picture; it takes the place of an earlier one of this name."""
        self._set({**self.choices, name: picture}, name)
        self._chosen()

    def remove(self, name: str) -> None:
        """Take a choice from the list; if it was chosen, the first one is."""
        if name in self.choices:
            choices = {key: picture for key, picture in self.choices.items() if key != name}
            self._set(choices, next(iter(choices)) if self.list.value == name else self.list.value)
            self._chosen()

    def _set(self, choices: dict[str, Any], chosen: str) -> None:
        """Replace the list; page and loading thread may do so at once."""
        with self.lock, self.list.hold_sync():
            self.choices = choices
            self.list.options = list(choices)  # which chooses the first one
            self.list.value = chosen

    def choose(self, picture: Any) -> None:
        """Choose a picture, which is added under a free name if the list lacks it."""
        with self.lock:
            name = next((name for name, known in self.choices.items() if known == picture), None)
            if name is None:
                name = pictures.free_name(pictures.name_of(picture), self.choices)
                self.add({name: picture})
            self.list.value = name

    def _take(self, _: Any) -> None:
        if self.upload.value:
            file = self.upload.value[0]
            self.put(f"{file['name']} (mine)", Upload(file["name"], bytes(file["content"])))
            self.upload.value = ()

    def _chosen(self, _: Any = None) -> None:
        self.preview.value, self.problem.value = b"", ""
        try:
            self.preview.value = _preview(self.picture)
        except UNREADABLE as error:
            self.problem.value = _line(str(error), "alert")
        self.preview.layout.display = "" if self.preview.value else "none"
        self.preview.tooltip = f"{self.list.description}: {self.list.value}"
        self.on_change()


def _preview(picture: Any, longest: int = 240) -> bytes:
    """Return a JPEG of at most `longest` pixels a side; nothing where there is no picture, or one yet to be painted."""
    if not isinstance(picture, Path | Upload) or not picture.exists():
        return b""
    import numpy as np

    from ..images import open_image

    return drawing.jpeg(np.asarray(open_image(picture, at_least=longest)), longest)


class Page:
    """All widgets, and what happens when somebody uses them; `box` is what is shown."""

    def __init__(self) -> None:
        self.session: Any = None
        self.judges: list[Any] = []
        self.listed: list[Any] = []  # variants of the history
        self.explained: dict[Any, tuple[str, dict[str, float], list[Any]]] = {}
        self.lock, self.loaded, self.asked = threading.RLock(), threading.Event(), threading.Event()
        self._is_setting = False
        self._build()
        self.box = w.VBox([_style(), w.HBox([self.left, self.right]).add_class("vg-columns")])
        self.box.add_class("vg-page")
        threading.Thread(target=self._load, daemon=True).start()

    def _build(self) -> None:
        self.photo = Chooser("Photo", pictures.photos(), self._photo_changed)
        self.style = Chooser("Style", pictures.styles(), self._settings_changed)
        self.size = w.Dropdown(options=[(f"{size} pixels", size) for size in SIZES], value=256, description="Size")
        self.steps = w.IntSlider(30, min=5, max=300, step=5, description="Steps", continuous_update=False)
        self.steps.tooltip = "Steps at this size; a large picture takes more before, at smaller sizes"
        self.extractor = w.Dropdown(options=[("VGG-19", "vgg19"), ("AlexNet", "alexnet")], description="Network")
        self.loss = w.Dropdown(options=LOSSES, description="Learn")
        self.loss.tooltip = "What of the painting counts: correlations of features, their distribution, or like places"
        self.strokes = w.FloatSlider(1.0, min=0.5, max=2, step=0.1, description="Strokes", readout_format=".1f")
        self.strokes.tooltip = "Size of the brushstrokes: 2 doubles it"
        self.protect = Chooser("Protect", PROTECTED, lambda: None)
        self.protect.upload.description = "Mask"
        self.protect.upload.tooltip = "A mask of mine, bright where the photo stays"
        self.brushing = w.ToggleButton(False, description="Brush", tooltip="Paint over what shall stay of the photo")
        self.brush = Brush()
        self.paint = w.Button(description="Paint", button_style="primary", tooltip="Begin a painting")
        self.stop = w.Button(description="Stop", tooltip="Stop after this step and keep what there is", disabled=True)
        self.resume = w.Button(description="Continue", tooltip="Go on where it stopped", disabled=True)
        self.opacity = w.FloatSlider(1.0, min=0, max=1, step=0.05, description="Strength")
        self.opacity.tooltip = "How much of the painting lies over the photo; changes at once"
        self.colors = w.Checkbox(False, description="Keep the photo's colours", indent=False)
        self.share = w.IntSlider(0, description="Before", readout_format="d")
        self.share.tooltip = "Percent of the picture, from the left, that show the photo"
        self.why = w.ToggleButton(False, description="Why?", tooltip="The judges are being loaded", disabled=True)
        self.image = Picture(format="jpeg", tooltip="The picture", layout=w.Layout(width="100%"))
        self.image.add_class("vg-picture")
        self.status, self.charts, self.verdict, self.download = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self.bar = w.FloatProgress(max=1, layout=w.Layout(width="100%"))
        self.history = w.HBox(layout=w.Layout(flex_flow="row wrap"))
        self._wire()
        self._arrange()
        self._settings_changed()

    def _wire(self) -> None:
        self.paint.on_click(lambda _: self._paint())
        self.stop.on_click(lambda _: self.session and self.session.stop())
        self.resume.on_click(lambda _: self.session and self.session.resume())
        self.brushing.observe(self._show_brush, "value")
        self.brush.observe(self._brushed, "mask")
        for widget in (self.opacity, self.colors):
            widget.observe(self._blend, "value")
        for widget in (self.share, self.why):
            widget.observe(lambda _: self.render(), "value")

    def _arrange(self) -> None:
        row, *others = self.protect.box.children
        self.protect.box.children = row, self.brushing.add_class("vg-brushing"), *others
        how = [self.size, self.steps, self.strokes, self.loss, self.extractor, self.protect.box]
        buttons = w.HBox([self.paint, self.stop, self.resume]).add_class("vg-buttons")
        self.left = w.VBox([self.photo.box, self.style.box, *how, buttons]).add_class("vg-left")
        after = w.HBox([self.opacity, self.colors], layout=w.Layout(flex_flow="row wrap"))
        looks = w.HBox([self.share, self.why], layout=w.Layout(flex_flow="row wrap"))
        parts = [self.status, self.bar, self.brush, self.image, looks, after, self.verdict, self.charts, self.download]
        self.right = w.VBox([*parts, self.history]).add_class("vg-right")
        self.status.value = _line("The networks are being loaded.", "status")
        self._show_brush()

    def _load(self) -> None:
        """Load torch, the networks and the judges, so that the page is there before them."""
        from ..commands.entry import sentence
        from ..findings.playground import NO_JUDGES
        from .judges import beliefs, load_judges
        from .session import Session, open_network

        self.session = Session(self.render)
        self.loaded.set()
        self.render()
        try:
            open_network(self.extractor.value)
            self.photo.add(pictures.bundled_photos())
            self.judges = load_judges()
        except Exception as error:  # shown on the page, whatever it is: a thread has nobody else to tell
            self.verdict.value = _line(sentence(error), "alert")
            return
        if self.judges:
            self.session.judge = lambda picture: beliefs(self.judges, picture)
            self.why.disabled, self.why.tooltip = False, "Grad-CAM: where the judge sees a Van Gogh"
        else:
            self.verdict.value = _line(NO_JUDGES, "note")
            self.why.tooltip = "No judge is trained yet"
        self._explain()

    def recipe(self) -> Recipe:
        """Return what the widgets say now."""
        how = {"size": self.size.value, "steps": self.steps.value, "extractor": self.extractor.value}
        how |= {"loss": self.loss.value, "style_scale": round(self.strokes.value, 1)}
        after = {"opacity": round(self.opacity.value, 2), "keep_colors": self.colors.value}
        return Recipe(self.photo.picture, self.style.picture, protect=self.protect.picture, **how, **after)

    def _paint(self) -> None:
        self.paint.disabled, self.brushing.value = True, False
        try:
            self.loaded.wait()
            self.session.paint(self.recipe())
        finally:
            self.paint.disabled = False

    def _photo_changed(self) -> None:
        self._settings_changed()
        if getattr(self, "brush", None) is not None and self.brush.photo:
            self.brush.photo, self.brush.mask = b"", b""  # a mask belongs to the photo it was painted on
            self._show_brush()

    def _settings_changed(self) -> None:
        """Show the photo that is chosen while nothing is painted yet; another choice answers an earlier problem."""
        if self.session is not None:
            self.session.forget_problem()
        if getattr(self, "image", None) is not None and (self.session is None or self.session.current is None):
            self.image.value = self.photo.preview.value

    def _show_brush(self, _: Any = None) -> None:
        """Show the photo under the brush in place of the picture, or the picture again."""
        is_on = self.brushing.value
        if is_on and not self.brush.photo:
            with suppress(*UNREADABLE):  # it is named when it shall be painted
                self.brush.photo = _preview(self.photo.picture, BRUSH_SIZE)
        self.brush.layout.display, self.image.layout.display = ("", "none") if is_on else ("none", "")

    def _brushed(self, _: Any) -> None:
        if self.brush.mask:
            self.protect.put(BRUSHED, Upload(MASK, bytes(self.brush.mask)))
        else:
            self.protect.remove(BRUSHED)

    def _blend(self, _: Any) -> None:
        if self.session is not None and not self._is_setting:
            self.session.blend(round(self.opacity.value, 2), self.colors.value)

    def render(self) -> None:
        """Show the session as it is now; worker and page may call it at once."""
        with self.lock:
            session = self.session
            if session is None:
                return
            from ..findings.playground import progress  # it loads matplotlib, as all below that is imported late

            self.stop.disabled = session.state not in ("preparing", "painting")
            self.resume.disabled = session.state != "stopped"
            words = progress(session.state, session.step, session.total, session.seconds_left)
            self.status.value = _line(session.problem or words, "alert" if session.problem else "status")
            self.bar.value = session.step / session.total if session.total else 0
            if session.current is not None:
                self._show(session)
            else:
                self.charts.value = self.download.value = ""
                self.verdict.value = "" if self.judges else self.verdict.value

    def _show(self, session: Any) -> None:
        variant = session.current
        verdict, probs, cams = self.explained.get((id(variant), variant.recipe), UNEXPLAINED)
        cams = cams if self.why.value else [None, None]
        after = drawing.pixels_of(variant.picture(), cams[1])
        if self.share.value:
            after = drawing.compared(drawing.pixels_of(variant.photo, cams[0]), after, self.share.value / 100)
        self.image.value = drawing.jpeg(after)
        self.image.tooltip = self._title(variant.recipe)
        if variant.losses:
            curves = drawing.ending(variant.beliefs, probs)
            parts = [drawing.belief_chart(curves, session.total)] if curves else []
            self.charts.value = "".join([*parts, drawing.loss_chart(variant.losses, session.total)])
        if session.state in ("stopped", "finished"):
            self.download.value = _download(variant)
            if self.judges:
                self.verdict.value = verdict or _line("The judges look at the picture.", "status")
                self.asked.set()
        else:
            self.download.value = ""
            self.verdict.value = "" if self.judges else self.verdict.value
        if self.listed != session.variants and session.state != "painting":
            self._list_variants(session.variants)

    def _explain(self) -> None:
        """Ask the judges about each picture that has come to rest, the latest one first, as long as the page lives."""
        from ..commands.entry import sentence
        from .explain import explain

        while self.judges:
            self.asked.wait()
            self.asked.clear()
            variant = self.session.current
            key = variant and (id(variant), variant.recipe)
            if key and key not in self.explained and self.session.state in ("stopped", "finished"):
                try:
                    sentences, *rest = explain(self.judges, variant.photo, variant.picture())
                    self.explained[key] = ("".join(_line(words, "status") for words in sentences), *rest)
                except Exception as error:  # as in `_load`
                    self.explained[key] = (_line(sentence(error), "alert"), *UNEXPLAINED[1:])
                self.render()

    def _list_variants(self, variants: list[Any]) -> None:
        self.listed, cards = variants, []
        for number, variant in enumerate(variants, start=1):
            recipe = variant.recipe
            words = f"{self._title(recipe)}, {recipe.size} pixels, {recipe.steps} steps"
            words += f", stopped after {recipe.stop_at} of {variant.total}" if recipe.stop_at else ""
            small = drawing.jpeg(drawing.pixels_of(variant.picture()), drawing.THUMBNAIL)
            button = w.Button(description=f"Variant {number}", tooltip=f"Bring back: {words}")
            button.on_click(lambda _, variant=variant: self._bring_back(variant))
            cards.append(w.VBox([Picture(value=small, format="jpeg", tooltip=words), button]).add_class("vg-card"))
        self.history.children = cards

    def _title(self, recipe: Recipe) -> str:
        return f"{self.photo.name_of(recipe.photo)}, painted like {self.style.name_of(recipe.style)}"

    def _bring_back(self, variant: Any) -> None:
        """Show a variant, and set the widgets as they were for it."""
        self._is_setting = True
        try:
            recipe = variant.recipe
            self.photo.choose(recipe.photo)
            self.style.choose(recipe.style)
            self.size.value, self.steps.value, self.extractor.value = recipe.size, recipe.steps, recipe.extractor
            self.loss.value, self.strokes.value = recipe.loss, recipe.style_scale
            self.opacity.value, self.colors.value = recipe.opacity, recipe.keep_colors
            self.protect.choose(recipe.protect)
        finally:
            self._is_setting = False
        self.session.show(variant)


def _style() -> w.HTML:
    return w.HTML(f"<style>{(HERE / 'page.css').read_text(encoding='utf-8')}</style>")


def _line(text: str, role: str) -> str:
    return f'<p role="{role}" class="vg-line">{_marked(text)}</p>' if text else ""


def _marked(text: str) -> str:
    """Return text as HTML, what stands in backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))


def _download(variant: Any) -> str:
    """Return the links to the file and to a mask by the brush, and the command that makes the same file."""
    command, protect = html.escape(variant.recipe.command()), variant.recipe.protect
    links = [_link("Download the PNG", OUT, variant.png())]
    if isinstance(protect, Upload) and protect.name == MASK:
        links.append(_link("Download the mask", MASK, protect.data))
    return (
        f'<div class="vg-take">{"".join(links)}'
        f'<button type="button" class="jupyter-button widget-button" onclick="{COPY}">Copy the command</button>'
        f'<code tabindex="0" aria-label="The command that makes the same picture">{command}</code></div>'
    )


def _link(text: str, name: str, png: bytes) -> str:
    data = base64.b64encode(png).decode()
    classes = "jupyter-button widget-button vg-link"
    return f'<a class="{classes}" download="{name}" href="data:image/png;base64,{data}">{text}</a>'


def show() -> w.VBox:
    """Return the playground's widgets."""
    return Page().box
