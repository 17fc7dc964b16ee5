"""Cuts a training crop out of a pair of pictures, by the code that prepares a part for repair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from realishuman.detect.base import Part
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.imaging.boxes import Box, around
from realishuman.imaging.crop import extract
from realishuman.kinds import KINDS, load
from realishuman.mesh.base import Mesh, MeshRegressor
from realishuman.parts.found import FoundPart
from realishuman.parts.prepare import prepare
from realishuman.settings import Settings
from realishuman.synthetic.sample import SyntheticSample, sample
from realishuman.train.config import Data, TrainConfig

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
MASKS = ("m", "m_d", "m_e", "shown")  # bit 0 to 3 of a packed crop's last channel
CHANNELS = 10
CONTROLS = 40  # a mesh of more joints than this moves with every so many of them
CONFIDENCE = 0.3  # the least at which a user could look for parts
REACH = 0.12  # of a joint over the mesh, in part sizes: about half a finger's distance to the next


@dataclass(frozen=True)
class TrainingCrop:
    """One part in its crop of side R, as it should be and as it came.

    clean, malformed  (R, R, 3) uint8 RGB.
    pose              (R, R, 3) uint8, render of the mesh as it would have been estimated.
    m, m_d, m_e       (R, R) bool, masks of that mesh.
    shown             (R, R) bool, pixels that show the part in `clean`.
    """

    clean: Pixels
    malformed: Pixels
    pose: Pixels
    m: Mask
    m_d: Mask
    m_e: Mask
    shown: Mask


def synthetic_crop(seed: int, config: TrainConfig) -> TrainingCrop:
    """The crop of this seed, always the same for the same configuration."""
    rng = np.random.default_rng((seed, 1))  # sample() draws from (seed, redraw) and (seed,) alone
    return cut(sample(seed, config.data.side, part=config.pack.kind), config, rng)


def cut(pair: SyntheticSample, config: TrainConfig, rng: np.random.Generator) -> TrainingCrop:
    """Draw where to crop and how wrong the mesh is, then crop, render and mask."""
    data, pack = config.data, config.pack
    part, mesh = _seen(pair, config, rng)
    margin = float(rng.uniform(*data.margin))
    dx, dy = rng.uniform(-data.shift, data.shift, 2) * margin * part.box.longer_side
    box = Box(part.box.x0 + dx, part.box.y0 + dy, part.box.x1 + dx, part.box.y1 + dy)
    found = FoundPart(1, replace(part, box=box), mesh)
    (ready,) = prepare(
        pair.malformed,
        [found],
        [found],
        Settings(margin=margin, erode=eroding(data, rng)),
        preset=pack.preset,
        pose=pack.pose,
        resolution=pack.resolution,
        erode=pack.erode,
    )
    shown = np.repeat(pair.mask[..., None].astype(np.uint8) * 255, 3, axis=2)
    return TrainingCrop(
        clean=pixels(extract(pair.clean, ready.crop)),
        malformed=pixels(ready.image),
        pose=pixels(ready.pose),
        m=ready.masks.m,
        m_d=ready.masks.m_d,
        m_e=ready.masks.m_e,
        shown=extract(shown, ready.crop, "zeros")[0].numpy() > 0.5,
    )


def _seen(
    pair: SyntheticSample, config: TrainConfig, rng: np.random.Generator
) -> tuple[Part, Mesh]:
    """The part and its mesh as they would be found: estimated, exact, or exact but for noise."""
    data, kind = config.data, config.pack.kind
    if data.estimated and rng.random() < data.estimated:
        image = np.ascontiguousarray(pair.malformed)
        parts = _detector().detect(image, [kind], confidence=CONFIDENCE)
        if parts:
            (mesh,) = _regressor(kind).regress(image, parts[:1])
            return parts[0], mesh
    mesh = pair.mesh if rng.random() < data.pose_exact else noisy(pair.mesh, data.pose_noise, rng)
    return Part(kind, pair.part, around(mesh.joints), 1.0, mesh.joints, None), mesh


@lru_cache(maxsize=1)
def _detector() -> EmbeddedDetector:
    """A process's own; several processes share the cores, so one thread each."""
    return EmbeddedDetector("cpu", threads=1)


