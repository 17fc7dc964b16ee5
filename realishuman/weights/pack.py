"""The pack: all diffusion weights of one part kind in one safetensors file that describes itself.

The file's metadata holds one key, "realishuman", with a PackHeader as JSON. Tensor names:

stage_one.unet.*         main UNet, diffusers names
stage_one.reference.*    Part Detail Encoder: a UNet of the same shape
stage_one.pose_guider.*  convolutions from the pose image to what is added after conv_in
stage_one.projector.*    LayerNorm ("0") and Linear ("1") from image tokens to the UNets' context
stage_two.unet.*         inpainting UNet, 2 x latent channels + 1 input channels
vae.*                    autoencoder, diffusers names
stage_two.vae.*          optional: stage two's own autoencoder of the same shape
image_encoder.*          DINOv2, transformers names, position table already of the header's size
prompt.conditional, prompt.unconditional   (1, T, context) text embeddings of stage two
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from realishuman.errors import PackError
from realishuman.weights.plausible import fault, misfit

FORMAT = 1
METADATA_KEY = "realishuman"
GROUPS = (  # what a complete pack holds; stage_two.vae is optional
    "stage_one.unet.",
    "stage_one.reference.",
    "stage_one.pose_guider.",
    "stage_one.projector.",
    "stage_two.unet.",
    "vae.",
    "image_encoder.",
    "prompt.",
)
_CHOICES = {
    "weights": ("trained", "demo", "random"),
    "pose": ("shaded", "depth"),
    "preset": ("released", "paper"),
    "prediction": ("epsilon", "v_prediction"),
    "spacing": ("leading", "linspace", "trailing"),
}


@dataclass(frozen=True)
class UnetShape:
    """Sizes of a Stable Diffusion 1.x UNet.

    channels   of the levels, finest first: (320, 640, 1280, 1280) for SD1.5.
    attention  per level: has it transformer blocks?
    layers     resnets per down level.
    context    width of the cross-attention tokens.
    heads      attention heads, the same at every level.
    groups     of every GroupNorm.
    """

    channels: tuple[int, ...]
    attention: tuple[bool, ...]
    layers: int
    context: int
    heads: int
    groups: int


@dataclass(frozen=True)
class VaeShape:
    """Sizes of an AutoencoderKL; `scaling` is the factor between its latents and the UNet's."""

    channels: tuple[int, ...]
    layers: int
    latent_channels: int
    groups: int
    scaling: float


@dataclass(frozen=True)
class EncoderShape:
    """Sizes of a DINOv2: token width, blocks, heads, patch side and picture side in pixels."""

    width: int
    depth: int
    heads: int
    patch: int
    side: int


@dataclass(frozen=True)
class ScheduleConstants:
    """Of the noise schedule the weights were trained with."""

    train_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    zero_snr: bool = True
    prediction: str = "epsilon"
    spacing: str = "leading"
    offset: int = 1


@dataclass(frozen=True)
class PackHeader:
    """What a pack says about itself.

    kind        part kind it repairs.
    weights     "trained", "demo" (small, on synthetic data) or "random" (paints noise).
    pose        pose condition it expects: "shaded" render or "depth".
    preset      whose constants it runs with unless the user says otherwise.
    resolution  side of the crop in pixels.
    steps, guidance, margin  of sampling and of the crop, where the user says nothing; None
                takes the preset's.
    """

    name: str
    kind: str
    weights: str
    pose: str
    preset: str
    resolution: int
    unet: UnetShape
    stage_two_unet: UnetShape
    vae: VaeShape
    image_encoder: EncoderShape
    schedule: ScheduleConstants
    licence: str
    source: str
    training_step: int = 0
    steps: int | None = None
    guidance: float | None = None
    margin: float | None = None
    format: int = FORMAT

    def to_json(self) -> str:
        """The text that goes into the file's metadata."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str) -> PackHeader:
        """Parse and check; raises PackError naming `where` on anything missing or unknown."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise PackError(f"{where}: the pack's header is not JSON ({error})") from error
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            found = raw.get("format") if isinstance(raw, dict) else type(raw).__name__
            raise PackError(
                f"{where} is a pack of format {found!r}, but this version reads format {FORMAT}: "
                "convert the checkpoints again with `realishuman convert`."
            )
        nested = {
            "unet": UnetShape,
            "stage_two_unet": UnetShape,
            "vae": VaeShape,
            "image_encoder": EncoderShape,
            "schedule": ScheduleConstants,
        }
        for name, kind in nested.items():
            raw[name] = _build(kind, raw.get(name), f"{where}: header field {name}")
        header = _build(cls, raw, f"{where}: header")
        if why := misfit(header):
            raise PackError(f"{where}: header: {why}. Convert the checkpoints or copy it again.")
        return header


