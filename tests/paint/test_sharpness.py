"""The blur of a picture's own edges is told from the outline of the hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realishuman.paint.sharpness import RANGE, edge_blur

SIDE, FINE = 200, 8


def disc(sigma, contrast=30.0):
    """Weighted Lab of a noisy disc whose outline is blurred, and where it lies."""
    y, x = np.mgrid[: SIDE * FINE, : SIDE * FINE] / FINE - SIDE / 2
    sharp = (np.hypot(x, y) < 60).astype(np.float32)
    soft = cv2.GaussianBlur(sharp, (0, 0), sigma * FINE)
    share = cv2.resize(soft, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(0).normal(0, 0.7, share.shape)
    lab = np.dstack([30 + contrast * share + noise, 5 * share, 8 * share])
    return lab.astype(np.float32), share > 0.5


@pytest.mark.parametrize("sigma", [0.6, 1.0, 1.5, 2.0])
def test_the_blur_is_found(sigma):
    assert edge_blur(*disc(sigma), 9.0) == pytest.approx(sigma, rel=0.15)


def test_it_keeps_its_range():
    assert edge_blur(*disc(6.0), 9.0) == RANGE[1]
    assert edge_blur(*disc(0.1), 9.0) == RANGE[0]


def test_an_outline_that_tells_nothing_gives_the_other_answer():
    lab, hand = disc(1.0, contrast=3.0)

    assert edge_blur(lab, hand, 0.9) == 0.9
    assert edge_blur(lab, np.zeros_like(hand), 0.9) == 0.9
