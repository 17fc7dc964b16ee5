"""What happens to photographs: faces stay, and neither the transplant nor the demo pack blurs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realishuman.imaging.picture import load_picture
from realishuman.packs.store import ENVIRONMENT
from realishuman.pipeline.refine import refine
from realishuman.pipeline.standalone import find_named_packs, open_models
from realishuman.settings import Settings

LEAST = 0.6  # of the original's Laplacian energy within the change; blurs had 0.06 to 0.11
PICTURES = 4


@pytest.fixture
def pictures(samples, tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))  # nothing is installed
    found = sorted((samples / "image").glob("*.png"))
    assert len(found) == PICTURES
    return [load_picture(path).rgb for path in found]


def sharpness(before, after):
    """Laplacian energy of `after` over that of `before` where they differ; 1 if nothing does."""
    changed = (before != after).any(axis=2)
    if not changed.any():
        return 1.0
    energy = [np.square(cv2.Laplacian(grey(each), cv2.CV_32F))[changed].mean()
              for each in (after, before)]  # fmt: skip
    return float(energy[0] / energy[1])


def grey(picture):
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)


def test_a_blur_is_told_from_a_picture_that_is_as_sharp_as_before():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    other = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)

    assert sharpness(noise, noise) == 1.0
    assert sharpness(noise, other) == pytest.approx(1.0, abs=0.2)
    assert sharpness(noise, cv2.GaussianBlur(noise, (0, 0), 2)) < 0.1


def test_without_a_pack_faces_stay_and_no_photograph_is_blurred(pictures):
    models = open_models(find_named_packs([], ("hand", "face")), "cpu")

    for picture in pictures:
        result = refine(picture, models, Settings())
        assert all(one.reason for one in result.parts if one.kind == "face")
        assert sharpness(picture, result.image) >= LEAST


def test_with_the_demo_pack_named_no_photograph_is_blurred(pictures):
    models = open_models(find_named_packs(["demo"], ("hand",)), "cpu")

    for picture in pictures:
        result = refine(picture, models, Settings(parts=("hand",)))
        assert sharpness(picture, result.image) >= LEAST
