"""Reads tensors by name from other people's checkpoint files, from disk as they are asked for.

Files are told apart by their first bytes, not by their names. Nothing in a pickle is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from realishuman.errors import PackError
from realishuman.files.steady import unreadable
from realishuman.packs.shapes import Shape
from realishuman.packs.tensor_file import TensorFile
from realishuman.packs.torch_zip import PickleRefusedError, StoredTensor, TorchZip

RANDOM_KEY, RANDOM = "weights", "random"  # what tools that write such files say beside the tensors
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"


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

    def with_names(self, rename: Callable[[str], str]) -> Checkpoint:
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
    path: str | Path,
    expected: str,
    *,
    inside: str = "state_dict",
    known: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Open a safetensors file or what torch.save wrote; a `module.` before all names is dropped.

    expected  the file that was asked for, in words for the message.
    inside    key of the table of tensors, where torch.save wrote more than that table.
    known     further names that a pickle may use, and what they stand for; must be inert.
    Raises    PackError when it is missing, damaged, of another kind, or asks to run code; so does
              its load when the file was changed since.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError as error:
        raise PackError(f"{unreadable(path, error)} Expected: {expected}") from error
    try:
        if start[8:9] == b"{":
            checkpoint = _open_safetensors(path)
        elif start.startswith(_ZIP):
            checkpoint = _open_torch(path, expected, inside, known or {})
        else:
            raise PackError(f"{path} {_describe_unknown(start)}")
    except PackError as error:
        raise PackError(f"{error} Expected: {expected}") from error
    if checkpoint.shapes and all(name.startswith("module.") for name in checkpoint.shapes):
        return checkpoint.with_names(lambda name: name.removeprefix("module."))
    return checkpoint


def _open_safetensors(path: Path) -> Checkpoint:
    file = TensorFile.open(path)
    return Checkpoint(path, {name: one.shape for name, one in file.tensors.items()}, file.read)


def _open_torch(path: Path, expected: str, inside: str, known: Mapping[str, Any]) -> Checkpoint:
    try:
        file = TorchZip.open(path, known)
    except PickleRefusedError as error:
        raise PackError(
            f"{path} was refused: it contains more than tensors, and reading those would run "
            f"code from the file (it asks for {error}). Use the unchanged official file."
        ) from error
    around = file.contents if isinstance(file.contents, dict) else {}
    step, random = around.get("global_step", 0), around.get(RANDOM_KEY) == RANDOM
    tensors = around.get(inside, file.contents)
    if not isinstance(tensors, dict) or not all(
        isinstance(one, StoredTensor) for one in tensors.values()
    ):
        raise PackError(f"{path} contains no table of named tensors.")
    table = {str(name): one for name, one in tensors.items()}
    shapes = {name: one.shape for name, one in table.items()}
    return Checkpoint(
        path,
        shapes,
        lambda name: file.read(table[name]),
        step if isinstance(step, int) else 0,
        random,
    )


def _describe_unknown(start: bytes) -> str:
    if not start:
        return "is empty: the download did not finish."
    if start.startswith(_PICKLE):
        return (
            "is in the format torch.save wrote before version 1.6, which cannot be read from "
            "disk piece by piece. Use the safetensors file, or save it again with a current "
            "torch."
        )
    if start.lstrip().startswith((b"<", b"version h")):  # "version https://git-lfs..."
        return "is a web page or a Git LFS pointer, not the file itself: fetch it again."
    return "is neither a safetensors file nor one that torch.save wrote."
