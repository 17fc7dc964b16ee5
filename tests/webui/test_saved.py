from __future__ import annotations

import json

import pytest

from realishuman.webui import saved
from realishuman.webui.choices import choices_from
from realishuman.webui.field import FieldError
from realishuman.webui.fields import FIELDS


def text_of(**values):
    return saved.text_of(values)


def test_what_is_saved_comes_back_and_only_what_is_not_the_default(tmp_path):
    text = text_of(strength=0.3, prompt="a [PART]", parts=["hand"], steps=None)
    path = saved.save(tmp_path / "new", "My hands 2", text)

    assert path.name == "My hands 2.json"
    assert saved.load(tmp_path / "new", "My hands 2") == {
        "strength": 0.3, "prompt": "a [PART]", "parts": ["hand"],
    }  # fmt: skip
    assert saved.names(tmp_path / "new") == ["subtle", "normal", "strong", "My hands 2"]
    saved.delete(tmp_path / "new", "My hands 2")
    assert list((tmp_path / "new").iterdir()) == []


def test_the_shipped_ones_can_be_used_and_are_in_nobodys_way(tmp_path):
    strengths = [choices_from(saved.load(tmp_path, name)).settings for name in saved.SHIPPED]

    assert [one.strength for one in strengths] == [0.3, 0.5, 0.7]
    assert {one.engine for one in strengths} == {"checkpoint"}
    with pytest.raises(FieldError, match="comes with the extension"):
        saved.save(tmp_path, "subtle", text_of())


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a\\b", ".hidden", "x" * 61, "a\0b"])
def test_a_name_cannot_lead_out_of_the_folder(tmp_path, name):
    for act in (lambda: saved.save(tmp_path / "in", name, text_of()),
                lambda: saved.delete(tmp_path / "in", name),
                lambda: saved.load(tmp_path / "in", name)):  # fmt: skip
        with pytest.raises(FieldError):
            act()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "must be JSON"),
        ("[]", "must be JSON like"),
        ('{"settings": {"strength": 7}}', "strength must be"),
        ('{"settings": {"strengthh": 7}}', "is not a setting"),
        ('{"settings": {"enabled": true}}', "enabled is no part"),
        ('{"settings": {}, "x": "' + "x" * 70_000 + '"}', "too many"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_written(tmp_path, text, says):
    with pytest.raises(FieldError, match=says):
        saved.save(tmp_path, "mine", text)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_a_sentence(tmp_path):
    (tmp_path / "mine.json").write_bytes(b"\xff\xfe")

    with pytest.raises(FieldError, match=r"mine\.json cannot be read"):
        saved.load(tmp_path, "mine")


def test_a_request_that_names_them_counts_before_them(tmp_path):
    saved.save(tmp_path, "mine", text_of(strength=0.3, tries=2))

    values = saved.expand({"enabled": True, "saved": "mine", "tries": 5}, tmp_path)

    assert values == {"enabled": True, "strength": 0.3, "tries": 5}
    assert saved.expand({"tries": 5}, tmp_path) == {"tries": 5}
    with pytest.raises(FieldError, match="saved must be one of subtle, normal, strong, mine"):
        saved.expand({"saved": "other"}, tmp_path)


def test_everything_that_says_how_to_repair_is_kept():
    left_out = {one.name for one in FIELDS} - {one.name for one in saved.KEPT}

    assert left_out == {"enabled", "seed_offset", "inpaint_parts", "skip_img2img"}
    assert json.loads(saved.text_of({}))["settings"] == {}
