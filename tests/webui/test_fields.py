from __future__ import annotations

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realishuman.pipeline.infotext import FACTS, PREFIX
from realishuman.settings import Settings
from realishuman.webui.choices import choices_from, values_from
from realishuman.webui.components import component_of
from realishuman.webui.field import FieldError
from realishuman.webui.fields import FIELDS, schema
from realishuman.webui.generation.infotext import component_value, settings_of

RELEASED = (  # what API clients of earlier versions may send by position
    "enabled", "parts", "hand_pack", "face_pack", "detector", "confidence", "min_size", "min_area",
    "max_area", "max_parts", "margin", "preset", "dilate", "erode", "steps", "guidance",
    "seed_offset", "reference_every", "guidance_share", "max_batch", "paste", "colour_match",
    "hand_confidence", "hand_dilate", "hand_erode", "face_confidence", "face_dilate", "face_erode",
)  # fmt: skip


def test_arguments_are_only_ever_added_at_the_end():
    assert tuple(one.name for one in FIELDS)[: len(RELEASED)] == RELEASED


def test_what_only_the_command_line_can_do_is_not_offered():
    engine = next(one for one in FIELDS if one.name == "engine")

    assert engine.choices == ("auto", "pack", "checkpoint", "transplant")


def test_every_setting_but_the_seed_which_is_the_pictures_is_an_argument():
    names = {one.name for one in FIELDS}

    assert {spec.name for spec in fields(Settings)} - names == {"seed"}
    assert len(names) == len(FIELDS)


@pytest.mark.parametrize(
    "arguments",
    [
        (True, ["hand"], "auto", "auto", "embedded", 0.3),
        ({"parts": ["hand"], "confidence": 0.3},),
        (True, {"parts": ["hand"], "confidence": 0.3}),
        (json.dumps({"enabled": True, "parts": ["hand"], "confidence": 0.3}),),
        (True, '{"parts": "hand", "confidence": "0.3"}', *[None] * 20),
        ({"enabled": True, "parts": ["hand"]}, ["face"], "auto", "auto", "embedded", 0.3),
    ],
)
def test_arguments_may_be_positional_or_an_object_or_its_json(arguments):
    choices = choices_from(values_from(arguments))

    assert choices.enabled
    assert choices.settings == Settings(parts=("hand",), confidence=0.3)


@pytest.mark.parametrize(
    ("values", "name", "allowed"),
    [
        ({"steps": 1000}, "steps", "1 to 999, or null"),
        ({"steps": 3.5}, "steps", "1 to 999, or null"),
        ({"confidence": "high"}, "confidence", "0.0 to 1.0"),
        ({"confidence": float("nan")}, "confidence", "0.0 to 1.0"),
        ({"parts": ["foot"]}, "parts", "hand, face"),
        ({"parts": []}, "parts", "hand, face"),
        ({"preset": "mine"}, "preset", "released, paper, or null"),
        ({"enabled": "perhaps"}, "enabled", "true, false"),
        ({"detector": "yolo"}, "detector", "embedded, dwpose, dwpose-released"),
        ({"hand_pack": "../../etc/passwd"}, "hand_pack", "auto, mine.safetensors"),
        ({"hand_pack": 3}, "hand_pack", "text"),
        ({"seed_offset": -1}, "seed_offset", "0 to 2147483647"),
    ],
)
def test_a_wrong_value_is_refused_with_field_and_range(values, name, allowed):
    with pytest.raises(FieldError, match=name) as caught:
        choices_from(values, ["mine.safetensors"])

    assert (caught.value.name, caught.value.allowed) == (name, allowed)


