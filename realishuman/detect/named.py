"""Finds the one part in a box that the user drew, whatever it takes short of inventing it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2

from realishuman.detect.base import Part, Picture
from realishuman.detect.regions import Region, upright
from realishuman.detect.search import GATE, Search
from realishuman.detect.tiles import Window
from realishuman.imaging.boxes import Box, intersection, iou

WINDOWS = (1.25, 2.0, 3.0)  # in longer sides of the box: a detector needs surroundings
REGIONS = (1.2, 1.6)  # the same for the landmark network alone
REACH = 6.0  # in longer sides: beyond it no window or region samples the picture
SOFTNESS = 0.03  # blur in longer sides: takes ripples out of a malformed hand, leaves its pose
FITTING = 0.05  # IoU with the box below which the detector's answer is only the second choice
HOPELESS = 0.05  # presence below which even a box the user drew yields no part


def search_box(search: Search, picture: Picture, box: Box) -> Part | None:
    """Return the part that fits `box` best, or None if there is no hope of one.

    Tried in this order, on the picture and on a softened copy: the detector inside the box at any
    score, then the landmark network on the box itself at several sizes and turns.
    """
    height, width = picture.shape[:2]
    sides = (box.x0, box.y0, box.x1, box.y1)
    if not all(map(math.isfinite, sides)) or intersection(box, Box(0, 0, width, height)) <= 0:
        return None
    x0, x1 = (min(max(x, -width), 2 * width) for x in (box.x0, box.x1))
    y0, y1 = (min(max(y, -height), 2 * height) for y in (box.y0, box.y1))
    box = Box(x0, y0, x1, y1)  # what is farther away than that says nothing and costs memory
    plain = _detect(search, picture, box)
    if plain is not None and iou(plain.box, box) >= FITTING:
        return plain
    soft_picture = _soften(picture, box)
    soft = _detect(search, soft_picture, box)
    if soft is not None and iou(soft.box, box) >= FITTING:
        return soft
    small = plain or soft
    read = _read(search, (picture, soft_picture), box)
    if small is None or (read is not None and read.score >= GATE):
        return read
    return small


def _read(search: Search, views: Sequence[Picture], box: Box) -> Part | None:
    """Return what the landmark network alone sees in the box."""
    regions = [
        Region(square.x, square.y, square.side, turn)
        for square in (upright(box, scale) for scale in REGIONS)
        for turn in search.family.turns
    ]
    pairs = [pair for view in views for pair in search.readings(view, regions, HOPELESS)]
    parts = [
        search.make_part(reading, reading.presence)
        for pair in pairs
        if pair is not None
        for reading in pair
        if reading.presence >= HOPELESS
    ]
    return _pick_fittest(parts, box)


def _detect(search: Search, picture: Picture, box: Box) -> Part | None:
    windows = [
        Window(replace(upright(box, scale), angle=turn), (False,) * 4)
        for turn in (0.0, *search.family.rolls)
        for scale in WINDOWS
    ]
    found = search.confirm(picture, search.candidates(picture, windows), GATE)
    inside = [part for part in found if intersection(part.box, box) > part.box.area / 2]
    return _pick_fittest(inside, box)


def _pick_fittest(parts: Sequence[Part], box: Box) -> Part | None:
    """Return the part that is sure and fits the box; a sure one may belong to something else."""
    return max(parts, key=lambda part: part.score * iou(part.box, box), default=None)


def _soften(picture: Picture, box: Box) -> Picture:
    """Return a copy that is blurred around the box."""
    height, width = picture.shape[:2]
    (x, y), half = box.centre, box.longer_side * REACH / 2
    rows = slice(max(int(y - half), 0), min(int(y + half) + 1, height))
    columns = slice(max(int(x - half), 0), min(int(x + half) + 1, width))
    softened = picture.copy()
    sigma = max(box.longer_side * SOFTNESS, 0.5)
    softened[rows, columns] = cv2.GaussianBlur(picture[rows, columns], (0, 0), sigma)
    return softened
