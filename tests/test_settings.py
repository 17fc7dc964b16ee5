from __future__ import annotations

from dataclasses import fields

import pytest

from realishuman.errors import SettingsError
from realishuman.kinds import KINDS
from realishuman.presets import PRESETS, Ways
from realishuman.settings import PART_KINDS, Settings


def test_the_defaults_are_allowed_and_none_means_as_the_preset_says():
    settings = Settings()

    assert settings.steps is None
    assert settings.parts == PART_KINDS


@pytest.mark.parametrize("spec", fields(Settings), ids=lambda spec: spec.name)
def test_every_setting_says_what_it_does_and_what_is_allowed(spec):
    meta = spec.metadata

    assert meta["help"]
    free = spec.type.startswith("bool") or meta["prose"]
    assert free or meta["choices"] or meta["low"] < meta["high"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 1000),
        ("steps", 20.5),
        ("steps", True),
        ("guidance", 0.5),
        ("guidance", "three"),
        ("guidance", float("nan")),
        ("preset", "mine"),
        ("parts", ()),
        ("parts", ("foot",)),
        ("parts", "hand"),
        ("parts", ("hand", "hand")),
        ("parts", (["hand"],)),
        ("seed", -1),
        ("colour_match", 1),
        ("dilate", -5),
        ("engine", None),
        ("paste", "feathered"),
        ("judge", "on"),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name, value):
    with pytest.raises(SettingsError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, Ways()),
        ({"preset": "paper"}, Ways()),
        ({"preset": "released"}, Ways("released", "picture", "released", False, False, False)),
        (
            {"preset": "released", "crop": "part", "judge": True},
            Ways("part", "picture", "released", False, True, False),
        ),
        (
            {"preset": "released", "margin": 2.0},
            Ways("part", "picture", "released", False, False, False),
        ),
        ({"detector": "dwpose-released"}, Ways(crop="released")),
        ({"detector": "dwpose-released", "crop": "part"}, Ways()),
        ({"detector": "dwpose"}, Ways()),
        ({"paste": "radial", "colour_match": False}, Ways(paste="radial", colour_match=False)),
    ],
    ids=repr,
)
def test_the_user_comes_first_then_a_preset_that_is_named(chosen, wanted):
    assert Settings(**chosen).ways == wanted


def test_an_unknown_key_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(SettingsError, match=r"unknown setting stepz; known are .*steps"):
        Settings.from_dict({"stepz": 3})


def test_a_key_that_is_no_text_is_an_unknown_setting():
    with pytest.raises(SettingsError, match="unknown setting 1, x"):
        Settings.from_dict({1: 2, "x": 3})


def test_lists_from_json_become_part_kinds():
    assert Settings.from_dict({"parts": ["face"]}).parts == ("face",)


def test_every_part_kind_has_an_entry_and_mask_constants_in_every_preset():
    assert tuple(KINDS) == PART_KINDS
    for preset in PRESETS.values():
        assert tuple(preset.masks) == PART_KINDS


def test_a_kind_of_part_may_have_settings_of_its_own():
    settings = Settings(dilate=40, confidence=0.6, face_dilate=10, hand_confidence=0.2)

    assert (settings.of("face").dilate, settings.of("face").confidence) == (10, 0.6)
    assert (settings.of("hand").dilate, settings.of("hand").confidence) == (40, 0.2)
    assert settings.of("hand").of("hand") == settings.of("hand")
