"""What a run of protocol A has measured so far, on disk: the same command goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from realishuman.errors import SettingsError
from realishuman.evaluate.measures import Measures
from realishuman.evaluate.run import PairResult
from realishuman.files.guard import room
from realishuman.files.whole import whole_file

FACTS = "run.json"
FOLDER = "measured"


class Kept:
    """Results of pairs in a folder, one file each.

    facts   what the results depend on; they and the measures' names must be those of the run
            that began the folder.
    Raises  SettingsError if they are not.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.folder = folder / FOLDER
        now = {**facts, "measures": [field.name for field in fields(Measures)]}
        now = json.loads(json.dumps(now))  # lists for tuples, as in the file
        path = self.folder / FACTS
        self.folder.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            _check(path, now)
            return
        with room(folder), whole_file(path) as file:
            file.write(json.dumps(now, indent=1).encode())

    def load(self, number: int) -> PairResult | None:
        """The result of this pair; None if there is none, or its file is damaged."""
        try:
            with self._path(number).open("rb") as opened, np.load(opened) as file:
                about = json.loads(bytes(file["about"]))
                return PairResult(
                    [Measures(**one) for one in about["measures"]],
                    {
                        (method, pose, name): file[f"feature{i}"]
                        for i, (method, pose, name) in enumerate(about["features"])
                    },
                    [(name, file[f"picture{i}"]) for i, name in enumerate(about["row"])],
                )
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None

    def save(self, number: int, pair: PairResult) -> None:
        """Keep a result. Raises TrainingError if the disk is full."""
        about = {
            "measures": [asdict(one) for one in pair.measures],
            "features": list(pair.features),
            "row": [name for name, _ in pair.row],
        }
        arrays: dict[str, Any] = {
            f"feature{i}": each for i, each in enumerate(pair.features.values())
        }
        arrays |= {f"picture{i}": each for i, (_, each) in enumerate(pair.row)}
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        with room(self.folder), whole_file(self._path(number)) as file:
            np.savez_compressed(file, about=text, **arrays)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.npz"


def _check(path: Path, now: Mapping[str, Any]) -> None:
    try:
        then = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        then = {}
    if wrong := [name for name in {**then, **now} if then.get(name) != now.get(name)]:
        changes = ", ".join(f"{name} was {then.get(name)!r}" for name in wrong)
        raise SettingsError(
            f"{path.parent} holds a run with other settings ({changes}): repeat it as it was, "
            f"name another folder with -o, or delete {path.parent} to begin anew."
        )
