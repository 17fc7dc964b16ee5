"""Pairs of photographs on disk; rendered good hands stand in for photographs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from realishuman.errors import SettingsError
from realishuman.evaluate.photographed import NONE, Photographed
from realishuman.progress import Silent
from realishuman.synthetic.sample import sample


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for seed in (1_000_000_019, 1_000_000_003):
        Image.fromarray(sample(seed, 256, "bent finger").clean).save(folder / f"{seed}.png")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "empty.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return sorted(folder.iterdir())


def test_pairs_are_made_once_and_read_again(photographs, tmp_path, monkeypatch):
    pairs = Photographed(photographs, tmp_path, 1, Silent())
    first = pairs(0, 0, "")

    monkeypatch.setattr("realishuman.evaluate.photographed._pair", None)  # nothing is made again
    again = Photographed(photographs, tmp_path, 1, Silent())(0, 0, "")

    assert np.array_equal(first.malformed, again.malformed)
    assert first.kind == again.kind
    assert (first.malformed != first.clean).any()


def test_the_order_of_the_files_does_not_matter(photographs, tmp_path):
    one = Photographed(photographs, tmp_path / "a", 1, Silent())
    other = Photographed(photographs[::-1], tmp_path / "b", 1, Silent())

    assert np.array_equal(one(0, 0, "").malformed, other(0, 0, "").malformed)


def test_too_few_photographs_are_said_and_those_without_a_hand_remembered(photographs, tmp_path):
    with pytest.raises(SettingsError, match=r"4 photographs give [12] pairs, but 9 are asked for"):
        Photographed(photographs, tmp_path, 9, Silent())

    assert len(list(tmp_path.rglob(f"*{NONE}"))) >= 2
