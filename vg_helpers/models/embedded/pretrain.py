"""Pre-train the embedded convolutions of VGG-19 and AlexNet on pictures by the demo painters.

`python -m vg_helpers.models.embedded.pretrain vgg19` writes `embedded/vgg19.npz` and, beside it, the log in means of a
hundred steps.
Each tapped layer predicts three things about a random crop: whose brushwork it shows and, at every place, the direction
of the strokes and the colour (the structure tensor and the local mean of the crop). The top layer also predicts which
picture the crop was cut from, whatever its tint, size and rotation (a single image, heavily augmented, trains good
early layers: Asano et al. 2020; exemplars: Dosovitskiy et al. 2014). The photographs that the dependencies bundle take
part without a painter. No other weights and no other pictures are used.
Convention: a crop is (3, S, S) in [0, 1]; every draw depends on the seed and the step alone, so that an interrupted
training ends with the same weights as an undisturbed one.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models as zoo
from tqdm import tqdm

from ...demo.dataset import BUNDLED_PHOTOS, demo_photos, paint_demo_set
from ...demo.painters import PAINTERS
from ...device import autocast, pick_device
from ...files import ROOT, atomic, read_json, save_torch, write_json
from ...images import load_image
from ..layers import LAYERS, STYLE_LAYERS, TITLES, Normalize
from ..weights import EMBEDDED

TAPS = {
    "vgg19": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    "alexnet": ("relu1", "relu2", "relu3", "relu5"),
}
CROP = {"vgg19": 64, "alexnet": 128}  # pixels; the deepest layer still sees several places
NO_PAINTER = -100  # cross_entropy leaves these out
KEEP_EVERY = 100  # steps between two checkpoints
LEVELS = 47  # codes lie in -47 … 47, a byte each; so few compress to two thirds of it
PER_PLACE = 5  # answers for every place: two numbers of the direction and three of the colour


@dataclass(frozen=True)
class PretrainConfig:
    """What one training depends on; the pictures' seed is not that of the demo set, which stays unseen."""

    network: str
    num_steps: int = 1200
    batch_size: int = 32
    lr: float = 2e-3
    num_paintings: int = 1200
    seed: int = 7


class Trunk(nn.Module):
    """The network's convolutions up to its deepest style layer, with batch normalisation, and a head on each tap."""

    def __init__(self, network: str, num_pictures: int) -> None:
        super().__init__()
        layers = getattr(zoo, network)(weights=None).features[: LAYERS[network][STYLE_LAYERS[network][-1]] + 2]
        self.taps = {LAYERS[network][name]: name for name in TAPS[network]}
        self.normalize, self.body, self.heads = Normalize(), nn.ModuleList(), nn.ModuleDict()
        for index, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d):
                width = layer.out_channels
                layer = nn.Sequential(layer, nn.BatchNorm2d(width))
            self.body.append(nn.ReLU() if isinstance(layer, nn.ReLU) else layer)
            if index in self.taps:
                self.heads[self.taps[index]] = nn.Conv2d(width, len(PAINTERS) + PER_PLACE, 1)
        self.picture = nn.Linear(width, num_pictures)

    def forward(self, crops: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Return each tap's answers (N, painters + 5, h, w) and the logits (N, pictures) of crops (N, 3, S, S)."""
        x, answers = self.normalize(crops), {}
        for index, layer in enumerate(self.body):
            x = layer(x)
            if index in self.taps:
                answers[self.taps[index]] = self.heads[self.taps[index]](x)
        return answers, self.picture(x.mean((2, 3)))

    @torch.no_grad()
    def folded(self) -> list[tuple[Tensor, Tensor]]:
        """Return every convolution's weight and bias with its batch normalisation folded in."""
        pairs = [layer for layer in self.body if isinstance(layer, nn.Sequential)]
        fused = [nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval()) for conv, norm in pairs]
        return [(conv.weight.detach(), conv.bias.detach()) for conv in fused]


