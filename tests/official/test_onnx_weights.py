"""Weights beside an ONNX file are read once, and what happens to that file later does no harm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from realishuman.errors import ModelError
from realishuman.onnx_files.session import open_session
from realishuman.onnx_files.weights import external_weights
from realishuman.onnx_files.writer import weights_of, whole_pair, write_onnx
from realishuman.progress import Silent

ROOT = Path(__file__).parents[2]
AFTER = """
import os, sys
from pathlib import Path
import numpy as np
from realishuman.onnx_files.session import open_session
path = Path(sys.argv[1])
session = open_session(path, None, provider="cpu")
os.truncate(f"{path}.data", 10)
sys.stdout.write(str(session.run(x=np.full((1,), 70_000, np.int64))["y"].tolist()))
"""


class Table(nn.Module):
    """Looks rows up: onnxruntime keeps no copy of such a table."""

    def __init__(self, rows=80_000):
        super().__init__()
        self.table = nn.Parameter(torch.arange(2.0 * rows).reshape(rows, 2))
        self.factor = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x):
        return self.table[x] * self.factor


def write(target, net):
    with whole_pair(target) as draft:
        write_onnx(
            net.eval(),
            {"x": torch.zeros(1, dtype=torch.int64)},
            ["y"],
            draft,
            half=lambda _name, _values: False,
            constants={},
            note={},
            progress=Silent(),
        )
    return target


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "a.onnx", Table())


def test_all_weights_are_found_in_the_file_beside_it(path):
    found = external_weights(path)

    shapes = sorted(one.shape for one in found.values())
    assert shapes == [(1,), (80_000, 2)]
    assert sum(one.nbytes for one in found.values()) == 640_004


def test_a_network_whose_weights_are_cut_short_runs_on(path):
    done = subprocess.run(
        [sys.executable, "-c", AFTER, path], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, f"it ended with {done.returncode}: {done.stderr}"
    assert done.stdout == "[[70000.0, 70000.5]]"


def test_weights_that_are_cut_short_before_are_named(path):
    weights_of(path).write_bytes(weights_of(path).read_bytes()[:100])

    with pytest.raises(ModelError, match=r"a\.onnx\.data is being written or is incomplete.*both"):
        open_session(path, None, provider="cpu")


def test_a_replaced_network_is_used_at_the_next_run(path, tmp_path):
    session = open_session(path, None, provider="cpu")
    row = np.full((1,), 3, np.int64)
    assert session.run(x=row)["y"].tolist() == [[3.0, 3.5]]
    other = Table()
    other.factor.data[:] = 2.0

    write(path, other)

    assert session.run(x=row)["y"].tolist() == [[12.0, 14.0]]
    path.unlink()
    assert session.run(x=row)["y"].tolist() == [[12.0, 14.0]]


@pytest.mark.parametrize("content", [b"", b"not a network", bytes(range(256)), b"\x3a\xff\xff"])
def test_what_is_no_network_is_left_to_onnxruntime(tmp_path, content):
    (tmp_path / "a.onnx").write_bytes(content)

    assert external_weights(tmp_path / "a.onnx") == {}
    with pytest.raises(ModelError, match=r"a\.onnx"):
        open_session(tmp_path / "a.onnx", None, provider="cpu")
