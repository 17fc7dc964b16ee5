"""What a run does to each of its pictures, as plain data that any process can be handed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from realishuman import __version__
from realishuman.backbones.wishes import Wishes
from realishuman.detect.base import GivenBox
from realishuman.errors import PackError
from realishuman.packs.store import RANDOM
from realishuman.pipeline.engines import engine_of
from realishuman.pipeline.models import Models
from realishuman.pipeline.standalone import (
    find_named_packs,
    lacking,
    open_models,
    packs_for,
    remarks,
)
from realishuman.settings import PACK, Settings


@dataclass(frozen=True)
class Job:
    """What is done to each picture, and with which networks.

    boxes       places to search instead of the whole picture.
    only        numbers of the parts that may be refined; None means all.
    describe    write into each refined picture what was done to it, as WebUIs do.
    packs       files, or names of sets of installed packs; empty for the trained ones.
    device, precision, checkpoint, wishes   as for open_models.
    """

    settings: Settings
    boxes: tuple[GivenBox, ...] = ()
    only: tuple[int, ...] | None = None
    describe: bool = True
    packs: tuple[str, ...] = ()
    device: str = "auto"
    precision: str = "auto"
    checkpoint: str | None = None
    wishes: Wishes = field(default_factory=Wishes)

    @property
    def packed_kinds(self) -> tuple[str, ...]:
        """The kinds of part that a pack would repaint; of others, packs may be damaged."""
        settings = self.settings
        kinds = [one for one in settings.parts if engine_of(one, settings.engine, True) == PACK]
        return tuple(kinds or (settings.parts if self.packs else ()))

    @contextmanager
    def open(self) -> Iterator[Models]:
        """The networks, opened for as long as the block runs.

        Raises SettingsError, PackError or ModelError if no picture can be refined with them.
        """
        settings = self.settings
        with packs_for(self.packs, self.packed_kinds) as packs:
            models = open_models(
                packs,
                self.device,
                self.precision,
                checkpoint=self.checkpoint,
                wishes=self.wishes,
            )
            models.detector_for(settings.detector)  # before any picture: its files may be missing
            if not self.packs:
                models.remarks, models.lacking = remarks(), lacking(settings.parts)
            elif not models.packs.keys() & set(settings.parts):
                raise PackError(
                    f"{', '.join(self.packs)} repairs parts of kind {', '.join(models.packs)}, but "
                    f"--parts asks for {', '.join(settings.parts)}: name another pack or other "
                    "parts."
                )
            yield models

    def fingerprint(self) -> str:
        """Differs where results may differ: by version, options, packs. Not by the device."""
        names = [name for name in self.packs if name != RANDOM]
        files = find_named_packs(names, self.packed_kinds) if names or not self.packs else []
        if self.checkpoint is not None:
            files.append(Path(self.checkpoint))
        stamps = [(str(path), path.stat().st_mtime_ns) for path in files if path.exists()]
        text = repr((__version__, replace(self, device=""), stamps))
        return hashlib.sha256(text.encode()).hexdigest()
