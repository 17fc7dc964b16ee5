"""Which pixels of the window show the hand: GrabCut, told by both meshes and the palm's colours."""

from __future__ import annotations

import cv2
import numpy as np

from realishuman.paint.fields import Floats, Mask, grow, resize, resize_mask, shrink, touching
from realishuman.paint.scene import PALM, Pixels, Scene

WORKING = 150  # pixels that L is scaled down to, where it is longer
ROUNDS = 3
CORE = 0.03  # of L, by which the palm is shrunk to what is surely skin
LEAST_CORE = 40  # pixels
LEAST_SPREAD = (4.0, 2.0, 2.0)  # of Lab: no skin is more uniform than this
LEEWAY = (1.6, 1.2, 1.2)  # spreads of Lab that count as one
SURELY, LIKELY, POSSIBLY = 3.0, 1.2, 4.0  # distances from the skin's colour, in these units
NEAR = 0.36  # of L around what may change, where a finger that is too long may end
LEAST_PIECE = 0.002  # of L squared


def segment(scene: Scene) -> Mask:
    """(h, w) bool, the hand as the picture shows it, with the forearm's beginning.

    Where there is nothing to learn its colours from, what either mesh covers.
    """
    either = scene.seen.coverage | scene.good.coverage
    scale = min(1.0, WORKING / scene.length)
    size = tuple(max(int(side * scale), 8) for side in scene.allowed.shape)
    height, width = size
    pixels = cv2.resize(scene.pixels, (width, height), interpolation=cv2.INTER_AREA)
    small = {
        "near": resize_mask(grow(scene.allowed, NEAR * scene.length), (height, width)),
        "either": resize_mask(either, (height, width)),
        "both": resize_mask(scene.seen.coverage & scene.good.coverage, (height, width)),
        "palm": resize_mask(_palm(scene), (height, width)),
        "forearm": resize_mask(scene.forearm, (height, width)),
    }
    core = _core(small["palm"], small["both"], scene.length * scale)
    if not core.any():
        return either
    apart = _from_skin(pixels, core)
    guess = np.full((height, width), cv2.GC_BGD, np.uint8)
    guess[small["near"]] = cv2.GC_PR_BGD
    guess[small["either"] & small["near"] & (apart < POSSIBLY)] = cv2.GC_PR_FGD
    arm = small["forearm"]
    guess[arm] = np.where(apart[arm] < POSSIBLY, cv2.GC_PR_FGD, cv2.GC_PR_BGD)
    guess[small["near"] & (apart < LIKELY)] = cv2.GC_PR_FGD
    guess[core & (apart < SURELY)] = cv2.GC_FGD
    if not np.isin(guess, (cv2.GC_BGD, cv2.GC_PR_BGD)).any():
        return either
    if not np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD)).any():
        return either
    cv2.setRNGSeed(0)  # it starts from random clusters
    cv2.grabCut(
        np.ascontiguousarray(pixels[..., ::-1]),
        guess,
        None,
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )
    hand = np.isin(guess, (cv2.GC_FGD, cv2.GC_PR_FGD))
    hand = _on_mesh(hand, small["either"], LEAST_PIECE * (scene.length * scale) ** 2)
    full: Mask = resize(hand, scene.allowed.shape, cv2.INTER_LINEAR) > 0.5
    return full


def _palm(scene: Scene) -> Mask:
    """Where both hands show their palm or back."""
    good, seen = scene.fingers_of(scene.good), scene.fingers_of(scene.seen)
    both: Mask = (good == PALM) & (seen == PALM)
    return both


def _core(palm: Mask, both: Mask, length: float) -> Mask:
    """What is surely the hand's skin."""
    for mask in (palm, both):
        core = shrink(mask, CORE * length)
        if core.sum() >= LEAST_CORE:
            return core
    return both


def _from_skin(pixels: Pixels, core: Mask) -> Floats:
    """How far each pixel's colour is from the core's, in robust spreads."""
    lab = cv2.cvtColor(pixels.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    middle = np.median(lab[core], axis=0)
    spread = np.maximum(1.48 * np.median(np.abs(lab[core] - middle), axis=0), LEAST_SPREAD)
    apart: Floats = np.linalg.norm((lab - middle) / (spread * LEEWAY), axis=2).astype(np.float32)
    return apart


def _on_mesh(hand: Mask, mesh: Mask, least: float) -> Mask:
    """Those pieces of the hand of which at least so many pixels lie on a mesh."""
    _, pieces = cv2.connectedComponents(hand.astype(np.uint8))
    area = np.bincount(pieces[mesh & hand], minlength=int(pieces.max()) + 1)
    large = (area > least)[pieces]
    return touching(hand, hand & large)
