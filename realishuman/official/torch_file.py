"""Opens checkpoints that PyTorch Lightning wrote: tensors beside configuration objects.

Their pickles name classes of other packages. Those become inert tables, and any name that is not in
the list is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from realishuman.official.stand_ins import STAND_INS
from realishuman.packs.checkpoint import Checkpoint, open_checkpoint


class _Table(dict[Any, Any]):
    """Stands in for configuration classes that are dictionaries."""

    def __setstate__(self, _state: Any) -> None:
        """Drop what is not in the table itself."""


_KNOWN = {
    **STAND_INS,
    "yacs.config.CfgNode": _Table,
    "pytorch_lightning.utilities.parsing.AttributeDict": _Table,
    "lightning_fabric.utilities.data.AttributeDict": _Table,
}


def open_lightning(path: Path, expected: str) -> Checkpoint:
    """Open a Lightning checkpoint; its state_dict is read from disk as it is asked for.

    expected  the file that was asked for and where to get it, in words for the message.
    Raises    PackError when it is missing, damaged, of another kind, or asks to run code.
    """
    return open_checkpoint(path, expected, known=_KNOWN)