@lru_cache
def _regressor(kind: str) -> MeshRegressor:
    regressor: MeshRegressor = load(KINDS[kind].regressor)()
    return regressor


def eroding(data: Data, rng: np.random.Generator) -> int | None:
    """A kernel for m_e from the range of the configuration, if it has one."""
    return None if data.erode is None else int(rng.integers(data.erode[0], data.erode[1] + 1))


def noisy(mesh: Mesh, spread: float, rng: np.random.Generator) -> Mesh:
    """Move each joint at random and the mesh around it along.

    Of a face's many landmarks only some move on their own and carry the others: a surface that is
    estimated wrongly is still smooth.
    spread  standard deviation of a joint's move, in sizes of the part's box.
    """
    size = around(mesh.joints).longer_side
    few = len(mesh.joints) <= CONTROLS
    free = mesh.joints if few else mesh.joints[:: len(mesh.joints) // CONTROLS + 1]
    moves = rng.normal(0, spread * size, free.shape)
    joints = mesh.joints + (moves if few else _carry(mesh.joints, free, REACH * size) @ moves)
    vertices = mesh.vertices + _carry(mesh.vertices, free, REACH * size) @ moves
    return Mesh(vertices.astype(np.float32), mesh.faces, joints.astype(np.float32))


def _carry(
    points: NDArray[np.float32], free: NDArray[np.float32], reach: float
) -> NDArray[np.float32]:
    """How much each point (N, 3) goes with each joint (K, 3), (N, K); rows sum to 1."""
    apart = np.linalg.norm(points[:, None] - free[None], axis=2) / reach
    weights = np.exp(-0.5 * (apart**2 - (apart**2).min(axis=1, keepdims=True)))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights)


def pixels(image: Tensor) -> Pixels:
    """(3, H, W) float in [0, 1] to (H, W, 3) uint8."""
    array: Pixels = (image.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return array


def pack_crop(crop: TrainingCrop) -> Pixels:
    """Put a crop into one (R, R, 10) array: clean, malformed, pose, masks as bits."""
    bits = np.zeros(crop.m.shape, np.uint8)
    for bit, name in enumerate(MASKS):
        bits |= getattr(crop, name).astype(np.uint8) << bit
    return np.concatenate([crop.clean, crop.malformed, crop.pose, bits[..., None]], axis=2)


def unpack_crop(packed: Pixels) -> TrainingCrop:
    """The inverse of pack_crop; copies nothing but the masks."""
    bits = packed[..., 9]
    masks = {name: (bits >> bit & 1).astype(bool) for bit, name in enumerate(MASKS)}
    return TrainingCrop(packed[..., :3], packed[..., 3:6], packed[..., 6:9], **masks)


def mirror(crop: TrainingCrop) -> TrainingCrop:
    """Left and right swapped, also in the pose's colours: red is a right hand, green a left."""
    flipped = {name: getattr(crop, name)[:, ::-1] for name in ("clean", "malformed", *MASKS)}
    return TrainingCrop(pose=crop.pose[:, ::-1, [1, 0, 2]], **flipped)


def recolour(crop: TrainingCrop, rng: np.random.Generator) -> TrainingCrop:
    """Both pictures with the same random brightness, contrast and tint."""
    gain = rng.uniform(0.75, 1.2) * rng.uniform(0.9, 1.1, 3)
    lift = rng.uniform(-12, 12)
    table = np.clip(np.arange(256)[:, None] * gain + lift, 0, 255).astype(np.uint8)
    changed = [
        np.stack([table[picture[..., c], c] for c in range(3)], axis=2)
        for picture in (crop.clean, crop.malformed)
    ]
    return TrainingCrop(changed[0], changed[1], crop.pose, crop.m, crop.m_d, crop.m_e, crop.shown)
