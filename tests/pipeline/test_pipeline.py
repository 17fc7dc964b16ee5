from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import realishuman
from realishuman.diffusion import stage_one
from realishuman.errors import PictureError
from realishuman.imaging.paste import compose
from realishuman.packs.pack import Pack
from realishuman.packs.random_pack import SMALL, random_pack
from realishuman.paint.two_stage import choose_sampling
from realishuman.parts.found import number_parts
from realishuman.pipeline.look import look, prepare_parts, reconstruct
from realishuman.pipeline.refine import refine, refine_all
from realishuman.pipeline.run import NOT_CHOSEN
from realishuman.progress import Interrupted, Silent
from realishuman.settings import Settings

FAST = Settings(parts=("hand",), steps=2, seed=3)


@pytest.fixture
def picture():
    y, x = np.mgrid[0:360, 0:420]
    return np.stack([x % 256, y % 256, (x + y) // 4 % 256], axis=2).astype(np.uint8)


def test_a_picture_without_parts_comes_back_bit_for_bit_and_the_report_says_why(picture, models_of):
    result = refine(picture, models_of([]), FAST)

    np.testing.assert_array_equal(result.image, picture)
    assert result.message == "No part was found, so the picture is unchanged."
    assert result.parts == ()


def test_only_the_parts_surroundings_change(picture, models_of, flat_hand):
    result = refine(picture, models_of([flat_hand(210, 180, 160)]), FAST, keep_steps=True)

    changed = (result.image != picture).any(axis=2)
    box = result.parts[0].crop
    outside = np.ones(picture.shape[:2], bool)
    outside[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = False
    assert result.parts[0].outcome == "refined"
    assert changed.sum() > 2000
    assert not changed[outside].any()
    assert changed.sum() < 0.5 * box.area


def test_the_same_options_make_the_same_pixels_and_another_seed_makes_others(
    picture, models_of, flat_hand
):
    models = models_of([flat_hand(210, 180, 160)])
    first, again = (refine(picture, models, FAST).image for _ in range(2))
    other = refine(picture, models, Settings(parts=("hand",), steps=2, seed=4)).image

    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_part_does_not_depend_on_its_batch(picture, models_of, flat_hand):
    hands = [flat_hand(90, 180, 80), flat_hand(320, 180, 80)]
    together = refine(picture, models_of(hands), FAST).image
    one_by_one = refine(
        picture, models_of(hands), Settings(parts=("hand",), steps=2, seed=3, max_batch=1)
    ).image

    difference = np.abs(together.astype(int) - one_by_one)
    assert difference.max() <= 1
    assert (together != picture).any(axis=2)[:, :200].any()
    assert (together != picture).any(axis=2)[:, 220:].any()


def test_pictures_refined_together_come_out_as_each_alone(picture, models_of, flat_hand):
    """Also one in which nothing is found; the detector here tells pictures by their size."""
    models, hands = models_of([]), [flat_hand(90, 180, 80), flat_hand(320, 180, 80)]
    pictures = [picture, picture[:10], np.ascontiguousarray(picture[:, ::-1])]
    there = {picture.shape: hands, pictures[1].shape: []}
    models.detector.detect = lambda seen, kinds, **_: there[seen.shape]

    together = refine_all(pictures, models, FAST, keep_steps=True)
    alone = [refine(one, models, FAST, keep_steps=True) for one in pictures]

    assert [len(result.parts) for result in together] == [2, 0, 2]
    assert together[1].message == alone[1].message
    for ours, theirs in zip(together, alone, strict=True):
        assert np.abs(ours.image.astype(int) - theirs.image).max() <= 1
        assert ours.steps.keys() == theirs.steps.keys()
        assert ours.parts == theirs.parts
        assert ours.seconds.keys() == theirs.seconds.keys()
    assert (together[0].image != picture).any()


def test_no_pictures_are_no_results(models_of):
    assert refine_all([], models_of([]), FAST) == []


def test_random_weights_are_called_random_in_the_result(picture, models_of, flat_hand):
    result = refine(picture, models_of([flat_hand(210, 180, 160)]), FAST)

    assert result.weights == {"hand": "random"}
    assert "RANDOM" in result.message
    assert json.loads(json.dumps(result.report()))["parts"][0]["outcome"] == "refined"


def test_where_a_pack_is_asked_for_and_none_is_there_the_part_is_kept_and_the_report_says_so(
    picture, models_of, flat_hand
):
    models = models_of([flat_hand(210, 180, 160)], packs=())
    result = refine(picture, models, replace(FAST, engine="pack"))

    np.testing.assert_array_equal(result.image, picture)
    assert result.parts[0].outcome == "kept"
    assert result.parts[0].reason == "No pack for hands is in use, so they are left alone."


def test_a_15_pixel_hand_is_left_alone(picture, models_of, flat_hand):
    result = refine(picture, models_of([flat_hand(210, 180, 15)]), FAST)

    np.testing.assert_array_equal(result.image, picture)
    assert "min_size" in result.parts[0].reason


def test_a_part_cut_by_the_border_is_refined(picture, models_of, flat_hand):
    result = refine(picture, models_of([flat_hand(5, 350, 160)]), FAST)

    assert result.image.shape == picture.shape
    assert result.parts[0].outcome == "refined"
    assert (result.image != picture).any()


def test_alpha_comes_back_untouched(picture, models_of, flat_hand):
    alpha = np.arange(360 * 420, dtype=np.uint64).reshape(360, 420, 1) % 251
    rgba = np.dstack([picture, alpha.astype(np.uint8)])

    result = refine(rgba, models_of([flat_hand(210, 180, 160)]), FAST)

    np.testing.assert_array_equal(result.image[..., 3], rgba[..., 3])


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_are_kept_outside_the_ring_and_painted_with_inside(
    picture, models_of, flat_hand, channels
):
    steps = np.arange(picture.shape[1], dtype=np.uint16)[None, :, None] % 257
    deep = np.dstack([picture.astype(np.uint16) * 256 + steps, picture[..., :1] * np.uint16(200)])
    deep = deep[..., :channels]
    models = models_of([flat_hand(210, 180, 160)])

    result = refine(deep, models, FAST)
    shallow = refine(np.rint(deep / 257).astype(np.uint8), models, FAST)

    assert result.image.dtype == np.uint16
    assert result.image.shape == deep.shape
    painted = (shallow.image[..., :3] != np.rint(deep / 257)[..., :3]).any(axis=2)
    changed = (result.image != deep).any(axis=2)
    assert painted.sum() > 2000
    assert changed[painted].all()
    ring = ~painted & changed  # where the change is too small for 8 bits
    assert ring.sum() < 0.1 * painted.sum()
    assert np.abs(result.image / 257 - shallow.image).max() < 1.5
    assert len(np.unique(result.image[painted] % 257)) > 200  # not 8 bits made longer
    if channels == 4:
        np.testing.assert_array_equal(result.image[..., 3], deep[..., 3])


def test_near_hands_do_not_repaint_each_other(picture, models_of, flat_hand):
    """The ring of one hand ends where the other hand begins."""
    hands = [flat_hand(160, 180, 140), flat_hand(250, 180, 140)]
    both = refine(picture, models_of(hands), FAST, keep_steps=True)

    for index in (1, 2):
        ring = both.steps[f"{index}-hand/3-ring"] > 127
        assert ring.any()
    first = refine(picture, models_of(hands[:1]), FAST, keep_steps=True).steps["1-hand/3-ring"]
    assert (both.steps["1-hand/3-ring"] > 127).sum() < (first > 127).sum()


def test_a_part_whose_networks_return_no_numbers_keeps_its_pixels_and_says_so(
    picture, models_of, flat_hand, monkeypatch
):
    hands = [flat_hand(90, 180, 80), flat_hand(320, 180, 80)]
    whole = stage_one.run

    def spoil_the_second(*arguments):
        images, good = whole(*arguments)
        return images, good & torch.tensor([True, False])

    monkeypatch.setattr(stage_one, "run", spoil_the_second)
    result = refine(picture, models_of(hands), FAST)

    assert [part.outcome for part in result.parts] == ["refined", "kept"]
    assert "not numbers" in result.parts[1].reason
    assert (result.image != picture).any(axis=2)[:, :200].any()
    np.testing.assert_array_equal(result.image[:, 220:], picture[:, 220:])


def test_thirty_hands_are_each_refined_in_their_own_place(models_of, flat_hand, tmp_path):
    random_pack(tmp_path / "small.safetensors", "hand", resolution=64)
    picture = np.full((600, 720, 3), 120, np.uint8)
    hands = [flat_hand(60 + 120 * (i % 6), 60 + 120 * (i // 6), 50) for i in range(30)]

    models = models_of(hands, [tmp_path / "small.safetensors"])
    result = refine(picture, models, replace(FAST, steps=1, guidance=1.0, max_batch=8))

    assert [part.outcome for part in result.parts] == ["refined"] * 30
    for part in result.parts:
        x, y = (int(value) for value in part.box.centre)
        assert (result.image[y - 20 : y + 20, x - 20 : x + 20] != 120).any()


def test_an_interrupt_reaches_the_caller(picture, models_of, flat_hand):
    class Stop(Silent):
        def begin(self, stage, total):
            if stage == "stage two":
                raise Interrupted

    with pytest.raises(Interrupted):
        refine(picture, models_of([flat_hand(210, 180, 160)]), FAST, progress=Stop())


@pytest.mark.parametrize("array", [np.zeros(5), np.zeros((2, 2, 5), np.uint8), np.zeros((0, 3, 3))])
def test_what_is_no_picture_is_refused_with_a_sentence(array, models_of):
    with pytest.raises(PictureError, match=r"\w+ \w+ \w+"):
        refine(array, models_of([]), FAST)


def test_the_public_names_are_importable_from_the_package():
    assert realishuman.refine is refine
    assert realishuman.Settings is Settings
    with pytest.raises(AttributeError):
        realishuman.nothing  # noqa: B018


def test_a_pack_may_have_other_latents_and_say_how_it_is_sampled(
    picture, models_of, flat_hand, tmp_path
):
    sizes = replace(SMALL, vae=replace(SMALL.vae, latent_channels=16))
    path = tmp_path / "sixteen.safetensors"
    random_pack(path, "hand", sizes=sizes, resolution=128, sampled=(3, 1.0))
    progress = Counted()
    result = refine(
        picture,
        models_of([flat_hand(210, 180, 160)], [path]),
        Settings(parts=("hand",)),
        progress=progress,
    )

    assert result.parts[0].outcome == "refined"
    assert progress.totals == {"stage one": 3, "stage two": 3}


class Counted(Silent):
    """Remembers how many steps each sampling was to have."""

    def __init__(self):
        self.totals = {}

    def begin(self, stage, total):
        if stage.startswith("stage"):
            self.totals[stage] = total


@pytest.mark.parametrize(
    ("settings", "header", "expected"),
    [
        ({}, {}, (50, 3.0)),
        ({}, {"steps": 4, "guidance": 1.0}, (4, 1.0)),
        ({"preset": "paper"}, {"steps": 4, "guidance": 1.0}, (20, 3.0)),
        ({"preset": "paper", "steps": 7}, {"steps": 4}, (7, 3.0)),
        ({"guidance": 2.0}, {"steps": 4, "guidance": 1.0}, (4, 2.0)),
    ],
)
def test_the_user_counts_before_the_preset_named_and_that_before_the_pack(
    settings, header, expected, hand_pack
):
    own = replace(Pack.open(hand_pack).header, **header)

    sampling = choose_sampling(Settings(**settings), own)

    assert (sampling.steps, sampling.guidance) == expected


def test_a_part_is_prepared_as_its_pack_wants_it_and_without_one_as_the_released_one(
    picture, models_of, flat_hand, hand_pack
):
    hand, settings = flat_hand(210, 180, 100), Settings()
    with_pack, without = models_of([hand]), models_of([hand], packs=())
    found = number_parts([(hand, "")], reconstruct(picture, [hand], with_pack))

    (packed,) = prepare_parts(picture, found, found.parts, settings, with_pack)
    (plain,) = prepare_parts(picture, found, found.parts, settings, without)

    assert packed.crop.size == Pack.open(hand_pack).header.resolution == 128
    assert plain.crop.size == 512


def test_any_choice_of_patches_can_be_pasted_anew_without_sampling(picture, models_of, flat_hand):
    parts = [flat_hand(120, 180, 110), flat_hand(310, 180, 110)]
    both = refine(picture, models_of(parts), FAST)
    second_alone = refine(picture, models_of(parts), FAST, only=[2])

    again = compose(picture, both.patches, feather="silhouette", colour_match=True)
    second = compose(picture, both.patches[1:], feather="silhouette", colour_match=True)

    np.testing.assert_array_equal(again, both.image)
    gap = np.abs(second.astype(int) - second_alone.image)
    assert gap.max() <= 1  # the part went through the networks in another batch
    assert compose(picture, [], feather="silhouette", colour_match=True) is picture


def test_parts_that_were_not_chosen_are_kept_and_said_to_be(picture, models_of, flat_hand):
    parts = [flat_hand(120, 180, 110), flat_hand(310, 180, 110)]

    result = refine(picture, models_of(parts), FAST, only=[2])

    assert [part.outcome for part in result.parts] == ["kept", "refined"]
    assert result.parts[0].reason == NOT_CHOSEN
    assert [patch.index for patch in result.patches] == [2]


def test_what_was_looked_for_before_is_refined_without_looking_again(picture, models_of, flat_hand):
    found = look(picture, models_of([flat_hand(210, 180, 160)]), FAST)
    blind = models_of([])

    result = refine(picture, blind, FAST, found=found)

    seeing = refine(picture, models_of([flat_hand(210, 180, 160)]), FAST)
    np.testing.assert_array_equal(result.image, seeing.image)
