"""The tiny recorded networks as a pack, recorded numbers, and stand-ins for noise and progress.

tests/golden/diffusion/README.md says where the numbers come from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from realishuman.backbones.packed import PackedBackbone
from realishuman.diffusion.image_encoder import ImageEncoder
from realishuman.packs.header import (
    EncoderShape,
    PackHeader,
    ScheduleConstants,
    UnetShape,
    VaeShape,
)
from realishuman.packs.pack_writer import Entry, write_pack

GOLDEN = Path(__file__).parents[1] / "golden/diffusion"
ATTENTION = (True, True, True, False)
HEADER = PackHeader(
    name="recorded",
    kind="hand",
    weights="random",
    pose="shaded",
    preset="released",
    resolution=128,
    unet=UnetShape((32, 32, 32, 64), ATTENTION, layers=2, context=64, heads=8, groups=32),
    stage_two_unet=UnetShape((32, 32, 32, 32), ATTENTION, layers=2, context=64, heads=8, groups=32),
    vae=VaeShape((32, 32, 32, 32), layers=2, latent_channels=4, groups=32, scaling=0.18215),
    image_encoder=EncoderShape(width=48, depth=2, heads=4, patch=14, side=28),
    schedule=ScheduleConstants(),
    licence="Apache-2.0",
    source="random",
)


@dataclass(frozen=True)
class RecordedNoise:
    """Noise as it was recorded: where to start, (P, ...), and what each step drew, (S, P, ...)."""

    start: torch.Tensor
    steps: torch.Tensor | None = None
    drawn: list = field(default_factory=list)

    def rows(self, first, last):
        steps = None if self.steps is None else self.steps[:, first:last]
        return RecordedNoise(self.start[first:last], steps)

    def initial(self, shape):
        assert tuple(shape) == tuple(self.start.shape[1:])
        return self.start

    def step(self, shape):
        self.drawn.append(tuple(shape))
        return self.steps[len(self.drawn) - 1]


class Recorder:
    """A UNet that remembers which latents and how many rows it was given, and can fail on cue."""

    def __init__(self, unet, fail_at=None):
        self._unet = unet
        self.fail_at = fail_at
        self.latents = []
        self.timesteps = []
        self.features_timesteps = []

    def condition(self, tokens, pose=None):
        return self._unet.condition(tokens, pose)

    def predict(self, latents, timestep, condition, bank):
        self.latents.append(latents)
        self.timesteps.append(int(timestep))
        return self._unet.predict(latents, timestep, condition, bank)

    def features(self, latents, timestep, condition):
        self.features_timesteps.append(timestep.tolist())
        return self._unet.features(latents, timestep, condition)


class CountingProgress:
    """Remembers what was reported; interrupts after `stop_after` steps."""

    def __init__(self, stop_after=None, error=None):
        self.begun, self.steps = [], 0
        self._stop_after, self._error = stop_after, error

    def begin(self, stage, total):
        self.begun.append((stage, total))

    def step(self, count=1):
        self.steps += count
        if self.steps == self._stop_after:
            raise self._error


@pytest.fixture(scope="session")
def golden():
    """A function: a recorded file as a dict of arrays by name."""

    def load(name):
        with np.load(GOLDEN / name, allow_pickle=False) as data:
            return {key: torch.from_numpy(data[key]) for key in data.files}

    return load


@pytest.fixture(scope="session")
def golden_pack(tmp_path_factory, golden):
    """The recorded networks as `write_pack` stores them; the image encoder's numbers are random."""
    names = {"unet_main": "unet", "unet_ref": "reference", "clip_projector": "projector"}
    tensors = {}
    for name, tensor in load_file(GOLDEN / "stage_one.safetensors").items():
        net, rest = name.split(".", 1)
        tensors[f"stage_one.{names.get(net, net)}.{rest}"] = tensor
    for name, tensor in load_file(GOLDEN / "stage_two.safetensors").items():
        tensors[f"stage_two.unet.{name.removeprefix('unet_main.')}"] = tensor
    for name, tensor in load_file(GOLDEN / "vae.safetensors").items():
        tensors[f"vae.{name}"] = tensor
    generator = torch.Generator().manual_seed(0)
    for name, tensor in ImageEncoder(HEADER.image_encoder).state_dict().items():
        tensors[f"image_encoder.{name}"] = 0.2 * torch.randn(tensor.shape, generator=generator)
    loops = golden("stage_two.npz")
    tensors["prompt.conditional"] = loops["text_cond"]
    tensors["prompt.unconditional"] = loops["text_uncond"]
    path = tmp_path_factory.mktemp("pack") / "recorded.safetensors"
    entries = [Entry(name, tuple(one.shape), lambda one=one: one) for name, one in tensors.items()]
    return write_pack(path, HEADER, entries)


@pytest.fixture(scope="session")
def backbone(golden_pack):
    return PackedBackbone(golden_pack)


@pytest.fixture(scope="session")
def one(backbone):
    with backbone.stage_one() as networks:
        yield networks


@pytest.fixture(scope="session")
def two(backbone):
    with backbone.stage_two() as networks:
        yield networks


@pytest.fixture
def close():
    """A function that compares float32 tensors by their largest absolute difference."""

    def compare(found, expected, tolerance):
        assert found.shape == expected.shape
        assert found.dtype is torch.float32
        assert (found - expected).abs().max().item() <= tolerance

    return compare


@pytest.fixture
def recorded_noise():
    return RecordedNoise


@pytest.fixture
def recorder():
    return Recorder


@pytest.fixture
def counting_progress():
    return CountingProgress


@pytest.fixture(autouse=True)
def _no_grad():
    with torch.no_grad():
        yield