def orientation(crops: Tensor, size: tuple[int, int]) -> Tensor:
    """Return cosine and sine of the doubled edge direction times its coherence, (N, 2, *size), from the brightness."""
    grey = crops.mean(1, keepdim=True)
    grey = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    sobel = torch.tensor([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]], device=crops.device)[None, None] / 8
    right, down = F.conv2d(grey, sobel), F.conv2d(grey, sobel.mT)
    tensor = torch.cat((right**2 - down**2, 2 * right * down, right**2 + down**2), 1)
    a, b, energy = F.adaptive_avg_pool2d(tensor, size).split(1, 1)
    return torch.cat((a, b), 1) / (energy + 1e-4)


def crops_of(pictures: Tensor, generator: torch.Generator, size: int) -> Tensor:
    """Return one crop (N, 3, size, size) of each picture (N, 3, H, W): turned, mirrored, resized and recoloured."""
    count, side = len(pictures), pictures.shape[-1]

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(count, *shape).uniform_(low, high, generator=generator)

    scale = size / side * torch.exp(draw(math.log(0.7), math.log(1.6)))  # of the picture's side that a crop covers
    angle, mirror = draw(-math.pi, math.pi), torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    room = (1 - scale * 1.2).clamp_min(0)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    rows = (mirror * cos, -sin, room * draw(-1, 1), mirror * sin, cos, room * draw(-1, 1))
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), (count, 3, size, size), align_corners=False)
    crops = F.grid_sample(pictures, grid.to(pictures.device), padding_mode="reflection", align_corners=False)
    mean = crops.mean((2, 3), keepdim=True)
    gain, shift, grey = draw(0.75, 1.25, 3, 1, 1), draw(-0.1, 0.1, 3, 1, 1), draw(0, 1, 1, 1, 1) < 0.05
    crops = (crops - mean) * gain.to(crops) + mean + shift.to(crops)
    return torch.where(grey.to(crops.device), crops.mean(1, keepdim=True), crops).clamp(0, 1)


def load_pictures(folder: Path, config: PretrainConfig, on_progress: Callable | None = None) -> tuple[Tensor, Tensor]:
    """Return pictures (N, 3, 256, 256) as uint8 and the painter of each, the photographs' tiles last."""
    paint_demo_set(folder / "paintings", config.num_paintings, config.seed, on_progress=on_progress, hard=False)
    files = sorted((folder / "paintings" / "Post_Impressionism").glob("*.jpg"))
    manner = {"vincent-van-gogh": "flow"} | {f"{name}-painter": name for name in PAINTERS}
    painters = [PAINTERS.index(manner[file.name.split("_")[0]]) for file in files]
    pictures = [load_image(file)[0] for file in files]
    for file in demo_photos(folder / "photos", len(BUNDLED_PHOTOS)):
        photo = load_image(file)
        tiles = F.unfold(photo, 256, stride=min(128, max(1, min(photo.shape[2:]) - 256)))[0].T.reshape(-1, 3, 256, 256)
        pictures += list(tiles)
        painters += [NO_PAINTER] * len(tiles)
    return torch.stack([(picture * 255).round().to(torch.uint8) for picture in pictures]), torch.tensor(painters)


def train(config: PretrainConfig, pictures: Tensor, painters: Tensor, folder: Path, device: torch.device) -> Trunk:
    """Return the trained trunk; the log and a checkpoint are kept in the folder, and training goes on from there."""
    torch.manual_seed(config.seed)
    trunk = Trunk(config.network, len(pictures)).to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(trunk.parameters(), config.lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.lr, config.num_steps, pct_start=0.15)
    parts, path, rows = {"trunk": trunk, "optimizer": optimizer, "schedule": schedule}, folder / "checkpoint.pt", []
    if path.is_file():
        saved = torch.load(path, map_location=device, weights_only=True)
        if saved.get("config") == asdict(config):
            rows = saved["rows"]
            for name, part in parts.items():
                part.load_state_dict(saved[name])
    todo = range(len(rows), config.num_steps)
    for step in tqdm(todo, TITLES[config.network], config.num_steps, initial=len(rows)):
        start = time.perf_counter()
        row = train_step(config, trunk, optimizer, pictures, painters, step)
        schedule.step()
        rows.append({"step": step + 1, **row, "seconds": time.perf_counter() - start})
        if (step + 1) % KEEP_EVERY == 0 or step + 1 == config.num_steps:
            state = {name: part.state_dict() for name, part in parts.items()}
            save_torch(path, {"config": asdict(config), "rows": rows, **state})
            write_json(folder / "log.json", {"config": asdict(config), "device": str(device), "steps": rows})
    return trunk.eval()


