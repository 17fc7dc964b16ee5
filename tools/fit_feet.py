"""Fit the rule that tells feet from hands (realishuman/assets/feet) to rendered pictures.

    python tools/fit_feet.py feet.npz rule.npz --hands 300

feet.npz is what tools/render_feet.py writes; hands are rendered here, good and malformed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realishuman.detect.embedded import EmbeddedDetector
from realishuman.detect.feet import summary
from realishuman.detect.regions import cut
from realishuman.detect.search import Search
from realishuman.detect.suppress import drop_covered
from realishuman.imaging.boxes import Box, intersection
from realishuman.synthetic.sample import sample

Pixels = NDArray[np.uint8]
LOWEST = 0.15  # score and presence from which a detection is learnt from
RIDGE = 1.0
FIRST_HAND = 1000  # seeds before it are for measuring
BIAS = 0.3**0.5


def main() -> None:
    """Read the arguments, detect, fit, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("feet", type=Path)
    parser.add_argument("out", type=Path, help="file to write, .npz")
    parser.add_argument("--hands", type=int, default=300)
    chosen = parser.parse_args()
    rng = np.random.default_rng(5)
    search = EmbeddedDetector("cpu").search("hand")
    with np.load(chosen.feet) as stored:
        pairs = list(zip(stored["pictures"], stored["hands"], strict=True))
    feet = [crop for picture, boxes in pairs for crop in crops(search, soiled(rng, picture), boxes)]
    hands = []
    for seed in range(FIRST_HAND, FIRST_HAND + chosen.hands // 2):
        pair = sample(seed, 256)
        for picture in (pair.clean, pair.malformed):
            hands += list(crops(search, soiled(rng, picture), []))
    seen = [views(rng, crop) for crop in feet]
    seen += [views(rng, crop) + covered(rng, crop, feet + hands) for crop in hands]
    shown = [read(search, some) for some in seen]
    known = np.repeat(np.repeat([1, -1], [len(feet), len(hands)]), [len(some) for some in seen])
    weights, bias = fit(np.concatenate(shown), known)
    np.savez(chosen.out, weights=weights, bias=bias)
    print(f"{len(feet)} feet, {len(hands)} hands: {chosen.out}")


def crops(search: Search, picture: Pixels, without: list[NDArray[np.float64]]) -> Iterator[Pixels]:
    """What the landmark network is shown of all that is taken for a hand, outside some boxes."""
    found = search.scan(picture, LOWEST).keep_best(LOWEST)
    for part in drop_covered(search.confirm(picture, found, LOWEST)):
        held = (intersection(part.box, Box(*box.tolist())) for box in without)
        if all(shared <= 0.1 * part.box.area for shared in held):
            region = search.family.from_landmarks(part.keypoints)
            yield cut(picture, region, search.family.reader.size, repeat_edge=True)


def soiled(rng: np.random.Generator, picture: Pixels) -> Pixels:
    """The picture with less detail, coding noise, another light."""
    side = len(picture)
    if rng.random() < 0.6:
        small = int(rng.uniform(0.35, 1) * side)
        picture = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
        picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(40, 95))]
        picture = cv2.imdecode(cv2.imencode(".jpg", picture, quality)[1], cv2.IMREAD_COLOR)
    light = picture * rng.uniform(0.75, 1.25) * (1 + rng.normal(0, 0.06, 3))
    light = (light - 128) * rng.uniform(0.8, 1.2) + 128
    if rng.random() < 0.1:
        light[:] = light.mean(-1, keepdims=True)
    return np.clip(light, 0, 255).astype(np.uint8)


def views(rng: np.random.Generator, crop: Pixels) -> list[Pixels]:
    """The crop as it is, mirrored, and twice moved, turned and tinted a little."""
    return [crop, crop[:, ::-1], moved(rng, crop), moved(rng, crop)]


def moved(rng: np.random.Generator, crop: Pixels) -> Pixels:
    """The crop moved, turned and tinted a little, every second time mirrored."""
    side = len(crop)
    turn, size = rng.normal(0, 8), np.exp(rng.normal(0, 0.08))
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), turn, float(size))
    matrix[:, 2] += rng.normal(0, 8, 2)
    other = cv2.warpAffine(crop, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    tinted = np.clip(other * rng.uniform(0.85, 1.15) * (1 + rng.normal(0, 0.04, 3)), 0, 255)
    return tinted.astype(np.uint8)[:, :: 1 if rng.random() < 0.5 else -1]


def covered(rng: np.random.Generator, crop: Pixels, pool: list[Pixels]) -> list[Pixels]:
    """Twice the crop with a piece of another, or of one colour, laid across it."""
    side, result = len(crop), []
    for _ in range(2):
        mask = np.zeros((side, side), np.uint8)
        middle, axes = rng.uniform(0, side, 2), rng.uniform(0.08, 0.28, 2) * side
        angle = float(rng.uniform(0, 180))
        ellipse = (tuple(middle.tolist()), tuple((2 * axes).tolist()), angle)
        cv2.ellipse(mask, ellipse, 255, -1)
        plain = np.full_like(crop, rng.integers(0, 255, 3))
        over = pool[int(rng.integers(len(pool)))] if rng.random() < 0.6 else plain
        share = cv2.GaussianBlur(mask, (0, 0), 1.2)[..., None] / 255
        mixed = (crop * (1 - share) + over * share).astype(np.uint8)
        result.append(moved(rng, mixed))
    return result


def read(search: Search, some: list[Pixels]) -> NDArray[np.float32]:
    """The summaries (N, K) of what the landmark network has inside for these crops."""
    batch = np.stack(some).transpose(0, 3, 1, 2).astype(np.float32) / 255
    features = search.reader.run(image=np.ascontiguousarray(batch))["features"]
    return np.stack([summary(one) for one in features])


def fit(
    shown: NDArray[np.float32], known: NDArray[np.int64]
) -> tuple[NDArray[np.float32], np.float32]:
    """Weights (K,) and bias of the ridge regression from summaries (N, K) to 1 or -1."""
    values = shown.astype(np.float64)
    mean, spread = values.mean(0), values.std(0)
    scale = (spread + 0.1 * np.median(spread)) * np.sqrt(values.shape[1])
    rows = np.column_stack([(values - mean) / scale, np.full(len(values), BIAS)])
    even = np.where(known > 0, (known < 0).sum() / (known > 0).sum(), 1.0)
    squares = (rows * even[:, None]).T @ rows + RIDGE * np.eye(rows.shape[1])
    found = np.linalg.solve(squares, rows.T @ (even * known))
    weights = found[:-1] / scale
    return weights.astype(np.float32), np.float32(found[-1] * BIAS - mean @ weights)


if __name__ == "__main__":
    main()
