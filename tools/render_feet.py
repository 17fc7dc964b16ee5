"""Render feet and other bare parts of the body that are no hands, from MakeHuman's base mesh (CC0).

    git clone https://github.com/makehumancommunity/makehuman
    python tools/render_feet.py makehuman/makehuman/data feet.npz --count 500

Writes the pictures, and where in them hands are, which tools/fit_feet.py passes over.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from realishuman.synthetic.noise import octaves, solid
from realishuman.synthetic.paint import paint
from realishuman.synthetic.posed import Surface
from realishuman.synthetic.scene import Scene, draw_camera, draw_scene
from realishuman.synthetic.skin import Look, redden

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]
FEET, HANDS = ("toe", "foot"), ("finger", "metacarpal", "wrist")
SHARES = 7, 1, 1, 1, 1, 1  # how often each of these is in the middle
PLACES = "foot", "toe", "lowerleg01", "lowerarm01", "upperarm01", "head"
OWN = 0.4  # weight of a bone from which a vertex is its own
NEAR = 0.09  # metres around a joint that count as the part


@dataclass(frozen=True)
class Body:
    """The mesh at rest, in metres: x right, y down, z away; bones as head, tail and parent."""

    vertices: Floats
    faces: NDArray[np.int32]
    bones: dict[str, tuple[Floats, Floats, str | None]]
    weights: dict[str, list[tuple[int, float]]]

    def own(self, starts: tuple[str, ...], side: str) -> NDArray[np.intp]:
        """Numbers of the vertices that bones with such names on one side move."""
        names = [n for n in self.weights if n.startswith(starts) and n.endswith(f".{side}")]
        return np.array(sorted({i for n in names for i, w in self.weights[n] if w > OWN}), np.intp)


def load_body(folder: Path) -> Body:
    """Read base.obj and the default skeleton from MakeHuman's data folder."""
    vertices, faces, group = [], [], ""
    for line in (folder / "3dobjs" / "base.obj").read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "v":
            vertices.append([float(x) for x in rest])
        elif word == "g":
            group = rest[0]
        elif word == "f" and group == "body":
            corner = [int(one.split("/")[0]) - 1 for one in rest]
            faces += [[corner[0], corner[k], corner[k + 1]] for k in range(1, len(corner) - 1)]
    points = np.array(vertices) * [0.1, -0.1, -0.1]
    rig = json.loads((folder / "rigs" / "default.mhskel").read_text())
    stored = json.loads((folder / "rigs" / "default_weights.mhw").read_text())["weights"]
    joints = {name: points[numbers].mean(0) for name, numbers in rig["joints"].items()}
    count = int(np.max(faces)) + 1
    return Body(
        points[:count],
        np.array(faces, np.int32),
        {n: (joints[b["head"]], joints[b["tail"]], b["parent"]) for n, b in rig["bones"].items()},
        {n: [(i, w) for i, w in pairs if i < count] for n, pairs in stored.items()},
    )


def draw_pose(rng: np.random.Generator, body: Body) -> dict[str, Floats]:
    """Rotation vectors of bones: legs, arms, ankles, and each toe a little on its own."""
    turns: dict[str, Floats] = {}
    right, down, ahead = np.eye(3)
    for side, sign in (("R", 1.0), ("L", -1.0)):
        along = body.bones[f"foot.{side}"][1] - body.bones[f"foot.{side}"][0]
        turns[f"foot.{side}"] = right * rng.uniform(-0.7, 0.5) + down * rng.uniform(-0.3, 0.3)
        turns[f"foot.{side}"] += along / np.linalg.norm(along) * rng.uniform(-0.3, 0.3)
        fan, curl = rng.uniform(-0.02, 0.14), rng.normal(0, 0.22)
        for toe in range(1, 6):
            turn = right * (curl + rng.normal(0, 0.12))
            turn = turn + down * sign * fan * (toe - 3) * rng.uniform(0.6, 1.4)
            turns[f"toe{toe}-1.{side}"] = turn
            for joint in (2, 3):
                turns[f"toe{toe}-{joint}.{side}"] = right * rng.normal(0.05, 0.22)
        bend = abs(rng.normal(0, 0.8))
        turns[f"lowerleg01.{side}"] = right * bend
        thigh = ahead * rng.normal(0, 0.25) + down * rng.normal(0, 0.3)
        turns[f"upperleg01.{side}"] = thigh - right * bend * rng.uniform(0, 1.2)
        turns[f"lowerarm01.{side}"] = down * sign * rng.uniform(0, 1.8)
        turns[f"upperarm01.{side}"] = rng.normal(0, 0.5, 3)
    return turns


