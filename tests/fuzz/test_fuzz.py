"""The short form of `python -m tests.fuzz`: whatever is read, nothing but sentences of ours."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realishuman.imaging.picture import picture_from
from tests.fuzz import seeds
from tests.fuzz.targets import REFUSED, TARGETS, Escape, attack, confined

INPUTS = 60


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.mark.filterwarnings("ignore")  # Pillow's and numpy's, on what is damaged
@pytest.mark.parametrize("name", TARGETS)
def test_a_spoilt_input_is_read_or_refused_with_a_sentence(name, place):
    for number in range(INPUTS):
        try:
            attack(name, place, number)
        except Exception as error:
            raise AssertionError(f"input {number} of {name}") from error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=INPUTS // 2)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_with_a_sentence(name, place, content):
    with confined(place), suppress(*REFUSED):
        TARGETS[name].read(content, place)


@pytest.mark.parametrize("name", TARGETS)
def test_the_sound_inputs_are_what_they_should_be(name, place):
    """Else nothing behind the first check would ever be reached."""
    taken = 0
    for content in TARGETS[name].seeds():
        try:
            TARGETS[name].read(content, place)
            taken += 1
        except REFUSED:
            pass
    assert taken or name in ("mano", "face model")  # nobody may pass on a sound one


def test_what_no_input_may_do_is_noticed(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path.parent.parent / "outside"
    inside.mkdir()
    import tempfile

    kept, tempfile.tempdir = tempfile.tempdir, str(inside)
    try:
        with confined(inside):
            (inside / "x").write_text("may be")
            with pytest.raises(Escape, match="outside"):
                outside.write_text("may not be")
            with pytest.raises(Escape, match="Popen"):
                subprocess.run([sys.executable, "-c", ""], check=False)
    finally:
        tempfile.tempdir = kept
    assert not outside.exists()


def test_the_pictures_to_spoil_have_every_format_that_is_read():
    forms = set()
    for content in seeds.pictures():
        try:
            picture_from(content, "it")
        except REFUSED as error:
            forms.add("refused " + str(error).partition(";")[0])
        else:
            forms.add(content[:4])
    assert len(forms) >= 8
