"""Measure the embedded meshes on the sample pictures, and what the hand fit makes of bad fingers.

    python benchmarks/meshes.py SAMPLES

SAMPLES holds image/, hamer/ and 3ddfa/ with files of equal names: pictures and published renders,
whose silhouettes are the reference (not the truth: the renders are regressions too). Prints
Markdown tables; docs/meshes.md shows and explains them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from realishuman.detect.base import Part, Picture
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.imaging.boxes import Box
from realishuman.mesh.base import Mesh, MeshRegressor
from realishuman.mesh.embedded_face import EmbeddedFace
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.mesh.hand_joints import turns
from realishuman.mesh.hand_template import hand_template
from realishuman.render.raster import rasterise

RUNS = 20
Mask = NDArray[np.bool_]
Points = NDArray[np.floating]


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path)
    samples = parser.parse_args().samples
    detector = EmbeddedDetector()
    hands, faces = [], []
    print("| face | IoU | ms |\n|---|---|---|")
    for file in sorted((samples / "image").iterdir()):
        picture = read(file)
        render = read(samples / "3ddfa" / file.name)
        parts = detector.detect(picture, ("hand", "face"), confidence=0.5)
        for part in (p for p in parts if p.kind == "face"):
            mesh, milliseconds = timed(EmbeddedFace(), picture, part)
            overlap = iou(silhouette(mesh, picture), render.max(2) > 0)
            faces.append(overlap)
            print(f"| {file.stem[:6]} | {overlap:.3f} | {milliseconds:.1f} |")
        hands += [(file, part) for part in parts if part.kind == "hand"]
    print(f"| mean | {np.mean(faces):.3f} | |\n")
    hand_table(samples, hands)
    finger_table([part for _, part in hands])


def read(path: Path) -> Picture:
    """Read a picture as RGB."""
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def timed(regressor: MeshRegressor, picture: Picture, part: Part) -> tuple[Mesh, float]:
    """Return the mesh and the least CPU milliseconds of RUNS."""
    spent = []
    for _ in range(RUNS):
        start = time.thread_time()
        mesh = regressor.regress(picture, [part])[0]
        spent.append(1000 * (time.thread_time() - start))
    return mesh, min(spent)


def silhouette(mesh: Mesh, picture: Picture) -> Mask:
    """Coverage of the mesh in the picture."""
    vertices, faces = torch.from_numpy(mesh.vertices), torch.from_numpy(mesh.faces)
    return np.asarray(rasterise(vertices, faces, *picture.shape[:2]).coverage.numpy())


def iou(a: Mask, b: Mask) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())


def rendered_hand(render: Picture, box: Box) -> Mask:
    """The connected piece of the render that fills most of the box."""
    _, labels = cv2.connectedComponents((render.max(2) > 0).astype(np.uint8))
    x0, y0, x1, y1 = (max(round(v), 0) for v in (box.x0, box.y0, box.x1, box.y1))
    counts = np.bincount(labels[y0:y1, x0:x1].ravel(), minlength=2)
    counts[0] = 0
    return np.asarray(labels == counts.argmax())


def beyond_wrist(keypoints: Points, shape: tuple[int, ...]) -> Mask:
    """The half of the picture on the fingers' side of the wrist landmark."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    (x, y), (dx, dy) = keypoints[0, :2], keypoints[9, :2] - keypoints[0, :2]
    return np.asarray((columns - x) * dx + (rows - y) * dy > 0)


def hand_table(samples: Path, hands: list[tuple[Path, Part]]) -> None:
    """Overlap with the renders, and how far the fit moves landmarks."""
    print("| hand | IoU | beyond the wrist | landmarks moved, mean | largest | ms |")
    print("|---|---|---|---|---|---|")
    rows = []
    for file, part in hands:
        picture = read(file)
        mesh, milliseconds = timed(EmbeddedHand(), picture, part)
        ours = silhouette(mesh, picture)
        theirs = rendered_hand(read(samples / "hamer" / file.name), part.box)
        half = beyond_wrist(part.keypoints, ours.shape)
        off = np.linalg.norm((mesh.joints - part.keypoints)[:, :2], axis=1) / part.box.longer_side
        rows.append((iou(ours, theirs), iou(ours & half, theirs & half), off.mean(), off.max()))
        print(f"| {file.stem[:6]} {part.side} | {line(rows[-1])} | {milliseconds:.1f} |")
    print(f"| mean | {line(np.mean(rows, axis=0))} | |\n")


