"""Makes a pack from the released checkpoints and the public models they were trained with.

Names and shapes are strict: a file is used only if it holds exactly the tensors it should.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from realishuman.errors import PackError
from realishuman.packs.header import EncoderShape, PackHeader, ScheduleConstants, UnetShape
from realishuman.packs.pack import Pack
from realishuman.packs.pack_writer import Entry, write_pack
from realishuman.packs.shapes import (
    encoder_shapes,
    pose_guider_shapes,
    projector_shapes,
    prompt_shapes,
    unet_shapes,
    vae_shapes,
)
from realishuman.packs.sizes import (
    read_encoder_shape,
    read_pose_widths,
    read_unet_shape,
    read_vae_shape,
)
from realishuman.packs.sources import Source, open_sources, refuse_swapped
from realishuman.progress import Progress

DINO_POSITIONS = ("old", "new")
_POSITIONS = "embeddings.position_embeddings"
_SCALING = 0.18215  # of every Stable Diffusion 1.x autoencoder; the files do not say


@dataclass(frozen=True)
class Assumed:
    """What the shapes of the tensors do not tell; the defaults are the released models'.

    heads          of the UNets.
    groups         of every GroupNorm.
    encoder_heads  None stands for width // 64, as in every published DINOv2.
    encoder_side   side in pixels of the picture the image encoder sees.
    resolution     side of the crop in pixels.
    """

    heads: int = 8
    groups: int = 32
    encoder_heads: int | None = None
    encoder_side: int = 224
    resolution: int = 512


RELEASED = Assumed()


def convert(
    out: str | Path,
    kind: str,
    *,
    stage_one: Path | None,
    stage_two: Path | None,
    vae: Path | None,
    dinov2: Path | None,
    prompt: Path | None,
    vae_stage_two: Path | None = None,
    dino_positions: str = "old",
    assumed: Assumed = RELEASED,
    progress: Progress | None = None,
) -> Pack:
    """Write the pack `out` for parts of `kind` from files in the layout they were released in.

    dino_positions  how DINOv2's position table is brought to the encoder's side: "old" as
                    transformers did when the weights were released, "new" as it does today.
    progress        gets one step per tensor written.
    Raises          PackError when a file is not given, missing, damaged or not the one expected,
                    or the pack cannot be written.
    """
    paths = {"stage_one": stage_one, "stage_two": stage_two, "vae": vae, "dinov2": dinov2}
    paths |= {"prompt": prompt, "vae_stage_two": vae_stage_two}
    planned = plan_pack(
        Path(out), kind, paths, name="released", dino_positions=dino_positions, assumed=assumed
    )
    return write_pack(out, *planned, progress)


def plan_pack(
    out: Path,
    kind: str,
    paths: Mapping[str, Path | None],
    *,
    name: str,
    dino_positions: str = "old",
    assumed: Assumed = RELEASED,
    encoder_file: str | None = None,
) -> tuple[PackHeader, list[Entry]]:
    """Header and tensors of a pack, for write_pack; checks every file but the tensors' values.

    paths   the files by convert's arguments.
    name    of the set that this pack and those of other kinds are; it leads the pack's own name.
    encoder_file  goes into the header; the pack then holds no tensors of the image encoder.
    Raises  as convert.
    """
    sources = open_sources(out, paths, kind)
    refuse_swapped(sources["stage_one"], sources["stage_two"])
    unet, width, entries = _stage_one(sources["stage_one"], assumed)
    two, more = _stage_two(sources["stage_two"], sources["prompt"], assumed)
    encoder, tokens = _image_encoder(sources["dinov2"], width, dino_positions, assumed)
    autoencoder = sources["vae"].read("", lambda s: read_vae_shape(s, assumed.groups, _SCALING))
    autoencoder = replace(autoencoder, latent_channels=4)  # what the UNets take
    for argument, target in (("vae", "vae."), ("vae_stage_two", "stage_two.vae.")):
        if argument in sources:
            more += sources[argument].take(("", target, vae_shapes(autoencoder)))
    header = PackHeader(
        name=f"{name}-{kind}",
        kind=kind,
        weights="random" if any(one.file.random for one in sources.values()) else "trained",
        pose="shaded",
        mesh="official",
        preset="released",
        resolution=assumed.resolution,
        unet=unet,
        stage_two_unet=two,
        vae=autoencoder,
        image_encoder=encoder,
        schedule=ScheduleConstants(),
        licence="as its sources",
        source=", ".join(source.file.path.name for source in sources.values()),
        training_step=sources["stage_one"].file.step,
        encoder_file=encoder_file,
    )
    return header, entries + more + ([] if encoder_file else tokens)


def plan_encoder(
    out: Path, dinov2: Path, positions: str = "old", assumed: Assumed = RELEASED
) -> tuple[EncoderShape, list[Entry]]:
    """Shape and tensors of DINOv2 alone, under their own names, as they would be in a pack.

    out     the file they are for, which must not be `dinov2`.
    Raises  as convert.
    """
    [source] = open_sources(out, {"dinov2": dinov2}, "").values()
    return _image_encoder(source, None, positions, assumed, prefix="")


def _stage_one(source: Source, assumed: Assumed) -> tuple[UnetShape, int, list[Entry]]:
    """Shape of both UNets, width of the image tokens they take, and all tensors."""
    unet = source.read("unet_main.", lambda s: read_unet_shape(s, assumed.heads, assumed.groups))
    pose = source.read("pose_guider.", read_pose_widths)
    width = source.file.shapes.get("clip_projector.0.weight", (1024,))[0]
    tensors = unet_shapes(unet, in_channels=4)
    entries = source.take(
        ("unet_main.", "stage_one.unet.", tensors),
        ("unet_ref.", "stage_one.reference.", tensors),
        ("pose_guider.", "stage_one.pose_guider.", pose_guider_shapes(pose, unet.channels[0])),
        ("clip_projector.", "stage_one.projector.", projector_shapes(width, unet.context)),
    )
    return unet, width, entries


def _stage_two(source: Source, prompt: Source, assumed: Assumed) -> tuple[UnetShape, list[Entry]]:
    """Shape and tensors of the inpainting UNet, and the prompt embeddings that go into it."""
    unet = source.read("unet_main.", lambda s: read_unet_shape(s, assumed.heads, assumed.groups))
    entries = source.take(("unet_main.", "stage_two.unet.", unet_shapes(unet, in_channels=9)))
    shape = prompt.file.shapes.get("conditional", ())
    words = shape[1] if len(shape) == 3 else 77
    return unet, entries + prompt.take(("", "prompt.", prompt_shapes(words, unet.context)))


def _image_encoder(
    source: Source,
    width: int | None,
    positions: str,
    assumed: Assumed,
    prefix: str = "image_encoder.",
) -> tuple[EncoderShape, list[Entry]]:
    """Shape and tensors of DINOv2, its position table brought to the side it will see."""
    if positions not in DINO_POSITIONS:
        raise PackError(f"DINOv2's positions can be resized {DINO_POSITIONS}, not {positions!r}")
    stored = source.read("", lambda s: read_encoder_shape(s, assumed.encoder_heads))
    if width is not None and stored.width != width:
        raise source.refuse(
            f"its tokens have {stored.width} channels, but the stage-one checkpoint was trained "
            f"with {width}"
        )
    used = replace(stored, side=assumed.encoder_side)
    entries = source.take(("", prefix, encoder_shapes(stored)))
    side = used.side // used.patch

    def resize(entry: Entry) -> Entry:
        if not entry.name.endswith(_POSITIONS):
            return entry
        shape = (1, side * side + 1, stored.width)
        return Entry(entry.name, shape, lambda: resize_positions(entry.load(), side, positions))

    return used, [resize(entry) for entry in entries]


def resize_positions(table: Tensor, side: int, variant: str) -> Tensor:
    """Resample a position table to side x side patches; the class token's entry comes first.

    table    (1, n * n + 1, C) floating.
    variant  "old" passes the scale (side + 0.1) / n to the bicubic filter, "new" the size.
    Returns  (1, side * side + 1, C) float32; the table itself when it has that size.
    Source   Dinov2Embeddings of transformers 4.36 and 5.
    """
    table = table.float()
    count, width = table.shape[1] - 1, table.shape[2]
    if count == side * side:
        return table
    stored = round(count**0.5)
    grid = table[:, 1:].reshape(1, stored, stored, width).permute(0, 3, 1, 2)
    if variant == "old":
        grid = F.interpolate(grid, scale_factor=(side + 0.1) / stored, mode="bicubic")
    else:
        grid = F.interpolate(grid, size=(side, side), mode="bicubic")
    return torch.cat([table[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)
