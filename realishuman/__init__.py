"""Repair malformed hands and faces in generated pictures, by the method of RealisHuman.

Importing this package costs nothing: `refine` and what it needs are imported at the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from realishuman.pipeline.refine import refine
    from realishuman.pipeline.result import Result
    from realishuman.pipeline.standalone import open_models
    from realishuman.settings import Settings

__version__ = "0.1.0"
__all__ = ["Result", "Settings", "__version__", "open_models", "refine"]

_HOME = {
    "open_models": "realishuman.pipeline.standalone",
    "refine": "realishuman.pipeline.refine",
    "Result": "realishuman.pipeline.result",
    "Settings": "realishuman.settings",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module 'realishuman' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
