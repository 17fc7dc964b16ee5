from __future__ import annotations

import pytest

from realishuman.files import whole_file


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
