"""What a pack says about itself: plain data, written into its file as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

FORMAT = 1
MESHES = ("embedded", "corrected", "official")


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
    mesh        whose meshes it is steered by: the "embedded" regressors', the same with landmarks
                "corrected" for rendered hands, or the "official" ones, HaMeR and 3DDFA-V3.
    preset      whose constants it runs with unless the user says otherwise.
    resolution  side of the crop in pixels.
    steps, guidance, margin, erode  of sampling, of the crop and of m_e, where the user says
                nothing; None takes the preset's.
    keep_core   whether the picture gets stage one's part itself in m_e; without, as released, what
                stage two makes of it while it paints the ring.
    encoder_file  the image encoder as ONNX, seen from the pack's folder, for a pack that holds no
                tensors of it; see backbones.shared_encoder.
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
    mesh: str = "embedded"
    erode: int | None = None
    keep_core: bool = False
    encoder_file: str | None = None
    format: int = FORMAT

    def to_json(self) -> str:
        """The text that goes into the file's metadata."""
        return json.dumps(asdict(self), sort_keys=True)
