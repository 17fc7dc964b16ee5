"""3DDFA-V3's regressor in plain torch: from an aligned face to the 257 numbers that describe it.

Tensors are named as in the official net_recon.pth. Only the exporter uses this network.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from realishuman.errors import ModelError, PackError
from realishuman.mesh.face_basis import COEFFICIENTS
from realishuman.packs.checkpoint import open_checkpoint
from realishuman.packs.shapes import Shape, Shapes, differences

EXPANSION = 4  # of a bottleneck's width
STAGES = 4
EXPECTED = (
    "net_recon.pth (ResNet-50, 96.5 MB) of huggingface.co/datasets/Zidu-Wang/3DDFA-V3, "
    "folder assets"
)
_COUNTERS = "num_batches_tracked"  # of training only


class FaceRegressor(nn.Module):
    """A ResNet of bottlenecks whose pooled features go through seven linear read-outs.

    width   channels of the first convolution; 64 in the official one.
    blocks  bottlenecks per stage; (3, 4, 6, 3) in the official one.
    Source  He et al. 2016; the stride is that of the 3 x 3 convolution, as in torchvision.
    """

    def __init__(self, width: int = 64, blocks: tuple[int, ...] = (3, 4, 6, 3)) -> None:
        super().__init__()
        self.backbone = _Backbone(width, blocks)
        deepest = EXPANSION * width * 2 ** (STAGES - 1)
        self.final_layers = nn.ModuleList(nn.Conv2d(deepest, n, 1) for n in COEFFICIENTS.values())

    def forward(self, crop: Tensor) -> Tensor:
        """(P, 3, 224, 224) RGB in [0, 1] to (P, 257): the coefficients in COEFFICIENTS' order."""
        features = self.backbone(crop)
        return torch.cat([layer(features) for layer in self.final_layers], dim=1).flatten(1)


class _Backbone(nn.Module):
    def __init__(self, width: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = _stage(width, width, blocks[0], stride=1)
        self.layer2 = _stage(EXPANSION * width, 2 * width, blocks[1], stride=2)
        self.layer3 = _stage(2 * EXPANSION * width, 4 * width, blocks[2], stride=2)
        self.layer4 = _stage(4 * EXPANSION * width, 8 * width, blocks[3], stride=2)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return F.adaptive_avg_pool2d(x, 1)


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int, *, first: bool) -> None:
        super().__init__()
        outputs = EXPANSION * width
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.Identity()
        if first:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.bn1(self.conv1(x)))
        hidden = F.relu(self.bn2(self.conv2(hidden)))
        return F.relu(self.bn3(self.conv3(hidden)) + self.downsample(x))


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    rest = (_Bottleneck(EXPANSION * width, width, 1, first=False) for _ in range(blocks - 1))
    return nn.Sequential(_Bottleneck(inputs, width, stride, first=True), *rest)


def load_face_regressor(path: Path) -> FaceRegressor:
    """Build the network of a checkpoint {"net_recon": tensors by name}, its sizes read off it.

    Raises ModelError when the file is missing, damaged, asks to run code, or holds another network;
    the message names the first tensors that differ.
    """
    try:
        file = open_checkpoint(path, EXPECTED, inside="net_recon")
        width, blocks = _sizes(file.shapes)
        with torch.device("meta"):
            network = FaceRegressor(width, blocks)
        if wrong := differences(_drop_counters(file.shapes), _drop_counters(shapes_of(network))):
            raise PackError(f"{path}: {wrong}. Expected: {EXPECTED}")
    except PackError as error:
        raise ModelError(str(error)) from error
    tensors = {name: file.load(name) for name in file.shapes}
    for name, shape in shapes_of(network).items():
        if name.endswith(_COUNTERS):
            tensors.setdefault(name, torch.zeros(shape, dtype=torch.int64))
        elif not torch.isfinite(tensors[name]).all():
            raise ModelError(f"{path}: tensor {name} holds NaN or infinity. Expected: {EXPECTED}")
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.float().eval().requires_grad_(False)


def shapes_of(network: nn.Module) -> Shapes:
    """Names and shapes of everything a network's checkpoint holds."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _sizes(shapes: Mapping[str, Shape]) -> tuple[int, tuple[int, ...]]:
    """Width and blocks by the names that are there; at least the smallest network's."""
    width = (shapes.get("backbone.conv1.weight") or (64,))[0]
    counts = []
    for stage in range(1, STAGES + 1):
        count = 1
        while f"backbone.layer{stage}.{count}.conv1.weight" in shapes:
            count += 1
        counts.append(count)
    return width, tuple(counts)


def _drop_counters(shapes: Mapping[str, Shape]) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.endswith(_COUNTERS)}
