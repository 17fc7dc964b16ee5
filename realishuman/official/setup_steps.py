"""What `setup official` makes of the official files: one step per feature of the list."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from realishuman.mesh.face3d import BASIS, REGRESSOR, WEIGHTS
from realishuman.mesh.hamer import FILE as HAMER
from realishuman.official import export_dinov2 as dinov2
from realishuman.official import setup_sources as names
from realishuman.official.export_face import convert_face_model, export_face
from realishuman.official.export_hamer import export_hamer
from realishuman.official.face_model import read_face_model
from realishuman.official.hamer import build_hamer, open_hamer
from realishuman.official.mano_file import read_mano
from realishuman.official.resnet import load_face_regressor
from realishuman.official.text_encoder import embed_prompt
from realishuman.packs.convert import RELEASED, Assumed, plan_encoder, plan_pack
from realishuman.packs.header import PackHeader
from realishuman.packs.pack_writer import Entry, size_of, write_pack
from realishuman.progress import Progress

SET = "official"  # name of the packs' set
HALF = 0.51  # of a checkpoint's size, once its float32 is float16
PACK_MEMORY = 1_500_000_000  # bytes: the largest tensors, and what reading a checkpoint maps


@dataclass(frozen=True)
class Step:
    """One thing to be made.

    feature   of the list of model files.
    products  the files it makes, by their names in the models folder.
    sources   the official files it reads, by their names in the list.
    variant   what else decides how it is made.
    check     checks every source but its hash; returns the bytes of the products.
    memory    bytes that making it takes at most, of the sizes of the sources.
    make      makes it; returns a remark for the user.
    """

    feature: str
    products: tuple[str, ...]
    sources: Mapping[str, Path]
    variant: str
    check: Callable[[], int]
    memory: Callable[[], int]
    make: Callable[[Progress], str]


@dataclass(frozen=True)
class Making:
    """What every step needs to know.

    models     the models folder.
    scratch    a folder for what is only needed in between.
    positions  how DINOv2's position table is resized; see packs.convert.
    assumed    what the checkpoints' shapes do not tell.
    shared     whether the packs share one image encoder, a file beside them.
    """

    models: Path
    scratch: Path
    positions: str = "old"
    assumed: Assumed = RELEASED
    shared: bool = False


def variant(feature: str, positions: str, shared: bool = False) -> str:
    """What besides its sources decides how a feature is made, in words."""
    kinds = {"hamer": "large weights in float16", "face3d": "float32"}
    if shared and feature != names.ENCODER:
        return kinds.get(feature, "shared image encoder")
    return kinds.get(feature, f"positions {positions}")


def step(feature: str, sources: Mapping[str, Path], making: Making) -> Step:
    """The step that makes a feature; all its needed sources must be there."""
    if feature == "hamer":
        return _hamer(sources, making)
    if feature == "face3d":
        return _face3d(sources, making)
    if feature == names.ENCODER:
        return _encoder(sources, making)
    return _pack(feature, sources, making)


def _hamer(sources: Mapping[str, Path], making: Making) -> Step:
    checkpoint, mano = sources[names.CHECKPOINT], sources[names.MANO]

    def check() -> int:
        build_hamer(open_hamer(checkpoint), read_mano(mano, accept_unknown=True))
        return int(HALF * checkpoint.stat().st_size) + 2 * mano.stat().st_size

    def make(progress: Progress) -> str:
        target = _place(making.models, HAMER)
        made = export_hamer(checkpoint, mano, target, progress, accept_unknown=True)
        return f"vertices within {1000 * made.difference:.2g} mm of torch"

    return Step(
        feature="hamer",
        products=(HAMER, f"{HAMER}.data"),
        sources=sources,
        variant=variant("hamer", making.positions),
        check=check,
        memory=lambda: int(2.2 * checkpoint.stat().st_size) + 400_000_000,
        make=make,
    )


def _face3d(sources: Mapping[str, Path], making: Making) -> Step:
    checkpoint, model = sources[names.NET_RECON], sources[names.FACE_MODEL]

    def check() -> int:
        load_face_regressor(checkpoint)
        read_face_model(model)
        return checkpoint.stat().st_size + model.stat().st_size

    def make(progress: Progress) -> str:
        difference = export_face(checkpoint, _place(making.models, REGRESSOR), progress)
        convert_face_model(model, _place(making.models, BASIS))
        return f"coefficients within {difference:.1g} of torch"

    return Step(
        feature="face3d",
        products=(REGRESSOR, WEIGHTS, BASIS),
        sources=sources,
        variant=variant("face3d", making.positions),
        check=check,
        memory=lambda: 4 * _bytes(sources.values()) + 300_000_000,
        make=make,
    )


def _encoder(sources: Mapping[str, Path], making: Making) -> Step:
    checkpoint = sources[names.DINOV2]
    target = making.models / dinov2.FILE

    def check() -> int:
        entries = plan_encoder(target, checkpoint, making.positions, making.assumed)[1]
        # smaller ones are stored as float32
        return size_of(entries) + sum(
            2 * math.prod(one.shape) for one in entries if math.prod(one.shape) < dinov2.LARGE
        )

    def make(progress: Progress) -> str:
        difference = dinov2.export_dinov2(
            checkpoint,
            _place(making.models, dinov2.FILE),
            progress,
            positions=making.positions,
            assumed=making.assumed,
        )
        return f"tokens within {100 * difference:.1g} % of torch"

    return Step(
        feature=names.ENCODER,
        products=(dinov2.FILE, f"{dinov2.FILE}.data"),
        sources=sources,
        variant=variant(names.ENCODER, making.positions),
        check=check,
        memory=lambda: int(2.2 * checkpoint.stat().st_size) + 400_000_000,
        make=make,
    )


def _pack(feature: str, sources: Mapping[str, Path], making: Making) -> Step:
    kind = feature.partition("-")[0]
    target = making.models / f"{kind}.safetensors"

    @cache
    def plan() -> tuple[PackHeader, list[Entry]]:
        prompt = making.scratch / f"prompt-{kind}.safetensors"
        embed_prompt(sources[names.TEXT_ENCODER], prompt)
        paths = {
            "stage_one": sources[names.stage(1, kind)],
            "stage_two": sources[names.stage(2, kind)],
            "vae": sources[names.VAE],
            "dinov2": sources[names.DINOV2],
            "prompt": prompt,
            "vae_stage_two": sources.get(names.VAE_STAGE_TWO),
        }
        return plan_pack(
            target,
            kind,
            paths,
            name=SET,
            dino_positions=making.positions,
            assumed=making.assumed,
            encoder_file=dinov2.FILE if making.shared else None,
        )

    def check() -> int:
        return size_of(plan()[1])

    def make(progress: Progress) -> str:
        header = write_pack(target, *plan(), progress).header
        own = names.VAE_STAGE_TWO in sources
        remark = f"training step {header.training_step}"
        return remark if own else f"{remark}; stage two uses stage one's autoencoder"

    return Step(
        feature=feature,
        products=(target.name,),
        sources=sources,
        variant=variant(feature, making.positions, making.shared),
        check=check,
        memory=lambda: PACK_MEMORY,
        make=make,
    )


def _place(models: Path, name: str) -> Path:
    """Where a product goes; its folder is made."""
    path = models / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)
