from __future__ import annotations

import os

import pytest

from realishuman.files.whole import fitting_name, whole_file


def test_the_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "a.bin"

    with whole_file(path) as file:
        file.write(b"new")
        assert not path.exists()

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_broken_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    with pytest.raises(type(error)):
        with whole_file(path) as file:
            file.write(b"half")
            raise error

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["手" * 80 + ".png", "a" * 251 + ".bin", "é" * 124 + ".jpeg"])
def test_a_file_with_the_longest_name_a_disk_takes_is_written(tmp_path, name):
    assert 240 < len(os.fsencode(name)) <= 255

    with whole_file(tmp_path / name) as file:
        file.write(b"new")

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_made_longer_still_fits_and_differs_from_its_neighbours():
    long = "手" * 80
    names = [fitting_name(long + end, "-compare.png") for end in "ab"]

    assert fitting_name("hand", "-compare.png") == "hand-compare.png"
    assert all(len(os.fsencode(name)) <= 255 for name in names)
    assert all(name.startswith("手手") and name.endswith("-compare.png") for name in names)
    assert names[0] != names[1]
