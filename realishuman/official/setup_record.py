"""What `setup official` has made, and from which files: so that a rerun does only what is left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from realishuman.errors import ModelError
from realishuman.files.whole import whole_file

NAME = "setup-official.json"  # in the models folder


def is_done(folder: Path, feature: str, sources: Mapping[str, Path], variant: str) -> bool:
    """Whether a feature was made so and nothing was changed since: neither products nor sources.

    variant  what else decides how it is made, in a word.
    Sources that are gone do not count: they may be deleted once a feature is made.
    """
    entry = _read(folder).get(feature)
    if not isinstance(entry, dict) or entry.get("variant") != variant:
        return False
    products = entry.get("products") or {"": -1}
    if products != _sizes(folder, list(products)):
        return False
    before = entry.get("sources", {})
    return all(before.get(name) == _stamp(path) for name, path in sources.items())


def remember(
    folder: Path,
    feature: str,
    products: Sequence[str],
    sources: Mapping[str, Path],
    variant: str,
) -> None:
    """Note that a feature was made. Raises ModelError if that cannot be written."""
    entries = _read(folder)
    entries[feature] = {
        "variant": variant,
        "products": _sizes(folder, products),
        "sources": {name: _stamp(path) for name, path in sources.items()},
    }
    try:
        with whole_file(folder / NAME) as file:
            file.write((json.dumps(entries, indent=2) + "\n").encode())
    except OSError as error:
        raise ModelError(f"{folder / NAME} could not be written: {error}") from error


def strangers(folder: Path, feature: str, products: Sequence[str]) -> list[Path]:
    """Products that are there but were not made by us: they must not be replaced unasked."""
    entry = _read(folder).get(feature)
    ours = entry.get("products", {}) if isinstance(entry, dict) else {}
    return [folder / name for name in products if (folder / name).exists() and name not in ours]


def _read(folder: Path) -> dict[str, Any]:
    """The record; an unreadable one is none, everything is then made again."""
    try:
        entries = json.loads((folder / NAME).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _sizes(folder: Path, products: Sequence[str]) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in products if (folder / name).is_file()}


def _stamp(path: Path) -> list[int]:
    """Size and time of change, in nanoseconds."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns]
