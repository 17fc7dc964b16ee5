"""Temporary files of processes that were killed, and of those that still write."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from realishuman.files.held import hold
from realishuman.files.whole import remove_leftovers, whole_file

KILLED = """
import os, signal, sys
from pathlib import Path
from realishuman.files.whole import whole_file
with whole_file(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows kills otherwise")
def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / ".foreign.part").write_bytes(b"")
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a.png")], check=False)
    assert ended.returncode == -signal.SIGKILL
    left = {one.name for one in tmp_path.iterdir()}
    assert len(left) == 2  # else there is nothing to remove

    with whole_file(tmp_path / "b.png") as file:
        file.write(b"whole")
        remove_leftovers(tmp_path)

    assert {one.name for one in tmp_path.iterdir()} == {".foreign.part", "b.png"}
    assert (tmp_path / "b.png").read_bytes() == b"whole"


def test_a_file_that_is_done_but_not_renamed_yet_is_no_leftover(tmp_path):
    with whole_file(tmp_path / "a.png", check=lambda _: remove_leftovers(tmp_path)) as file:
        file.write(b"whole")

    assert (tmp_path / "a.png").read_bytes() == b"whole"


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path):
    remove_leftovers(tmp_path / "none")


def test_only_one_process_holds_a_file(tmp_path):
    path = tmp_path / "file"
    with path.open("w") as file:
        assert hold(file)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert not pool.apply(_can_hold, (path,))
    with path.open("w") as file:
        assert hold(file)


def _can_hold(path):
    with path.open("r+") as file:
        return hold(file)


def test_a_drive_without_locks_is_mentioned(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(os.strerror(95))

    if sys.platform == "win32":
        monkeypatch.setattr("msvcrt.locking", refuse)
    else:
        monkeypatch.setattr("fcntl.flock", refuse)
    with (tmp_path / "file").open("w") as file:
        assert hold(file)
    assert "cannot be locked" in caplog.text
