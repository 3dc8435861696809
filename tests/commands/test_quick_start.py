"""quick_start: torchvision without the compiler, and both as they are once they are asked for."""

import subprocess
import sys

from vg_helpers.files import ROOT

WORKS = """
import sys
from vg_helpers.commands import quick_start
import torch, torchvision
assert "torch._dynamo.utils" not in sys.modules and "torch._dynamo" not in sys.modules
boxes = torch.tensor([[0.0, 0.0, 0.0, 4.0, 4.0]])
pooled = torchvision.ops.roi_align(torch.arange(64.0).view(1, 1, 8, 8), boxes, 2)
roi_align = sys.modules["torchvision.ops.roi_align"]
assert roi_align.is_compile_supported("cpu") in (True, False)
import torch._dynamo.utils
assert torch._dynamo.utils.is_compile_supported("cpu") == roi_align.is_compile_supported("cpu")
assert type(torch._dynamo.utils).__name__ == "module"
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item() == 2
"""
ASKED = """
import sys
from vg_helpers.commands import quick_start
stand_in = quick_start._Later(quick_start.COMPILER)
sys.modules[quick_start.COMPILER] = stand_in
from torch._dynamo.utils import counters
assert sys.modules[quick_start.COMPILER] is not stand_in and counters is sys.modules[quick_start.COMPILER].counters
"""


def test_torchvision_and_the_compiler_work_afterwards():
    subprocess.run([sys.executable, "-c", WORKS], cwd=ROOT, check=True)


def test_whatever_else_is_asked_for_comes_from_the_compiler_itself():
    subprocess.run([sys.executable, "-c", ASKED], cwd=ROOT, check=True)
