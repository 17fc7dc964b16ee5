from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from realishuman.pipeline.result import Result
from realishuman.progress import Interrupted
from realishuman.webui.tab.folder import refine_folder


def written(source, result):
    return f"{source}|{result.message}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.png"):
        Image.new("RGB", (9, 9), (90, 80, 70)).save(tmp_path / "in" / name)
    return tmp_path


def brightened(rgb):
    return Result(rgb + np.uint8(1), (), "done")


def test_each_picture_is_refined_and_carries_what_was_done(folder):
    lines = refine_folder(str(folder / "in"), str(folder / "out"), brightened, written)

    assert lines[0].startswith("2 of 2 pictures saved")
    with Image.open(folder / "out/b.png") as after:
        assert after.getpixel((0, 0)) == (91, 81, 71)
        assert after.text["parameters"] == "|done"


def test_one_that_fails_in_an_unexpected_way_does_not_stop_the_others(folder):
    called = []

    def first_fails(rgb):
        called.append(rgb)
        if len(called) == 1:
            raise KeyError("a tag")
        return brightened(rgb)

    lines = refine_folder(str(folder / "in"), str(folder / "out"), first_fails, written)

    assert lines[0].startswith("1 of 2 pictures saved")
    assert lines[1].startswith("a.png: failed: unexpected KeyError")
    assert (folder / "out/b.png").exists()


def test_an_interrupt_ends_it_with_what_is_done(folder):
    def stop(rgb):
        raise Interrupted

    lines = refine_folder(str(folder / "in"), str(folder / "out"), stop, written)

    assert lines == [
        f"0 of 2 pictures saved in {folder / 'out'}.", "Interrupted at a.png."
    ]  # fmt: skip
