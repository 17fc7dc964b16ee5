"""Whatever happens to a pack while it is in use: a sentence, and the next picture works again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from realishuman.packs.random_pack import random_pack
from tests.webui.host.changing import CASES, WITHIN

ROOT = Path(__file__).parents[3]
SAYS = {
    "truncate": "is being written or is incomplete: it has 1,000 of",
    "copy_slowly": "is being written or is incomplete",
    "replace": "was changed or replaced",
    "overwrite": "was changed or replaced",
    "spoil": "was changed or replaced",
    "delete": "does not exist",
    "rename": "does not exist",
    "forbid": "may not be read",
    "be_a_folder": "is a folder",
}
AT_FIRST = {  # before anything was read
    "replace": "1 of 1 parts refined.",
    "delete": "is no pack for hands",
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, hand_pack):
    """What the process printed, by fault and moment; one that died did not try the rest."""
    folder = tmp_path_factory.mktemp("changing")
    shutil.copy(hand_pack, folder / "whole")
    random_pack(folder / "other.safetensors", "hand", resolution=128, seed=1)
    (folder / "other.safetensors").rename(folder / "other")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)  # for the process that becomes another user

    done = subprocess.run(
        [sys.executable, "-m", "tests.webui.host.changing", folder],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {(one["fault"], one["moment"]): one for one in lines}, done


@pytest.mark.parametrize(("fault", "moment"), CASES)
def test_a_pack_that_changes_ends_in_a_sentence(outcomes, fault, moment):
    found, done = outcomes
    if fault == "forbid" and (not hasattr(os, "geteuid") or os.geteuid()):
        pytest.skip("only root can become another user")
    assert (fault, moment) in found, f"the process ended with {done.returncode}: {done.stderr}"
    one = found[fault, moment]

    wanted = AT_FIRST.get(fault, SAYS[fault]) if moment == "opening" else SAYS[fault]

    assert wanted in one["then"]
    assert one["next"].startswith("1 of 1 parts refined.") or moment != WITHIN