def train_step(config: PretrainConfig, trunk: Trunk, optimizer, pictures: Tensor, painters: Tensor, step: int) -> dict:
    """Take one step and return the mean loss of each question and the share of painters recognised at the top."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
    chosen = torch.randint(len(pictures), (config.batch_size,), generator=generator)
    device = next(trunk.parameters()).device
    crops = crops_of(pictures[chosen].to(device) / 255, generator, CROP[config.network])
    who, which = painters[chosen].to(device), chosen.to(device)
    with autocast(device):
        answers, picture = trunk(crops.contiguous(memory_format=torch.channels_last))
    rows = []
    for answer in answers.values():
        manner, course, colour = answer.float().split((len(PAINTERS), 2, 3), 1)
        manner, size = manner.mean((2, 3)), answer.shape[2:]
        painter = F.cross_entropy(manner, who, ignore_index=NO_PAINTER)
        tint = F.mse_loss(colour, F.adaptive_avg_pool2d(crops, size) * 4 - 2)
        rows.append(torch.stack((painter, F.mse_loss(course, orientation(crops, size)), tint)))
    losses = torch.cat((torch.stack(rows).mean(0), F.cross_entropy(picture.float(), which)[None]))
    optimizer.zero_grad(set_to_none=True)
    (losses * torch.tensor([1.0, 2.0, 1.0, 0.3], device=device)).sum().backward()
    optimizer.step()
    painted = who >= 0
    right = (manner.argmax(1) == who)[painted].float().mean()
    return dict(
        zip(("painter", "direction", "colour", "picture", "right"), [*losses.tolist(), right.item()], strict=True)
    )


def save_codes(path: Path, convolutions: list[tuple[Tensor, Tensor]]) -> None:
    """Write weights as 8-bit codes with a scale for each output channel, and the biases as float32."""
    arrays = {}
    for number, (weight, bias) in enumerate(convolutions):
        scale = weight.abs().flatten(1).amax(1).clamp_min(1e-12) / LEVELS
        codes = (weight / scale.view(-1, 1, 1, 1)).round().to(torch.int8)
        named = {"codes": codes, "scale": scale.float(), "bias": bias.float()}
        arrays |= {f"{name}{number}": value.cpu().numpy() for name, value in named.items()}
    with atomic(path) as part, part.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def main(arguments: list[str] | None = None) -> None:
    """Train one network's embedded features."""
    parser = argparse.ArgumentParser(
        prog="python -m vg_helpers.models.embedded.pretrain", description=__doc__.split("\n")[0]
    )
    parser.add_argument("network", choices=tuple(TITLES))
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="folder of the .npz and its log")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "report" / "build" / "pretrain", help="pictures and checkpoints"
    )
    parser.add_argument("--device", default="auto")
    for name in ("num_steps", "batch_size", "num_paintings", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(PretrainConfig("vgg19"), name))
    options = parser.parse_args(arguments)
    chosen = {name: getattr(options, name) for name in ("num_steps", "batch_size", "num_paintings", "seed")}
    config = PretrainConfig(options.network, **chosen)
    if min(chosen["num_steps"], chosen["batch_size"] - 1, chosen["num_paintings"]) < 1:
        sys.exit("num-steps and num-paintings must be at least 1, batch-size at least 2")
    device = pick_device(options.device)
    with tqdm(total=config.num_paintings, desc="painting") as bar:
        pictures, painters = load_pictures(options.work, config, lambda done, of: bar.update(done - bar.n))
    folder = options.work / config.network
    trunk = train(config, pictures, painters, folder, device)
    path = options.out / f"{config.network}.npz"
    save_codes(path, trunk.folded())
    rows = read_json(folder / "log.json")["steps"]
    log = [
        {k: float(np.nanmean([row[k] for row in rows[i : i + 100]])) for k in rows[0]} for i in range(0, len(rows), 100)
    ]
    minutes = sum(row["seconds"] for row in rows) / 60
    write_json(
        path.with_suffix(".json"), {"config": asdict(config), "device": str(device), "minutes": minutes, "log": log}
    )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
