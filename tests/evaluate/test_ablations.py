from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from realishuman.evaluate.ablations import (
    ChangedBackbone,
    change_painter,
    variants,
    without_reference,
    without_tokens,
)
from realishuman.evaluate.pairs import PipelineRepair
from realishuman.kinds import KINDS
from realishuman.mesh.base import PaperRegressor
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.pipeline.models import Models
from realishuman.settings import Settings

FAST = Settings(parts=("hand",), steps=1, guidance=1.0)
NAMES = [
    "as it is", "stage one pasted directly", "without m_e", "without reference attention",
    "without image tokens", "preset released", "preset paper", "2 steps", "3 steps",
    "without the judge",
]  # fmt: skip


@pytest.fixture
def backbone(models_of):
    return models_of([]).backbone("hand")


@pytest.fixture
def configured(models_of, hand_pack, flat_hand, tmp_path, monkeypatch):
    """Models whose folder holds the paper's mesh, here a larger one, for the pack to take."""

    class Larger(EmbeddedHand):
        def regress(self, picture, parts):
            grow = np.float32([1.3, 1.3, 1])
            return [
                replace(mesh, vertices=mesh.vertices * grow)
                for mesh in super().regress(picture, parts)
            ]

    (tmp_path / "larger.onnx").touch()
    paper = PaperRegressor("Larger", ("larger.onnx",), lambda *_: Larger())
    monkeypatch.setitem(KINDS, "hand", replace(KINDS["hand"], paper=paper))
    models = Models(
        [hand_pack],
        lambda pack: models_of([]).backbone("hand"),
        models_of([flat_hand(40, 50, 50)]).detector,
        folder=tmp_path,
        provider="cpu",
        spare=False,
    )
    pack = models.packs["hand"]
    models.packs["hand"] = replace(pack, header=replace(pack.header, mesh="official"))
    return models


def test_every_row_runs_the_same_models(configured):
    rows = [method.repair for method in variants(configured, FAST, "true", (2,))]

    assert all(row.models is configured for row in rows)


def test_a_row_that_changes_nothing_equals_as_it_is_bit_for_bit(pair, configured):
    unchanged = partial(change_painter, change=lambda networks: networks)
    row = PipelineRepair(configured, FAST, "estimated", choose=unchanged)

    (as_it_is,) = variants(configured, FAST, "estimated", ())[0].repair([pair])
    (ours,) = row([pair])

    assert as_it_is.refined
    for name in ("image", "stage_one", "shown", "allowed"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(as_it_is, name), err_msg=name)


def test_the_network_rows_paint_on_the_mesh_of_as_it_is(pair, configured):
    rows = {method.name: method.repair for method in variants(configured, FAST, "estimated", ())}

    poses = [
        rows[name]([pair])[0].shown
        for name in ("as it is", "without reference attention", "without image tokens")
    ]
    np.testing.assert_array_equal(poses[1], poses[0])
    np.testing.assert_array_equal(poses[2], poses[0])


def test_every_variant_has_its_row_and_its_own_setting(models_of):
    methods = variants(models_of([]), FAST, "true", (2, 3))

    by_name = {method.name: method.repair for method in methods}
    assert list(by_name) == NAMES
    assert by_name["without m_e"].settings.erode == 0
    assert by_name["preset paper"].settings.preset == "paper"
    assert by_name["preset released"].settings.preset == "released"
    assert by_name["preset released"].settings.ways == by_name["as it is"].settings.ways
    assert by_name["3 steps"].settings.steps == 3
    assert by_name["stage one pasted directly"].direct_paste
    assert by_name["as it is"].settings == FAST
    assert not by_name["without the judge"].settings.judge


def test_every_variant_repairs_and_those_of_the_networks_repair_otherwise(pair, models_of):
    methods = variants(models_of([]), FAST, "true", (2,))[:5]

    images = {method.name: method.repair([pair])[0].image for method in methods}

    for name in NAMES[1:5]:
        assert (images[name] != images["as it is"]).any(), name


def test_without_reference_no_row_looks_at_the_bank(backbone):
    latents, when = torch.randn(2, 4, 16, 16), torch.tensor(500)
    with torch.no_grad(), backbone.stage_one() as plain:
        with ChangedBackbone(backbone, without_reference).stage_one() as changed:
            condition = plain.unet.condition(plain.no_context.expand(2, -1, -1))
            bank = plain.reference.features(latents, when, condition)
            looked, own, ours = (
                networks.unet.predict(latents, when, condition, seen)
                for networks, seen in ((plain, bank), (plain, None), (changed, bank))
            )
            empty = changed.reference.features(latents, when, condition)

    assert not torch.equal(looked, own)
    assert torch.equal(ours, own)
    assert not empty.rows(0, 1).features


def test_without_tokens_every_picture_has_those_of_the_zero_picture(backbone):
    pictures = torch.rand(2, 3, 128, 128)
    with torch.no_grad(), ChangedBackbone(backbone, without_tokens).stage_one() as networks:
        context = networks.projector(networks.image_encoder(pictures))

        assert torch.equal(context, networks.no_context.expand(2, -1, -1))


def test_a_changed_backbone_leaves_the_base_and_stage_two_alone(models_of):
    base = models_of([]).backbone("hand")
    changed = ChangedBackbone(base, without_reference)

    with base.stage_one() as before, changed.stage_one() as within:
        assert within.unet is not before.unet
    with base.stage_one() as after:
        assert after is before
    with base.stage_two() as ours, changed.stage_two() as theirs:
        assert ours is theirs
    assert (changed.device, changed.dtype) == (torch.device("cpu"), torch.float32)
