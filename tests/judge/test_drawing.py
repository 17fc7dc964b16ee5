"""Flat drawings are told from photographs, also from grey, smooth and compressed ones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realishuman.imaging.picture import load_picture
from realishuman.judge.drawing import looks_drawn
from realishuman.synthetic.sample import sample
from tests.pictures.unusual import UNUSUAL

SEED = 11


@pytest.fixture(scope="module")
def photograph():
    return sample(SEED, 256)


def smoothed(picture):
    return cv2.bilateralFilter(cv2.bilateralFilter(picture, 15, 50, 9), 15, 50, 9)


def compressed(picture):
    code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return cv2.imdecode(code, cv2.IMREAD_COLOR)


def grey(picture):
    return np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)


@pytest.mark.parametrize("kind", ["comic", "line art"])
@pytest.mark.parametrize("alter", [np.copy, compressed, grey], ids=["as is", "jpeg", "grey"])
def test_drawings_are_recognised(kind, alter):
    picture, mesh = UNUSUAL[kind](SEED, "")

    assert looks_drawn(alter(picture), mesh)


def test_a_scanned_drawing_with_a_little_noise_is_recognised():
    picture, mesh = UNUSUAL["line art"](SEED, "")
    noise = np.random.default_rng(0).normal(0, 0.7, picture.shape)

    assert looks_drawn(np.rint(picture + noise).clip(0, 255).astype(np.uint8), mesh)


@pytest.mark.parametrize("alter", [np.copy, smoothed, compressed, grey])
def test_photographs_are_not(photograph, alter):
    assert not looks_drawn(alter(photograph.clean), photograph.mesh)


def test_nor_are_hands_that_were_cut_out(photograph):
    white = np.where(photograph.mask[..., None], photograph.clean, np.uint8(255))

    assert not looks_drawn(white, photograph.mesh)


def test_nor_are_published_pictures(samples, photograph):
    for path in sorted((samples / "image").glob("*.png")):
        assert not looks_drawn(load_picture(path).rgb, photograph.mesh)


def test_a_drawing_in_a_page_of_text_and_photographs_is_recognised_by_what_is_near(photograph):
    picture, mesh = UNUSUAL["comic"](SEED, "")
    noise = np.random.default_rng(0).integers(0, 256, (len(picture), 900, 3), np.uint8)
    paper = np.full((len(picture), 100, 3), picture[0, 0])
    page = np.hstack([picture, paper, noise])

    assert looks_drawn(page, mesh)
    assert not looks_drawn(noise, photograph.mesh)


def test_any_size_of_picture_will_do(photograph):
    for size in ((1, 1), (3, 2000)):
        assert not looks_drawn(np.zeros((*size, 3), np.uint8), photograph.mesh)
