"""The smallest things that a whole run needs: a picture with hands, and a pack for hands."""

from __future__ import annotations

import dataclasses

import numpy as np

from realishuman.packs.header import (
    EncoderShape,
    PackHeader,
    ScheduleConstants,
    UnetShape,
    VaeShape,
)
from realishuman.packs.pack_writer import Entry, write_pack
from realishuman.packs.random_pack import initial_values
from realishuman.packs.shapes import PackSizes, pack_shapes
from tests.conftest import open_hand

SIDE = 64  # of the crops: latents of 8 x 8
UNET = UnetShape((8, 8), (True, False), 1, 16, 2, 4)
# 16 tokens and more: with fewer keys, torch's attention on a CPU makes numbers of NaN queries
SIZES = PackSizes(
    unet=UNET,
    stage_two_unet=UNET,
    vae=VaeShape((8, 8, 8, 8), 1, 4, 4, 0.18215),
    image_encoder=EncoderShape(width=8, depth=1, heads=2, patch=14, side=56),
    pose=(4, 4, 4, 4),
    prompt=16,
)


def small_pack(path):
    """Random weights of SIZES that call themselves trained, for one step without guidance."""
    header = PackHeader(
        name="small-hand",
        kind="hand",
        weights="trained",
        pose="shaded",
        preset="released",
        resolution=SIDE,
        unet=SIZES.unet,
        stage_two_unet=SIZES.stage_two_unet,
        vae=SIZES.vae,
        image_encoder=SIZES.image_encoder,
        schedule=ScheduleConstants(),
        licence="CC0-1.0",
        source="random numbers",
        steps=1,
        guidance=1.0,
    )
    shapes = pack_shapes(SIZES).items()
    entries = [
        Entry(name, shape, lambda name=name, shape=shape: initial_values(name, shape, 0))
        for name, shape in shapes
    ]
    return write_pack(path, header, entries)


def picture_with(hands):
    """A picture (100, 90 N, 3) uint8 of N hands, and where they are."""
    y, x = np.mgrid[0:100, 0 : 90 * hands]
    picture = np.stack([x % 256, y % 256, (x + y) // 4 % 256], axis=2).astype(np.uint8)
    return picture, [open_hand(45 + 90 * number, 50, 44) for number in range(hands)]


class Hands:
    """A detector that finds these hands, whatever the picture shows."""

    provider, note = "none", ""

    def __init__(self, hands):
        self.hands = list(hands)

    def detect(self, picture, kinds, *, confidence, given=()):
        found = [dataclasses.replace(one) for one in self.hands if one.kind in kinds]
        if not given:
            return found
        boxes = [one.box for one in given]
        return [one for one in found if any(one.box == box for box in boxes)]

    def release(self):
        pass