def line(row: tuple[float, ...] | Points) -> str:
    """Two overlaps and two percentages."""
    return f"{row[0]:.3f} | {row[1]:.3f} | {row[2]:.1%} | {row[3]:.1%}"


def finger_table(parts: list[Part]) -> None:
    """What the fit makes of one bad finger: means over all hands and fingers but the thumb."""
    cases: dict[str, Callable[[Points, int], Points]] = {
        "as it was": lambda points, finger: points,
        "1.5 x as long": stretched,
        "middle joint 40 degrees sideways": lambda points, finger: sideways(points, finger, 40.0),
        "the other way": lambda points, finger: sideways(points, finger, -40.0),
    }
    print(
        "| one finger | length: in | out | largest | sideways: in | out | largest | others moved |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, change in cases.items():
        rows = np.array([judged(part, finger, change) for part in parts for finger in range(1, 5)])
        mean, top = rows.mean(axis=0), rows.max(axis=0)
        print(
            f"| {name} | {mean[0]:.2f} | {mean[1]:.2f} | {top[1]:.2f} | {mean[2]:.0f} | "
            f"{mean[3]:.0f} | {top[3]:.0f} | {mean[4]:.1%} |"
        )


def judged(part: Part, finger: int, change: Callable[[Points, int], Points]) -> tuple[float, ...]:
    """Length ratio and sideways bend of a finger before and after, and how far the rest moved."""
    flip = np.array([-1.0, 1, 1]) if part.side == "left" else np.ones(3)
    # A fitted hand, not the landmarks as found: their depth is too poor to bend in space.
    good = EmbeddedHand().regress(None, [part])[0].joints.astype(np.float64)
    bad = change(good, finger)
    fitted = EmbeddedHand().regress(None, [solid(part, good), solid(part, bad)])
    before, after = (mesh.joints.astype(np.float64) for mesh in fitted)
    rest = np.delete(np.arange(21), np.arange(1 + 4 * finger, 5 + 4 * finger))
    moved = np.linalg.norm((after - before)[rest, :2], axis=1).mean() / part.box.longer_side
    return (
        length_ratio(bad, finger),
        length_ratio(after, finger),
        aside(bad * flip, finger),
        aside(after * flip, finger),
        moved,
    )


def solid(part: Part, points: Points) -> Part:
    """Return the part with landmarks (21, 3) in pixels, and the metric ones of a palm of 8 cm."""
    palm = np.linalg.norm(points[9] - points[0])
    metres = (points - points.mean(0)) * (0.08 / palm)
    return replace(part, keypoints=points.astype(np.float32), world=metres.astype(np.float32))


def stretched(points: Points, finger: int) -> Points:
    """Move all but the first landmark of a finger away from it."""
    points, base = points.copy(), 1 + 4 * finger
    points[base + 1 : base + 4] = points[base] + 1.5 * (points[base + 1 : base + 4] - points[base])
    return points


def sideways(points: Points, finger: int, degrees: float) -> Points:
    """Turn what hangs on the middle joint about the back of the first bone."""
    points, base = points.copy(), 1 + 4 * finger
    axis = aside_axis(points, finger)
    turn = turns(axis, np.radians(degrees))
    middle = points[base + 1]
    points[base + 2 : base + 4] = middle + (points[base + 2 : base + 4] - middle) @ turn.T
    return points


def aside_axis(points: Points, finger: int) -> Points:
    """The axis, square to the first bone, about which a middle joint does not turn."""
    first = points[2 + 4 * finger] - points[1 + 4 * finger]
    knuckles = points[17] - points[5]
    axis = np.cross(knuckles, first)
    return axis / np.linalg.norm(axis)


def aside(points: Points, finger: int) -> float:
    """Degrees between the second bone and the plane in which the first one bends."""
    base = 1 + 4 * finger
    first, second = np.diff(points[base : base + 3].astype(np.float64), axis=0)
    hinge = np.cross(aside_axis(points, finger), first)
    return abs(
        float(
            np.degrees(np.arcsin(second @ hinge / np.linalg.norm(second) / np.linalg.norm(hinge)))
        )
    )


def length_ratio(points: Points, finger: int) -> float:
    """Length of a finger's bones over the template's, against the same of the other fingers."""
    bones = np.linalg.norm(np.diff(points[5:].reshape(4, 4, 3), axis=1), axis=2).sum(1)
    rest = np.linalg.norm(np.diff(hand_template().landmarks[5:].reshape(4, 4, 3), axis=1), axis=2)
    ratio = bones / rest.sum(1)
    return float(ratio[finger - 1] / np.delete(ratio, finger - 1).mean())


if __name__ == "__main__":
    main()
