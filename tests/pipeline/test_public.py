"""The Python functions, as a user calls and miscalls them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import realishuman
from realishuman import Settings, open_models, refine
from realishuman.errors import PackError, PictureError, SettingsError
from realishuman.packs import store
from realishuman.pipeline import standalone
from realishuman.pipeline.result import Result

FAST = Settings(parts=("hand",), steps=1, guidance=1.0)


@pytest.fixture
def grey():
    return np.full((240, 240, 3), 90, np.uint8)


def test_every_public_name_is_there():
    assert all(getattr(realishuman, name) is not None for name in realishuman.__all__)


@pytest.mark.parametrize(
    "as_", [str, lambda path: path, lambda path: [path], lambda path: (str(path),)]
)
def test_a_pack_may_be_named_in_all_ways(hand_pack, as_):
    models = open_models(as_(hand_pack), "cpu")

    assert models.packs["hand"].path == hand_pack
    assert (models.remarks, models.lacking) == ((), {})


def test_without_packs_those_that_are_installed_are_taken(tmp_path, monkeypatch, hand_pack):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path))
    monkeypatch.setattr(store, "EMBEDDED", tmp_path / "none")

    without = open_models(device="cpu")
    assert without.packs == {}
    assert list(without.lacking) == ["hand", "face"]

    monkeypatch.setattr(
        standalone, "find_named_packs", lambda names, kinds: [hand_pack][: 1 - len(names)]
    )
    assert list(open_models(device="cpu").packs) == ["hand"]


def test_a_set_is_named_and_a_name_that_is_none_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path))

    assert open_models("demo", "cpu").packs["hand"].header.weights == "demo"
    with pytest.raises(PackError, match="nothere"):
        open_models("nothere", "cpu")


def test_a_pillow_picture_is_its_array(grey, models_of, flat_hand):
    models = models_of([flat_hand(120, 120, 100)])
    palette = Image.fromarray(grey).convert("P")
    array = np.asarray(palette.convert("RGB"))

    assert np.array_equal(refine(palette, models, FAST).image, refine(array, models, FAST).image)


def test_a_result_keeps_what_its_file_said(grey, tmp_path, models_of, flat_hand):
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a hand\nSteps: 20")
    alpha = np.dstack([grey, np.full((240, 240), 200, np.uint8)])
    Image.fromarray(alpha).save(tmp_path / "in.png", pnginfo=text)

    result = refine(str(tmp_path / "in.png"), models_of([flat_hand(120, 120, 100)]), FAST)
    lost = result.save(tmp_path / "out.png")

    with Image.open(tmp_path / "out.png") as saved:
        assert saved.text["parameters"] == "a hand\nSteps: 20"
        np.testing.assert_array_equal(np.asarray(saved), result.image)
    assert lost == ()
    assert (result.image != alpha).any()


@pytest.mark.parametrize("shape", [(8, 9, 3), (8, 9, 4)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_result_of_an_array_is_saved_with_all_its_bits(tmp_path, models_of, shape, kind):
    high = np.iinfo(kind).max
    picture = np.random.default_rng(0).integers(0, high, shape, dtype=kind, endpoint=True)

    result = refine(picture, models_of([]), FAST)
    result.save(tmp_path / "out.png")

    np.testing.assert_array_equal(result.image, picture)
    np.testing.assert_array_equal(refine(tmp_path / "out.png", models_of([])).image, picture)
    Result(picture, (), "").save(tmp_path / "alone.png")
    assert (tmp_path / "alone.png").read_bytes() == (tmp_path / "out.png").read_bytes()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda models: refine(None, models), r"image must be a path or a picture, not None"),
        (lambda models: refine(b"x", models), r"image must be a path .*bytes"),
        (lambda models: refine("a.png", "hand.safetensors"), r"models must be what open_models"),
        (lambda models: refine("a.png", models, {"seed": 7}), r"settings must be Settings.*dict"),
        (lambda models: refine("a.png", models, only=1), r"only must be a list of parts' numbers"),
        (lambda models: refine("a.png", models, only=["1"]), r"only must be .*'1' \(str\)"),
        (lambda models: refine("a.png", models, boxes=[(1, 2, 3, 4)]), r"boxes must be a list"),
        (lambda models: open_models(7), r"packs must be the path of a pack, .*7 \(int\)"),
        (lambda models: open_models([None]), r"packs must be .*None"),
        (lambda models: open_models([], device=0), r"device must be a name"),
        (lambda models: Result(np.zeros((2, 2, 3)), (), "").save(3), r"path must be a path"),
    ],
)  # fmt: skip
def test_a_wrong_type_is_told_in_a_sentence(call, sentence, models_of):
    with pytest.raises(SettingsError, match=sentence):
        call(models_of([]))


def test_a_missing_picture_is_told_in_a_sentence(models_of):
    with pytest.raises(PictureError, match=r"nowhere.png does not exist"):
        refine("nowhere.png", models_of([]))
