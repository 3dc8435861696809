"""A brush over the photo: what it goes over stays as it is in the photo."""

from pathlib import Path
from typing import Any

import anywidget
from ipywidgets.widgets.trait_types import CByteMemoryView

NAME = "mask.png"  # of the mask in the copied command, and of its download


class Brush(anywidget.AnyWidget):
    """Shows `photo` (JPEG) to paint on; `mask` is a PNG of the photo's size, white where the brush went, or empty."""

    _esm = Path(__file__).with_name("brush.js")
    description: Any = ""
    photo = CByteMemoryView(b"").tag(sync=True)
    mask = CByteMemoryView(b"").tag(sync=True)
