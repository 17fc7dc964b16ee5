"""Reads tensors by name from other people's checkpoint files, from disk as they are asked for.

Files are told apart by their first bytes, not by their names. Pickles are read with
weights_only=True, so nothing in them can run code.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from realishuman.errors import PackError
from realishuman.weights.shapes import Shape

RANDOM_KEY, RANDOM = "weights", "random"  # what tools that write such files say beside the tensors
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_DAMAGED = (
    *(RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, TypeError),
    *(AttributeError, AssertionError),  # torch's reader, of a pickle that makes no sense
)


@dataclass(frozen=True)
class Checkpoint:
    """An opened checkpoint: shapes by name, and a way to get a tensor.

    step    training step it says it was saved at, 0 if it does not say.
    random  whether it says that it holds random numbers.
    """

    path: Path
    shapes: Mapping[str, Shape]
    load: Callable[[str], Tensor]
    step: int = 0
    random: bool = False

    def renamed(self, rename: Callable[[str], str]) -> Checkpoint:
        """The same tensors under other names."""
        old = {rename(name): name for name in self.shapes}
        shapes = {new: self.shapes[name] for new, name in old.items()}
        return Checkpoint(
            self.path, shapes, lambda name: self.load(old[name]), self.step, self.random
        )

    def group(self, prefix: str) -> dict[str, Shape]:
        """Shapes of the tensors whose names start with `prefix`, by the rest of the name."""
        return {n[len(prefix) :]: s for n, s in self.shapes.items() if n.startswith(prefix)}


def open_checkpoint(
    path: str | Path, expected: str, *, inside: str = "state_dict", reader: Any = None
) -> Checkpoint:
    """Open a safetensors file or what torch.save wrote; a `module.` before all names is dropped.

    expected  the file that was asked for, in words for the message.
    inside    key of the table of tensors, where torch.save wrote more than that table.
    reader    what torch.load takes as pickle_module, if its own safe reader will not do; must be as
              safe.
    Raises    PackError when it is missing, damaged, of another kind, or asks to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise PackError(f"{path} does not exist or is no file. Expected: {expected}")
    try:
        with path.open("rb") as file:
            start = file.read(9)
        if start[8:9] == b"{":
            checkpoint = _open_safetensors(path)
        elif start.startswith(_ZIP):
            checkpoint = _open_torch(path, expected, inside, reader)
        else:
            raise PackError(f"{path} {_unknown(start)} Expected: {expected}")
    except (SafetensorError, *_DAMAGED) as error:
        raise PackError(
            f"{path} cannot be read, it is truncated or damaged ({_line(error)}). Fetch it again; "
            f"expected: {expected}"
        ) from error
    if checkpoint.shapes and all(name.startswith("module.") for name in checkpoint.shapes):
        return checkpoint.renamed(lambda name: name.removeprefix("module."))
    return checkpoint


def _open_safetensors(path: Path) -> Checkpoint:
    file: Any = safe_open(path, framework="pt")  # untyped
    shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    return Checkpoint(path, shapes, file.get_tensor)


def _open_torch(path: Path, expected: str, inside: str, reader: Any) -> Checkpoint:
    try:
        raw: Any = torch.load(
            str(path),
            map_location="cpu",
            weights_only=reader is None,
            pickle_module=reader,
            mmap=True,
        )
    except pickle.UnpicklingError as error:
        raise PackError(
            f"{path} was refused: it holds more than tensors, and to read that would run code from "
            f"the file ({_line(error)}). Use the unchanged official file: {expected}"
        ) from error
    around = raw if isinstance(raw, dict) else {}
    step, random = around.get("global_step", 0), around.get(RANDOM_KEY) == RANDOM
    tensors = around.get(inside, raw)
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise PackError(f"{path} holds no table of tensors by name. Expected: {expected}")
    shapes = {str(name): tuple(tensor.shape) for name, tensor in tensors.items()}
    return Checkpoint(
        path, shapes, tensors.__getitem__, step if isinstance(step, int) else 0, random
    )


def _unknown(start: bytes) -> str:
    if not start:
        return "is empty: the download did not finish."
    if start.startswith(_PICKLE):
        return (
            "is in the format torch.save wrote before version 1.6, which cannot be read from disk "
            "piece by piece. Use the safetensors file, or save it anew with a current torch."
        )
    if start.lstrip().startswith((b"<", b"version h")):  # "version https://git-lfs..."
        return "is a web page or a Git LFS pointer, not the file itself: fetch it again."
    return "is neither a safetensors file nor one that torch.save wrote."


def _line(error: Exception) -> str:
    """First sentence of a message that may run over many lines."""
    return str(error).strip().split("\n")[0].split(". ")[0] or type(error).__name__
