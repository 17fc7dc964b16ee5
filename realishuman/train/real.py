"""Training crops of real pictures: each good part, found and meshed, is its own target.

Hands whose mesh covers them are made malformed by synthetic/photograph.py, other parts are spoilt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from realishuman.detect.embedded import EmbeddedDetector
from realishuman.errors import RealisHumanError
from realishuman.imaging.boxes import Box
from realishuman.imaging.picture import load_picture
from realishuman.parts.found import FoundPart
from realishuman.parts.prepare import PreparedPart, prepare
from realishuman.pipeline.look import look
from realishuman.pipeline.models import Models
from realishuman.pipeline.regressors import EMBEDDED
from realishuman.settings import Settings
from realishuman.synthetic.good_hand import fit_good_hand
from realishuman.synthetic.pair import SyntheticSample
from realishuman.synthetic.photograph import list_kinds, make_malformed, repaint
from realishuman.train.config import TrainConfig
from realishuman.train.crops import Pixels, TrainingCrop, cut, eroding, noisy, pack_crop, pixels
from realishuman.train.spoil import spoil

AROUND_CROP = 3  # times the resolution, that the picture around a hand may measure


@dataclass(frozen=True)
class Job:
    """One picture to cut.

    name      within its folder; with `seed` it decides all that is random.
    settings  which parts count: confidence and min_size.
    """

    path: Path
    name: str
    seed: int
    config: TrainConfig
    settings: Settings


@dataclass(frozen=True)
class Outcome:
    """What became of one picture.

    crops  packed as crops.pack_crop does; `parts` says what each shows.
    left   a sentence for each part that was left out, or that there is none.
    error  why the picture could not be used at all, else empty.
    """

    path: Path
    crops: list[Pixels] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    error: str = ""


def crops_of(job: Job) -> Outcome:
    """Find the parts of a picture and cut each that is good enough; never raises for bad files."""
    try:
        rgb = load_picture(job.path).rgb
        return _cut_all(rgb, job, _models())
    except (RealisHumanError, MemoryError) as error:
        return Outcome(job.path, error=str(error) or "the memory is too small for it")


@lru_cache(maxsize=1)
def _models() -> Models:
    """A process's own; several processes share the cores, so one thread each."""
    return Models(detector=EmbeddedDetector("cpu", threads=1))


def _cut_all(rgb: Pixels, job: Job, models: Models) -> Outcome:
    kind, outcome = job.config.pack.kind, Outcome(job.path)
    settings = replace(job.settings, mesh=EMBEDDED)  # what the pack will be used with
    found = look(rgb, models, settings)
    for one in found.parts:
        part, why = one.part, one.reason
        if part.kind != kind:
            continue
        if not why and part.score < job.settings.confidence:
            why = f"This {kind} is only found with the score {part.score:.2f}."
        if why:
            outcome.left.append(f"{one.number}: {why}")
            continue
        rng = np.random.default_rng(_seed(job, one.number))
        pair = _pair_hand(rgb, found.parts, one, job.config, rng)
        if pair is not None:
            crop, damage = cut(pair, job.config, rng), pair.kind
        else:
            crop, damage = cut_real(rgb, found.parts, one, job.config, rng)
        outcome.crops.append(pack_crop(crop))
        box = [round(side, 1) for side in (part.box.x0, part.box.y0, part.box.x1, part.box.y1)]
        about = {"part": one.number, "side": part.side, "score": round(part.score, 3), "box": box}
        outcome.parts.append(about | {"spoilt": damage})
    if not outcome.crops and not outcome.left:
        outcome.left.append(f"no {kind} was found")
    return outcome


def _pair_hand(
    rgb: Pixels,
    parts: Sequence[FoundPart],
    one: FoundPart,
    config: TrainConfig,
    rng: np.random.Generator,
) -> SyntheticSample | None:
    """The pair of a photographed hand; None where its mesh does not cover it, or of a face."""
    if one.part.kind != "hand":
        return None
    others = [other.part for other in parts if other.part.kind == "hand" and other is not one]
    hand = fit_good_hand(rgb, one.part, others, AROUND_CROP * config.pack.resolution)
    if hand is None:
        return None
    pair = make_malformed(rng, hand, str(rng.choice(list_kinds(hand))))
    if pair is not None and rng.random() < config.data.repainted:
        return replace(pair, clean=repaint(rng, hand))
    return pair


def cut_real(
    rgb: Pixels,
    parts: Sequence[FoundPart],
    one: FoundPart,
    config: TrainConfig,
    rng: np.random.Generator,
) -> tuple[TrainingCrop, str]:
    """The crop of one of the parts, and how its malformed version was made.

    Margin, shift and pose noise are drawn as for rendered crops; `shown` is the mask m of the
    mesh as it was estimated.
    """
    data, part = config.data, one.part
    margin = float(rng.uniform(*data.margin))
    dx, dy = rng.uniform(-data.shift, data.shift, 2) * margin * part.box.longer_side
    box = Box(part.box.x0 + dx, part.box.y0 + dy, part.box.x1 + dx, part.box.y1 + dy)
    placed = replace(one, part=replace(part, box=box))
    settings = Settings(margin=margin, erode=eroding(data, rng))
    exact = seen = _prepare(rgb, parts, placed, config, settings)
    if rng.random() >= data.pose_exact:
        placed = replace(placed, mesh=noisy(one.mesh, data.pose_noise, rng))
        seen = _prepare(rgb, parts, placed, config, settings)
    clean = pixels(exact.image)
    joints = exact.crop.to_crop(exact.mesh.joints).astype(np.float32)
    malformed, damage = spoil(clean, exact.masks.m, joints, rng)
    masks = seen.masks
    crop = TrainingCrop(
        clean, malformed, pixels(seen.pose), masks.m, masks.m_d, masks.m_e, shown=exact.masks.m
    )
    return crop, damage


def _prepare(
    rgb: Pixels,
    parts: Sequence[FoundPart],
    placed: FoundPart,
    config: TrainConfig,
    settings: Settings,
) -> PreparedPart:
    pack = config.pack
    (ready,) = prepare(
        rgb,
        [placed if one.number == placed.number else one for one in parts],
        [placed],
        settings,
        preset=pack.preset,
        pose=pack.pose,
        resolution=pack.resolution,
        erode=pack.erode,
    )
    return ready


def _seed(job: Job, index: int) -> int:
    text = f"{job.seed}/{index}/{job.name}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
