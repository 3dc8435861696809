"""Imported first, this imports torchvision without torch's compiler, which takes a quarter of the time to an answer.

torchvision uses the compiler in one operator and marks one function for it, and this project uses neither. Here the
operator gets the compiler when it is called, and the function stays without its mark.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo.utils"


class _Later(ModuleType):
    """Stands in for a module until one of its attributes other than `is_compile_supported` is asked for."""

    def is_compile_supported(self, device_type: str) -> bool:
        return _real(self).is_compile_supported(device_type)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system looks for
            raise AttributeError(name)
        return getattr(_real(self), name)


def _real(stand_in: ModuleType) -> ModuleType:
    if sys.modules.get(COMPILER) is stand_in:
        del sys.modules[COMPILER]
    return import_module(COMPILER)


def _import_torchvision() -> None:
    import torch

    stand_in, disable = _Later(COMPILER), torch.compiler.disable
    if sys.modules.setdefault(COMPILER, stand_in) is not stand_in:
        return  # the compiler is there already
    torch.compiler.disable = lambda function=None, **_: function or (lambda function: function)
    try:
        import torchvision.transforms.v2  # noqa: F401
    finally:
        torch.compiler.disable = disable
        if sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]


_import_torchvision()
