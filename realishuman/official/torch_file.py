"""Opens checkpoints that PyTorch Lightning wrote: tensors beside configuration objects.

torch's own safe reader refuses such a file, because it names classes of other packages. Here those
become inert tables, and any name that is not in the list is refused (see official/pickles.py).
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from realishuman.official.pickles import RefusedError
from realishuman.official.stand_ins import STAND_INS, Inert
from realishuman.weights.checkpoint import Checkpoint, open_checkpoint


class _Table(dict[Any, Any]):
    """Stands in for configuration classes that are dictionaries."""

    def __setstate__(self, _state: Any) -> None:
        """Drop what is not in the table itself."""


class _Rebuilt(Inert):
    """Stands in for the function that makes a tensor of a storage; its name is the file format."""

    def __new__(cls, *parts: Any) -> Any:
        """Return the tensor."""
        rebuild: Any = torch._utils._rebuild_tensor_v2  # untyped
        return rebuild(*parts)


_KNOWN = {
    **STAND_INS,
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _Rebuilt,
    "torch.Size": torch.Size,
    "yacs.config.CfgNode": _Table,
    "pytorch_lightning.utilities.parsing.AttributeDict": _Table,
    "lightning_fabric.utilities.data.AttributeDict": _Table,
}


class _Reader(pickle.Unpickler):
    """Unpickler that torch.load adds storages to, and that knows nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name stands for, or raise RefusedError."""
        if f"{module}.{name}" not in _KNOWN:
            raise RefusedError(f"{module}.{name}")
        return _KNOWN[f"{module}.{name}"]


def open_lightning(path: Path, expected: str) -> Checkpoint:
    """Open a Lightning checkpoint; its state_dict is read from disk as it is asked for.

    expected  the file that was asked for and where to get it, in words for the message.
    Raises    PackError when it is missing, damaged, of another kind, or asks to run code.
    """
    return open_checkpoint(
        path, expected, reader=SimpleNamespace(__name__=__name__, Unpickler=_Reader)
    )
