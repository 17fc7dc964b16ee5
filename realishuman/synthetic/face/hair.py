"""Hair: a second skin lifted off the scalp, and a curtain that hangs down from it.

Metres, frame of head.py. A hair surface's resting points are those of its strands: x across them,
y along them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from realishuman.mesh.hand_template import Floats
from realishuman.mesh.normals import vertex_normals
from realishuman.synthetic.body import grid, subdivide
from realishuman.synthetic.face.head import head
from realishuman.synthetic.face.organs import HAIR, surface
from realishuman.synthetic.noise import solid
from realishuman.synthetic.posed import Surface

STYLES = ("bald", "buzz", "short", "combed", "curly", "tied", "bob", "long")
HANGING = {"bob": (0.02, 0.09), "long": (0.11, 0.26)}  # metres below the origin, at least, at most
# Metres down and inwards: where hair begins, from the forehead over the temple to the nape.
_HAIRLINE = np.array(
    [
        (-0.130, -0.060),
        (-0.087, -0.036),
        (-0.070, -0.014),
        (-0.045, 0.006),
        (-0.020, 0.021),
        (0.006, 0.030),
        (0.012, 0.062),
        (0.045, 0.085),
        (0.070, 0.125),
    ]
)


@dataclass(frozen=True)
class Cut:
    """How hair is worn.

    style     one of STYLES.
    top, side  metres it stands off the crown and off the temples.
    back      metres by which the hairline has gone back.
    fringe    whether it falls over the forehead.
    part      metres from the middle to the parting.
    locks     0 smooth to 1 tousled.
    length    metres below the origin at which hanging hair ends.
    open_     radians from straight back to where hanging hair opens before the face.
    """

    style: str
    top: float
    side: float
    back: float
    fringe: bool
    part: float
    locks: float
    length: float
    open_: float


def draw_cut(rng: np.random.Generator, rugged: float) -> Cut:
    """Draw a haircut; rugged heads (towards 1) wear it short, or none."""
    short = np.array([0.09, 0.15, 0.3, 0.22, 0.14, 0.04, 0.03, 0.03])
    long = np.array([0.01, 0.01, 0.1, 0.08, 0.14, 0.16, 0.22, 0.28])
    share = 0.5 + 0.5 * rugged
    style = str(rng.choice(STYLES, p=share * short + (1 - share) * long))
    top, side = {
        "buzz": (0.003, 0.002),
        "short": (rng.uniform(0.010, 0.022), rng.uniform(0.003, 0.009)),
        "combed": (rng.uniform(0.014, 0.030), rng.uniform(0.004, 0.010)),
        "curly": (rng.uniform(0.018, 0.050), rng.uniform(0.012, 0.045)),
        "tied": (0.006, 0.005),
        "bob": (rng.uniform(0.012, 0.020), rng.uniform(0.012, 0.022)),
        "long": (rng.uniform(0.010, 0.018), rng.uniform(0.008, 0.016)),
    }.get(style, (0.0, 0.0))
    fringe = style in ("short", "combed", "bob", "long") and bool(rng.random() < 0.35)
    locks = {"curly": 0.6, "short": 0.6, "tied": 0.1, "buzz": 0.1}.get(style, 0.35)
    return Cut(
        style,
        float(top),
        float(side),
        float(max(0.0, rng.normal(0.006, 0.009)) * (not fringe)),
        fringe,
        float(rng.choice([0.0, rng.uniform(-0.035, 0.035)])),
        float(locks * rng.uniform(0.6, 1.2)),
        float(rng.uniform(*HANGING.get(style, (0.0, 0.0)))),
        float(np.radians(rng.uniform(103, 122))),
    )


def hair(cut: Cut, lattice: Tensor, scalp: Floats) -> list[Surface]:
    """Return the surfaces of a haircut.

    scalp  (V, 3) the head's vertices, shaped, its face at rest.
    """
    if cut.style == "bald":
        return []
    result = [_cap(cut, lattice, scalp)]
    if cut.style in HANGING:
        result.append(_curtain(cut, lattice, scalp))
    return result


def within(cut: Cut, lattice: Tensor, rest: Floats) -> Floats:
    """Return how many metres points (N, 3) at rest lie behind the hairline."""
    line = np.interp(rest[:, 1], _HAIRLINE[:, 0], _HAIRLINE[:, 1])
    temple = np.exp(-(((np.abs(rest[:, 0]) - 0.042) / 0.016) ** 2))
    gone = cut.back * (0.4 + 1.1 * temple) * np.clip(-(rest[:, 1] + 0.03) / 0.04, 0, 1)
    inside = rest[:, 2] - line - gone
    place = torch.tensor(rest, dtype=torch.float32)
    inside += 0.0035 * solid(lattice, place, 0.011, 3.3).numpy()
    if cut.fringe:
        strands = place * torch.tensor([1.0, 0.25, 0.25])
        ends = 0.006 * solid(lattice, strands, 0.006, 8.1).numpy()
        across = np.clip(1.4 - np.abs(rest[:, 0] - cut.part) / 0.045, 0, 1)
        low = -0.085 + 0.032 * across + ends - rest[:, 1]
        inside = np.maximum(inside, np.where(rest[:, 2] < 0.01, low, -1.0))
    return np.asarray(inside)


def strands(cut: Cut, points: Floats) -> Floats:
    """Return where points (N, 3) of a cap are among its strands: x across, y along."""
    if cut.style in ("combed", "bob", "long"):
        # Down to both sides from a parting.
        off = points[:, 0] - cut.part
        along = np.arctan2(np.abs(off), -(points[:, 1] + 0.04)) * 0.09
        return np.column_stack([points[:, 2] + 0.25 * along, along, 0 * along])
    if cut.style == "tied":
        around = np.arctan2(points[:, 0], -points[:, 1])
        return np.column_stack([0.09 * around, points[:, 2], 0 * around])
    # Out from a whorl at the back of the crown.
    off = points - [0.01, -0.11, 0.08]
    around = np.arctan2(off[:, 0], -off[:, 2])
    away = np.linalg.norm(off, axis=1)
    return np.column_stack([around * 0.07, away, 0 * away])


def _cap(cut: Cut, lattice: Tensor, scalp: Floats) -> Surface:
    """Lift the head's own surface behind the hairline; before it, sink it under the skin."""
    whole = head()
    inside = within(cut, lattice, whole.vertices)
    place = torch.tensor(whole.vertices, dtype=torch.float32)
    normals = vertex_normals(
        torch.tensor(scalp, dtype=torch.float32), torch.tensor(whole.faces)
    ).numpy()
    high = np.clip(-(whole.vertices[:, 1] + 0.045) / 0.06, 0, 1)
    thick = cut.side + (cut.top - cut.side) * high * high * (3 - 2 * high)
    lump = solid(lattice, place, 0.02, 5.5) + 0.7 * solid(lattice, place, 0.009, 1.5)
    tuft = 1 + 0.45 * cut.locks * lump.numpy()
    ramp = 0.004 + (0.45 + 0.7 * high) * thick
    lift = np.where(inside > 0, thick * tuft * (1 - np.exp(-inside / ramp)), 0.4 * inside)
    lift = np.maximum(lift, -0.004) + 0.0004
    if cut.part and cut.style in ("combed", "bob", "long"):
        off = np.abs(whole.vertices[:, 0] - cut.part)
        lift = lift * (1 - 0.55 * np.exp(-((off / 0.004) ** 2)) * high)
    vertices = scalp + lift[:, None] * normals
    kept = whole.faces[(inside > -0.012)[whole.faces].any(axis=1)]
    used, faces = np.unique(kept, return_inverse=True)
    both = np.concatenate([vertices, whole.vertices], axis=1)[used]
    both, fine = subdivide(both, faces.reshape(-1, 3))
    return surface(both[:, :3], fine.astype(np.int32), strands(cut, both[:, 3:]), HAIR)


