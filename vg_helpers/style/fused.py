"""A network on CUDA with fewer passes over memory: bias, ReLU and 2 × 2 pooling in one kernel, written in Triton.

Convention: features are (N, C, H, W) in channels_last, in float32 or bfloat16; sums are rounded where the single
layers round them, so that features and gradients are the same bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..models.extractor import FeatureExtractor

BLOCK = 1024  # numbers that one program of a kernel works on


@triton.jit
def _bias_relu(x, bias, out, count, channels, keep: tl.constexpr, block: tl.constexpr):
    """Write relu(x + bias) to `out`, and x + bias in place of x if `keep`."""
    start = tl.program_id(0).to(tl.int64) * block
    at = start + tl.arange(0, block)
    inside = at < count
    channel = ((start % channels).to(tl.int32) + tl.arange(0, block)) % channels
    value = tl.load(x + at, inside).to(tl.float32) + tl.load(bias + channel, inside).to(tl.float32)
    value = value.to(x.dtype.element_ty)
    if keep:
        tl.store(x + at, value, inside)
    tl.store(out + at, tl.where(value < 0, 0.0, value), inside)  # NaN stays NaN


@triton.jit
def _relu_gradient(value, grad, extra, out, count, add: tl.constexpr, block: tl.constexpr):
    """Write `grad` where `value` is above 0 to `out`, plus `extra` if `add`."""
    at = tl.program_id(0).to(tl.int64) * block + tl.arange(0, block)
    inside = at < count
    passed = tl.where(tl.load(value + at, inside) > 0, tl.load(grad + at, inside), 0.0)
    if add:
        passed = passed.to(tl.float32) + tl.load(extra + at, inside).to(tl.float32)
    tl.store(out + at, passed.to(out.dtype.element_ty), inside)


@triton.jit
def _windows(x, bias, height, width, channels, block: tl.constexpr):
    """Return, for part of a row of pooled numbers: where they lie, which exist, and the four x + bias of each."""
    row, column_stride = tl.program_id(0).to(tl.int64), width // 2 * channels
    across = tl.program_id(1) * block + tl.arange(0, block)
    inside, channel = across < column_stride, across % channels
    above = row // (height // 2) * height + row % (height // 2) * 2
    first = above * width * channels + across // channels * 2 * channels + channel
    b = tl.load(bias + channel, inside).to(tl.float32)
    v1, v2 = _biased(x + first, b, inside), _biased(x + first + channels, b, inside)
    below = first + width * channels
    v3, v4 = _biased(x + below, b, inside), _biased(x + below + channels, b, inside)
    return row * column_stride + across, first, inside, v1, v2, v3, v4


@triton.jit
def _biased(place, bias, inside):
    return (tl.load(place, inside).to(tl.float32) + bias).to(place.dtype.element_ty).to(tl.float32)


@triton.jit
def _larger(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _pool(x, bias, out, height, width, channels, block: tl.constexpr):
    """Write the largest of each 2 × 2 numbers of relu(x + bias) to `out`."""
    at, _, inside, v1, v2, v3, v4 = _windows(x, bias, height, width, channels, block)
    largest = _larger(_larger(v1, v2), _larger(v3, v4))
    tl.store(out + at, tl.where(largest < 0, 0.0, largest).to(out.dtype.element_ty), inside)


@triton.jit
def _pool_gradient(x, bias, grad, out, height, width, channels, block: tl.constexpr):
    """Write `grad` to the first of the largest of each 2 × 2 numbers of x + bias if it is above 0, else 0, to `out`."""
    at, first, inside, v1, v2, v3, v4 = _windows(x, bias, height, width, channels, block)
    below, largest = first + width * channels, tl.maximum(tl.maximum(v1, v2), tl.maximum(v3, v4))
    passed = tl.where(largest > 0, tl.load(grad + at, inside), 0.0)
    before2 = v1 == largest
    before3 = before2 | (v2 == largest)
    before4 = before3 | (v3 == largest)
    tl.store(out + first, tl.where(before2, passed, 0.0), inside)
    tl.store(out + first + channels, tl.where((v2 == largest) & ~before2, passed, 0.0), inside)
    tl.store(out + below, tl.where((v3 == largest) & ~before3, passed, 0.0), inside)
    tl.store(out + below + channels, tl.where(~before4, passed, 0.0), inside)


def _launch(kernel: Any, *arguments: Any, **constants: Any) -> None:
    """Run a kernel over all numbers of its first argument."""
    grid = (triton.cdiv(arguments[0].numel(), BLOCK),)
    with torch.cuda.device_of(arguments[0]):
        kernel[grid](*arguments, **constants, block=BLOCK)


def _launch_pooling(kernel: Any, x: Tensor, bias: Tensor, *arguments: Tensor) -> None:
    """Run a kernel over all pooled numbers of x."""
    count, channels, height, width = x.shape
    grid = (count * (height // 2), triton.cdiv(width // 2 * channels, BLOCK))
    with torch.cuda.device_of(x):
        kernel[grid](x, bias, *arguments, height, width, channels, block=BLOCK)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def build_kernels() -> None:
    """Compile and run a kernel; raises whatever Triton raises if it cannot."""
    x = torch.zeros(1, 16, 2, 2, device="cuda").contiguous(memory_format=torch.channels_last)
    _BiasRelu.apply(x, torch.zeros(16, device="cuda"))


class _BiasRelu(torch.autograd.Function):
    """relu(x + bias), in place of x."""

    @staticmethod
    def forward(ctx, x: Tensor, bias: Tensor) -> Tensor:
        _launch(_bias_relu, x, bias, x, x.numel(), x.shape[1], keep=False)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        out = torch.empty_like(x)
        _launch(_relu_gradient, x, _last(grad), x, out, x.numel(), add=False)
        return out, None


class _BiasAndRelu(torch.autograd.Function):
    """x + bias, in place of x, and its ReLU."""

    @staticmethod
    def forward(ctx, x: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        out = torch.empty_like(x)
        _launch(_bias_relu, x, bias, out, x.numel(), x.shape[1], keep=True)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        ctx.set_materialize_grads(False)
        return x, out

    @staticmethod
    @once_differentiable
    def backward(ctx, extra: Tensor | None, grad: Tensor | None) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        if grad is None:
            return extra, None
        out, add = torch.empty_like(x), extra is not None
        _launch(_relu_gradient, x, _last(grad), _last(extra) if add else x, out, x.numel(), add=add)
        return out, None


class _BiasReluPool(torch.autograd.Function):
    """The largest of each 2 × 2 numbers of relu(x + bias)."""

    @staticmethod
    def forward(ctx, x: Tensor, bias: Tensor) -> Tensor:
        (count, channels, height, width), size = x.shape, {"dtype": x.dtype, "device": x.device}
        out = torch.empty(count, channels, height // 2, width // 2, memory_format=torch.channels_last, **size)
        _launch_pooling(_pool, x, bias, out)
        ctx.save_for_backward(x, bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, bias = ctx.saved_tensors
        height, width = x.shape[2:]
        out = torch.zeros_like(x) if height % 2 or width % 2 else torch.empty_like(x)  # odd ones belong to no window
        _launch_pooling(_pool_gradient, x, bias, _last(grad), out)
        return out, None


@dataclass(frozen=True)
class _Step:
    """A convolution, its layer's name if its features are asked for, and what takes its sums to the next one's input.

    `rest` is None for the last one.
    """

    conv: nn.Conv2d
    name: str | None
    rest: Callable[..., Any] | None

    def sums(self, x: Tensor) -> Tensor:
        """Return the convolution without its bias."""
        conv, padding = self.conv, self.conv.padding
        if conv.padding_mode != "zeros":
            # in channels_last the backward pass copies no features from one layout to the other
            x = _last(F.pad(x, (padding[1], padding[1], padding[0], padding[0]), mode=conv.padding_mode))
            padding = 0
        return _last(F.conv2d(x, conv.weight, None, conv.stride, padding, conv.dilation, conv.groups))


class FusedExtractor(nn.Module):
    """The network of a FeatureExtractor, step by step; called in the same way."""

    def __init__(self, net: FeatureExtractor) -> None:
        super().__init__()
        self.normalize, self.layers, self.steps = net.normalize, net.layers, _steps(net)

    @staticmethod
    def supports(net: nn.Module) -> bool:
        """Return whether the network consists of convolutions, each with a ReLU and perhaps 2 × 2 pooling behind it."""
        return isinstance(net, FeatureExtractor) and bool(_steps(net))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return layer name -> features (N, C, h, w)."""
        x, features = self.normalize(images), {}
        for step in self.steps:
            sums, bias = step.sums(x), step.conv.bias
            if step.rest is None:
                features[step.name] = sums + bias.view(1, -1, 1, 1)
            elif step.name is None:
                x = step.rest(sums, bias)
            else:
                features[step.name], x = step.rest(sums, bias)
        return features


def _steps(net: FeatureExtractor) -> list[_Step]:
    """Return the steps of the network, none if it has other layers, or if features behind a ReLU are asked for."""
    layers, names, steps, index = list(net.body), net._names, [], 0
    while index < len(layers):
        conv, relu, pool = (*layers[index : index + 3], None, None)[:3]
        name, used = names.get(index), 1 if relu is None else 2
        if type(conv) is not nn.Conv2d or conv.bias is None or not (relu is None or type(relu) is nn.ReLU):
            return []
        rest = None if relu is None else (_BiasRelu if name is None else _BiasAndRelu).apply
        if isinstance(pool, nn.MaxPool2d):
            halves = (pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode) == (2, 2, 0, False)
            if not halves or name is not None:
                return []
            rest, used = _BiasReluPool.apply, 3
        if any(behind in names for behind in range(index + 1, index + used)):
            return []
        steps.append(_Step(conv, name, rest))
        index += used
    return steps