def test_a_packs_name_may_come_without_its_ending():
    choices = choices_from({"hand_pack": "mine"}, ["mine.safetensors"])

    assert choices.packs["hand"] == "mine"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(None, None), ("auto", None), ("on", True), ("off", False), (True, True), ("False", False)],
)
def test_a_switch_that_a_preset_may_turn_has_three_places(given, wanted):
    """Components hold words; API clients of earlier versions send true and false by position."""
    judge = next(one for one in FIELDS if one.name == "judge")

    choices = choices_from(values_from([{"judge": given}]))

    assert choices.settings.judge is wanted
    assert judge.read(judge.from_component(judge.show(wanted))) is wanted
    name, arguments = component_of(judge)
    assert name == "Dropdown"
    assert judge.show(wanted) in arguments["choices"]
    assert schema()["properties"]["judge"]["type"] == ["boolean", "null"]


@pytest.mark.parametrize(
    "arguments", [[{"stepz": 3}], ["{not json"], [None] * (len(FIELDS) + 1)], ids=repr
)
def test_unknown_names_broken_json_and_too_many_arguments_are_refused(arguments):
    with pytest.raises(FieldError):
        choices_from(values_from(arguments))


def test_the_seed_of_the_picture_and_the_offset_add_up():
    choices = choices_from({"seed_offset": 3})

    assert choices.for_seed(7).seed == 10
    assert choices.for_seed(-5).seed >= 0


def allowed_value(one):
    meta = one.spec.metadata
    if one.kind == "bool":
        values = st.booleans()
    elif one.kind == "int":
        values = st.integers(meta["low"], meta["high"])
    elif one.kind == "float":
        values = st.floats(meta["low"], meta["high"])
    elif one.kind == "names":
        values = st.lists(st.sampled_from(one.choices), min_size=1, unique=True).map(tuple)
    else:
        values = st.sampled_from(one.choices or ("auto", "My pack, v2.safetensors"))
    return values | st.none() if one.automatic else values


@given(st.fixed_dictionaries({one.name: allowed_value(one) for one in FIELDS}))
def test_all_settings_come_back_from_the_infotext_into_the_components(values):
    choices = choices_from({**values, "enabled": True})
    pasted = {key: str(value) for key, value in settings_of(choices).items()}

    components = [component_value(one)(pasted) for one in FIELDS]

    assert choices_from(values_from(components)) == choices


def test_defaults_are_left_out_of_the_infotext():
    written = settings_of(choices_from({"enabled": True, "steps": 12}))

    assert {key for key in written if key != "RealisHuman version"} == {
        "RealisHuman enabled", "RealisHuman steps",
    }  # fmt: skip


def test_a_picture_made_without_us_switches_off_and_changes_nothing_else():
    values = [component_value(one)({"Steps": "20"}) for one in FIELDS]

    assert values == [False, *[None] * (len(FIELDS) - 1)]


def test_a_setting_that_infotext_does_not_name_is_reset_to_its_default():
    pasted = {"RealisHuman enabled": "True"}

    for one in FIELDS[1:]:
        assert one.read(one.from_component(component_value(one)(pasted))) == one.default


def test_the_schema_names_every_field_with_its_range():
    properties = schema()["properties"]

    assert list(properties) == [one.name for one in FIELDS]
    assert properties["steps"]["type"] == ["integer", "null"]
    assert (properties["steps"]["minimum"], properties["steps"]["maximum"]) == (1, 999)
    assert properties["preset"]["enum"] == ["released", "paper", None]
    json.dumps(properties)


def test_facts_and_settings_do_not_share_keys():
    assert not {PREFIX + name for name in FACTS} & {one.key for one in FIELDS}


def test_a_text_may_hold_anything_and_has_a_box_to_write_in():
    prompt = next(one for one in FIELDS if one.name == "prompt")
    text = 'auto, "(fine:1.2)": [PART]\n2'

    choices = choices_from(values_from([{"enabled": True, "prompt": text}]))

    assert choices.settings.prompt == text
    assert prompt.read(prompt.from_component(prompt.show(text))) == text
    assert component_of(prompt)[0] == "Textbox"
    assert prompt.allowed == "text"
    assert schema()["properties"]["prompt"]["type"] == "string"
    with pytest.raises(FieldError, match="prompt must be text"):
        choices_from({"prompt": 3})
