"""A kind of part is one entry: another is found, painted and configured like hands and faces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realishuman.kinds import KINDS, PartKind, list_released, load, register
from realishuman.webui.fields import FIELDS

HERE = Path(__file__).parent
REFERENCES = [
    (kind.name, spec.name, getattr(kind, spec.name))
    for kind in KINDS.values()
    for spec in fields(PartKind)
    if spec.type == "Reference" and getattr(kind, spec.name)
]


@pytest.mark.parametrize(("kind", "name", "reference"), REFERENCES)
def test_every_reference_of_an_entry_leads_somewhere(kind, name, reference):
    assert load(reference) is not None


def test_the_authors_published_weights_for_hands_and_faces():
    assert list_released() == ("hand", "face")


def test_a_kind_is_registered_once_and_before_the_settings_are_made():
    hand = KINDS["hand"]

    with pytest.raises(ValueError, match="already is a kind of part named 'hand'"):
        register(hand)
    with pytest.raises(ValueError, match="before the kind 'logo' was registered; register it"):
        register(PartKind("logo", "logos", (0, 0, 0), hand.masks, "a:b", "a:b", "a:b"))


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A red square on grey."""
    path = tmp_path_factory.mktemp("logo") / "logo.png"
    pixels = np.full((128, 160, 3), 120, np.uint8)
    pixels[40:88, 50:98] = (200, 0, 0)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def used(picture):
    """What use_logo.py says. In a process of its own: settings are made at the first import."""
    paths = os.pathsep.join([str(HERE.parent), str(HERE)])
    run = subprocess.run(
        [sys.executable, str(HERE / "use_logo.py"), str(picture), str(picture.parent)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return json.loads((picture.parent / "answers.json").read_text())


def test_another_kind_is_refined_through_python(used, picture):
    before, after = (np.array(Image.open(p)) for p in (picture, picture.parent / "api.png"))
    rows, columns = np.nonzero((before != after).any(axis=2))

    [part] = used["report"]["parts"]
    assert (part["kind"], part["outcome"]) == ("logo", "refined")
    assert len(rows) > 500
    assert 30 < rows.min() <= 40 < 88 <= rows.max() + 1 < 98
    assert 40 < columns.min() <= 50 < 98 <= columns.max() + 1 < 108


def test_another_kind_is_refined_on_the_command_line(used, picture):
    by_python, by_command = (
        np.array(Image.open(picture.parent / name)) for name in ("api.png", "cli/logo.png")
    )

    assert used["code"] == 0
    np.testing.assert_array_equal(by_command, by_python)
    assert "logo" in (picture.parent / "report.json").read_text()


def test_another_kind_has_its_fields_in_the_webui_behind_the_known_ones(used):
    own = ["logo_confidence", "logo_dilate", "logo_erode", "logo_pack"]

    assert [name for name in used["order"] if name not in own] == [one.name for one in FIELDS]
    assert not set(used["order"][:28]) & set(own)
    assert used["schema"]["parts"]["items"]["enum"] == ["hand", "face", "logo"]
    assert used["schema"]["logo_dilate"]["description"].endswith(", for logos only")
    assert used["schema"]["logo_pack"]["description"].endswith(
        "or leave logos alone if there is none"
    )
    groups = dict(used["groups"])
    assert groups["Logos"] == ["logo_pack", "logo_confidence", "logo_dilate", "logo_erode"]


def test_infotext_and_requests_know_another_kind(used):
    settings, packs, kind = used["request"]

    assert used["infotext"]["RealisHuman logo dilate"] == "9"
    assert used["packs"]["logo"] == "mine"
    assert (settings["logo_erode"], packs, kind) == (3, {"logo_pack": "mine"}, "logo")
