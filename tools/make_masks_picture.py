"""Draw the picture that explains m, m_d, m_e and the ring, on a rendered hand.

python tools/make_masks_picture.py docs/pictures/masks.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from realishuman.drawing.sheet import INNER, OUTER
from realishuman.parts.prepare import PreparedPart
from realishuman.pipeline.look import look, prepare_parts
from realishuman.pipeline.models import Models
from realishuman.settings import Settings
from realishuman.synthetic.sample import sample

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SEED, TILE, GAP, BELOW = 20005, 320, 12, 92
PAPER, INK, FAINT = (24, 24, 24), (240, 240, 240), (170, 170, 170)
SILHOUETTE = (255, 220, 120)


def main() -> None:
    """Find the hand, prepare it as the released constants say, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="picture to write")
    parser.add_argument("--seed", type=int, default=SEED)
    chosen = parser.parse_args()

    settings, models = Settings(parts=("hand",), gate=False), Models()
    picture = sample(chosen.seed, 512, "extra finger").clean
    found = look(picture, models, settings)
    (one,) = prepare_parts(picture, found, found.parts[:1], settings, models)
    draw(one).save(chosen.out, quality=92)


def draw(one: PreparedPart) -> Image.Image:
    """Five tiles from the crop to the ring, each with its name and a line that explains it."""
    crop = (one.image.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    masks = one.masks
    dilate = one.rule.dilate
    tiles = (
        (crop, "the crop", "a square around the part,\n512 pixels wide (margin)"),
        (
            _tinted(crop, masks.m, SILHOUETTE),
            "m",
            "what the mesh covers:\nthe part as it should be",
        ),
        (
            _tinted(crop, masks.m_d, OUTER, masks.m),
            "m_d  (dilate)",
            f"m grown by a kernel of {dilate} px;\nnothing outside it ever changes",
        ),
        (
            _tinted(crop, masks.m_e, INNER, masks.m),
            "m_e  (erode)",
            "m shrunk by a small kernel:\nhere stage one's part goes in",
        ),
        (
            _tinted(crop, masks.m_f, (230, 90, 230), masks.m),
            "m_f = m_d - m_e, the ring",
            "stage two repaints only this,\nso that no seam shows",
        ),
    )
    sheet = Image.new("RGB", (GAP + len(tiles) * (TILE + GAP), GAP + TILE + BELOW), PAPER)
    pen = ImageDraw.Draw(sheet)
    for place, (tile, name, meaning) in enumerate(tiles):
        left = GAP + place * (TILE + GAP)
        sheet.paste(
            Image.fromarray(tile).resize((TILE, TILE), Image.Resampling.LANCZOS), (left, GAP)
        )
        pen.text((left, GAP + TILE + 8), name, INK, ImageFont.load_default(22))
        pen.text((left, GAP + TILE + 38), meaning, FAINT, ImageFont.load_default(17))
    return sheet


def _tinted(
    crop: Pixels, mask: Mask, colour: tuple[int, int, int], outline: Mask | None = None
) -> Pixels:
    """The crop in grey with a mask coloured, and the outline of m where it is given."""
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    tinted: Pixels = np.where(mask[..., None], crop // 2 + np.uint8(colour) // 2, grey)
    if outline is not None:
        contours, _ = cv2.findContours(
            outline.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(tinted, contours, -1, SILHOUETTE, 2, cv2.LINE_AA)
    return tinted


if __name__ == "__main__":
    main()
