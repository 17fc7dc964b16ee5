from __future__ import annotations

import sys

import numpy as np
import pytest

from realishuman.advice import extra
from realishuman.evaluate.distances import LEAST, PackEncoder, distance


def normal(count, width, mean=0.0, seed=0):
    return list(np.random.default_rng(seed).normal(mean, 1, (count, width)).astype(np.float32))


def test_few_crops_give_no_distance_and_the_reason():
    found = distance(normal(LEAST - 1, 4), normal(LEAST, 4))

    assert (found.frechet, found.kernel) == (None, None)
    assert str(LEAST - 1) in found.note


def test_without_the_library_there_is_no_distance_but_the_way_to_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)

    found = distance(normal(LEAST, 4), normal(LEAST, 4))

    assert (found.frechet, found.kernel) == (None, None)
    assert extra("evaluate") in found.note


def test_the_distance_of_two_normal_clouds_is_the_square_of_their_shift():
    pytest.importorskip("torch_fidelity", reason="distances need the extra `evaluate`")

    apart = distance(normal(2000, 8), normal(2000, 8, mean=1.0, seed=1))
    same = distance(normal(2000, 8), normal(2000, 8))

    assert apart.frechet == pytest.approx(8, rel=0.1)
    assert apart.kernel > 1
    assert same.frechet == pytest.approx(0, abs=1e-6)


def test_fewer_crops_than_features_give_a_kernel_distance_only():
    pytest.importorskip("torch_fidelity", reason="distances need the extra `evaluate`")

    found = distance(normal(LEAST, LEAST), normal(LEAST, LEAST, seed=1))

    assert found.frechet is None
    assert found.kernel is not None
    assert "covariance" in found.note


def test_the_encoder_says_whose_it_is_and_sees_differences(models_of):
    models = models_of([])
    encoder = PackEncoder(models.backbone("hand"), models.packs["hand"].header)
    dark, light = (np.full((224, 224, 3), value, np.uint8) for value in (20, 200))

    assert "random-hand" in encoder.name
    assert "random weights" in encoder.name
    assert encoder(dark).shape == (models.packs["hand"].header.image_encoder.width,)
    assert not np.allclose(encoder(dark), encoder(light))
    np.testing.assert_array_equal(encoder(dark), encoder(dark))