_T = TypeVar("_T")


def _build(kind: type[_T], raw: Any, where: str) -> _T:
    """Make a dataclass from a JSON object, or raise PackError saying which key is wrong."""
    if not isinstance(raw, Mapping):
        raise PackError(f"{where} is missing or not an object; the file is damaged or no pack.")
    known = {spec.name for spec in fields(kind)}  # type: ignore[arg-type]  # always a dataclass
    if unknown := sorted(raw.keys() - known):
        raise PackError(f"{where} has unknown keys: {', '.join(unknown)}")
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in raw.items()}
    for key in values.keys() & _CHOICES.keys():
        if values[key] not in _CHOICES[key]:
            raise PackError(f"{where}: {key} is {values[key]!r}, not one of {_CHOICES[key]}")
    try:
        built = kind(**values)
    except TypeError as error:
        raise PackError(f"{where} is incomplete: {error}") from error
    if why := fault(built):
        raise PackError(f"{where}: {why}. Convert the checkpoints or copy it again.")
    return built


@dataclass(frozen=True)
class Pack:
    """An opened pack: header read, tensors still on disk (memory-mapped)."""

    path: Path
    header: PackHeader
    names: tuple[str, ...]

    @classmethod
    def open(cls, path: str | Path) -> Pack:
        """Read header and names. Raises PackError if the file is no complete pack."""
        path = Path(path)
        if path.is_dir():
            raise PackError(f"{path} is a folder; name the pack in it, a .safetensors file.")
        if not path.is_file():
            raise PackError(
                f"{path} does not exist. A pack is made from the released checkpoints with "
                "`realishuman convert`."
            )
        try:
            with safe_open(path, framework="pt") as file:
                metadata, names = file.metadata() or {}, tuple(file.keys())
        except (SafetensorError, OSError) as error:
            raise PackError(
                f"{path} cannot be read as safetensors ({error}): it is truncated or another kind "
                "of file. Convert or copy it again."
            ) from error
        if METADATA_KEY not in metadata:
            raise PackError(
                f"{path} has no RealisHuman header: it is a safetensors file but not a pack. Make "
                "a pack from checkpoints with `realishuman convert`."
            )
        header = PackHeader.from_json(metadata[METADATA_KEY], str(path))
        if missing := [g for g in GROUPS if not any(n.startswith(g) for n in names)]:
            raise PackError(f"{path} is incomplete: it has no tensors named {', '.join(missing)}*")
        return cls(path, header, names)

    def has(self, prefix: str) -> bool:
        """Whether any tensor's name starts with `prefix`."""
        return any(name.startswith(prefix) for name in self.names)

    def tensors(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose names start with `prefix`, by the rest of the name, as stored.

        Raises PackError if one holds NaN or infinity.
        """
        return dict(self._read(prefix))

    def _read(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        with safe_open(self.path, framework="pt") as file:
            for name in self.names:
                if name.startswith(prefix):
                    tensor = file.get_tensor(name)
                    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                        raise PackError(
                            f"{self.path}: tensor {name} holds NaN or infinity, so the weights are "
                            "damaged. Convert or copy the pack again."
                        )
                    yield name[len(prefix) :], tensor