def _curtain(cut: Cut, lattice: Tensor, scalp: Floats) -> Surface:
    """A thick sheet round the back of the head, open at the face."""
    half = 40
    turn = np.linspace(-1, 1, half)
    down = np.linspace(-0.075, cut.length, 26)[:, None]
    wide = 0.5 * float(np.ptp(scalp[:, 0])) + 0.25 * cut.side
    rounds = []
    for inner in (0, 1):
        sweep = turn[::-1] if inner else turn
        place = np.stack(np.broadcast_arrays(0.09 * cut.open_ * sweep, 0.25 * down, 0.0 * down), -1)
        points = torch.tensor(place.reshape(-1, 3), dtype=torch.float32)
        wave = solid(lattice, points, 0.018, 4.4).numpy().reshape(len(down), half)
        fine = solid(lattice, points, 0.006, 2.4).numpy().reshape(len(down), half)
        angle = sweep * (cut.open_ - 0.10 * np.clip(down / 0.1, -0.5, 1) ** 2)
        swell = 0.012 * np.clip((down + 0.08) / 0.06, 0, 1) * np.clip(1 - down / 0.2, 0, 1)
        off = swell + 0.005 * cut.locks * wave + 0.002 * fine - 0.014 * inner
        taper = np.clip((cut.length - down) / 0.03, 0.15, 1)
        off = np.where(inner, off + 0.012 * (1 - taper), off)
        x = (wide - 0.006 * np.clip(down / 0.1, 0, 1) + off) * np.sin(angle)
        z = 0.040 + (0.098 - 0.012 * np.clip(down / 0.1, 0, 1) + off) * np.cos(angle)
        ends = down + 0.012 * fine * np.clip(down / cut.length, 0, 1)
        rounds.append(np.stack([x, ends + 0 * x, z], -1))
    vertices = np.concatenate(rounds, axis=1)
    rows, around = vertices.shape[:2]
    sheet = np.concatenate([turn, turn[::-1]]) * 0.09 * cut.open_
    rest = np.stack(np.broadcast_arrays(sheet, down, 0.3), -1).reshape(-1, 3)
    return surface(vertices.reshape(-1, 3), grid(rows, around)[:, ::-1], rest, HAIR)