def posed(body: Body, turns: dict[str, Floats]) -> tuple[Floats, dict[str, Floats]]:
    """The vertices as the bones move them (linear blend skinning), and each bone's head."""
    moves: dict[str, Floats] = {}

    def move(name: str) -> Floats:
        if name not in moves:
            head, _, parent = body.bones[name]
            own = np.eye(4)
            own[:3, :3] = cv2.Rodrigues(np.asarray(turns.get(name, np.zeros(3)), np.float64))[0]
            own[:3, 3] = head - own[:3, :3] @ head
            moves[name] = move(parent) @ own if parent else own
        return moves[name]

    at_rest = np.column_stack([body.vertices, np.ones(len(body.vertices))])
    total, share = np.zeros_like(at_rest), np.zeros(len(at_rest))
    for name, pairs in body.weights.items():
        numbers = np.array([i for i, _ in pairs], np.intp)
        weights = np.array([w for _, w in pairs])
        np.add.at(total, numbers, at_rest[numbers] @ move(name).T * weights[:, None])
        np.add.at(share, numbers, weights)
    free = share < 1e-6
    total[free], share[free] = at_rest[free], 1
    heads = {name: (move(name) @ [*body.bones[name][0], 1])[:3] for name in body.bones}
    return total[:, :3] / share[:, None], heads


def bare_skin(scene: Scene, points: Tensor, normals: Tensor) -> Look:
    """Skin without the marks of a hand; soles as palms are."""
    tone, lattice = scene.skin, scene.lattice
    slow, fine = solid(lattice, points, 0.012, 3.0), octaves(lattice, points, 0.0034, 3)
    sole = torch.sigmoid((normals[:, 1] - 0.6) * 8)[:, None]
    back, palm = (torch.tensor(c, dtype=torch.float32) for c in (tone.back, tone.palm))
    albedo = torch.lerp(back, palm, sole) * torch.exp(0.10 * slow + 0.055 * fine)[:, None]
    albedo = redden(albedo, tone.redness * 0.3 * solid(lattice, points, 0.022, 11.0))
    gloss = (tone.gloss * (1 + 0.25 * slow)).clamp(0.05, 1)
    return Look(albedo.clamp(0.01, 1), 0.00019 * fine, gloss)


def draw(seed: int, body: Body, side: int) -> tuple[Pixels, list[Floats]]:
    """A picture of this seed, and boxes x0, y0, x1, y1 of the hands, in it or not."""
    rng = np.random.default_rng((seed, 77))
    place = str(rng.choice(PLACES, p=np.array(SHARES) / sum(SHARES)))
    vertices, heads = posed(body, draw_pose(rng, body))
    which = str(rng.choice(["R", "L"]))
    if place in FEET:
        part = body.own(FEET if place == "foot" else ("toe",), which)
    else:
        middle = heads["head" if place == "head" else f"{place}.{which}"]
        part = np.flatnonzero(np.linalg.norm(vertices - middle, axis=1) < NEAR)
    upright = rng.random() < 0.7
    turns = (rng.normal(0, 0.4), rng.uniform(-0.2, 1.3), rng.normal(0, 0.9))
    roll, pitch, yaw = turns if upright else rng.uniform(-np.pi, np.pi, 3)
    view = np.eye(3)
    for axis, angle in ((2, roll), (0, pitch), (1, yaw)):
        view = view @ cv2.Rodrigues(np.eye(3)[axis] * angle)[0]
    seen = (vertices - vertices[part].mean(0)) @ view.T
    scene = draw_scene(rng, side)
    camera = draw_camera(rng, seen[part], side, (0.6, 3.5), (0.25, 0.75))
    before = seen[:, 2] + camera.distance > 0.15
    faces = np.ascontiguousarray(body.faces[before[body.faces].all(1)])
    surface = Surface(seen, faces, body.vertices, faces, np.zeros(len(seen)), 0)
    picture = paint([surface], camera, scene, lambda at, up, *_: bare_skin(scene, at, up)).picture
    boxes = []
    for one in "RL":
        hand = camera.project(seen[body.own(HANDS, one)])[:, :2]
        boxes.append(np.concatenate([hand.min(0), hand.max(0)]))
    return picture, boxes


def main() -> None:
    """Read the arguments, draw, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="MakeHuman's folder makehuman/data")
    parser.add_argument("out", type=Path, help="file to write, .npz")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--side", type=int, default=168, help="pixels")
    chosen = parser.parse_args()
    body = load_body(chosen.data)
    drawn = [draw(seed, body, chosen.side) for seed in range(chosen.count)]
    pictures, hands = zip(*drawn, strict=True)
    np.savez(chosen.out, pictures=np.stack(pictures), hands=np.array(hands))
    print(f"{len(drawn)} pictures: {chosen.out}")


if __name__ == "__main__":
    main()
