from __future__ import annotations

import re
import shutil

from realishuman.webui.models_tab.next_steps import MAKE, next_steps
from realishuman.webui.models_tab.page import inventory

NOW = "Hands are repaired; faces are left alone (no trained pack; see the Models page)."


def lines_of(text):
    return re.findall("<li>(.*?)</li>", text)


def test_a_new_user_reads_three_lines(tmp_path):
    now, faces, paper = lines_of(next_steps(inventory(tmp_path).files, NOW))

    assert now == "Now: Hands are repaired; faces are left alone (no trained pack)."
    assert faces.startswith("To repaint faces, or everything in the style of your checkpoint: ")
    assert MAKE in paper


def test_where_a_pack_is_there_only_the_other_is_missing(tmp_path, trained_pack):
    shutil.copy(trained_pack, tmp_path / "hand.safetensors")

    assert len(lines_of(next_steps(inventory(tmp_path).files, NOW))) == 3
    assert "Now" not in next_steps((), "")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "hand.safetensors").write_bytes(b"x")

    damaged = lines_of(next_steps(inventory(tmp_path).files, ""))[0]

    assert damaged.startswith("Damaged: hand.safetensors.")
