"""A run's folder: locked by one process, with checkpoint, weights, curve and samples in it."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from realishuman.errors import TrainingError
from realishuman.files.guard import locked, room
from realishuman.files.whole import whole_file
from realishuman.train.curve import curve_svg

COLUMNS = ("step", "loss", "learning_rate", "gradient_norm", "seconds")


class RunFolder:
    """Files of one stage's run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.curve_path = path / "curve.csv"
        self.checkpoint_path = path / "checkpoint.pt"
        self.weights_path = path / "weights.safetensors"
        self._pending: list[tuple[Any, ...]] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs out. Raises SettingsError if one is using the folder."""
        with locked(self.path, "training"):
            yield

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; the old one stays until the new one is whole."""
        with room(self.path), whole_file(self.checkpoint_path) as file:
            torch.save(dict(state), file)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The checkpoint, or None if the run is new. Raises TrainingError if it is damaged."""
        if not self.checkpoint_path.is_file():
            return None
        try:
            state: dict[str, Any] = torch.load(
                self.checkpoint_path, map_location="cpu", weights_only=True
            )
        except Exception as error:
            raise TrainingError(
                f"{self.checkpoint_path} cannot be read ({error}): move it away to begin anew."
            ) from error
        return state

    def save_weights(self, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Replace the weights, which are named as in a pack."""
        plain = {
            name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()
        }
        with room(self.path), whole_file(self.weights_path) as file:
            file.write(save(plain, dict(metadata)))

    def record(self, *row: Any) -> None:
        """Remember one line of the curve, in the order of COLUMNS."""
        self._pending.append(row)

    def flush_curve(self) -> None:
        """Append what was recorded to curve.csv."""
        with room(self.path):
            new = not self.curve_path.exists()
            with self.curve_path.open("a", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerows([COLUMNS] * new + self._pending)
        self._pending.clear()

    def draw_curve(self) -> None:
        """Draw curve.csv as curve.svg beside it; lines that are cut off or damaged are left out."""
        self.flush_curve()
        with self.curve_path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS)]
        rows = [row for row in rows if row[0].isdigit()]
        picture = curve_svg(self.path.name, [int(r[0]) for r in rows], [float(r[1]) for r in rows])
        with room(self.path), whole_file(self.path / "curve.svg") as binary:
            binary.write(picture.encode())

    def cut_curve(self, steps: int) -> None:
        """Forget lines after step `steps`, which are about to be made again."""
        if self.curve_path.exists():
            with self.curve_path.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.reader(file) if len(row) == len(COLUMNS)]
            kept = [row for row in rows if row[0].isdigit() and int(row[0]) <= steps]
            with room(self.path), whole_file(self.curve_path) as binary:
                lines = [",".join(row) + "\r\n" for row in [COLUMNS, *kept]]
                binary.write("".join(lines).encode())
