"""The one place of a WebUI process where parts are found and refined; keeps models for next time.

Script, tab, routes and Extras all come here: they bind the engine to the packs and the device that
were chosen, and work with the BoundEngine. A lock lets one of them work at a time: detector and
networks are shared, and so is the host's device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from realishuman.packs.store import files, find_installed, set_of
from realishuman.pipeline.engines import why_left_alone
from realishuman.progress import Progress
from realishuman.settings import AUTO, PART_KINDS, Settings
from realishuman.webui.host.chosen import (
    choose_packs,
    explain_lacking,
    keep_packed,
    list_remarks,
)

if TYPE_CHECKING:  # torch, onnxruntime and kornia are needed with the first picture, not before
    from realishuman.detect.base import Detector, GivenBox
    from realishuman.parts.found import Found
    from realishuman.parts.origin import Origin
    from realishuman.pipeline.models import Models
    from realishuman.pipeline.result import Result
    from realishuman.webui.choices import Choices, Control
    from realishuman.webui.host.host import Host
    from realishuman.webui.host.outlook import Outlook

Pixels = NDArray[np.uint8]
LOOKING = ("detect", "mesh", "gate")  # stages of a run before anything is painted


class Engine:
    """Finds and refines; opens everything on first use.

    host  gives the WebUI; asked at the first use, because only then it is complete.
    pace  seconds that a part took in the latest run, by the engine that repainted it.
    """

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host
        self._lock = RLock()
        self._detectors: dict[str, Detector] = {}
        self._key: tuple[object, ...] = ()
        self._models: Models | None = None
        self.pace: dict[str, float] = {}

    def bind(self, choices: Choices) -> BoundEngine:
        """The engine for these packs, this device and these kinds of part."""
        return BoundEngine(self, choices)

    def models(
        self,
        packs: Mapping[str, str] | None = None,
        detector_device: str = AUTO,
        kinds: Sequence[str] = PART_KINDS,
        control: Control | None = None,
    ) -> Models:
        """The models for these packs; those of other packs are let go of.

        packs   per part kind the name of a pack file, or AUTO; kinds left out have AUTO.
        detector_device  "auto" or "cpu": what runs the networks of detector and meshes.
        kinds   of part that are wanted: only their packs must be sound.
        control  the ControlNet that steers the loaded checkpoint.
        Raises  PackError if one is damaged, or there is none of the name.
        """
        from realishuman.pipeline.models import Models

        with self._lock:
            there = find_installed(self._host().models_folder())
            chosen = choose_packs(there, packs or {}, kinds)
            key = (detector_device, control, *((pack.path, pack.stamp) for pack in chosen))
            if self._models is None or key != self._key:
                self.release()
                host = self._host()
                self._models = Models(
                    [pack.path for pack in chosen],
                    host.open_backbone,
                    self._detector(detector_device),
                    folder=host.models_folder(),
                    provider=detector_device,
                    checkpoint=host.checkpoint(control),
                )
                self._key = key
            self._models.remarks = list_remarks(there, packs or {}, kinds)
            self._models.lacking = explain_lacking(there, packs or {}, kinds)
            return self._models

    def provider(self) -> str:
        """What really runs the detectors' networks, and why if it is not what was asked for.

        Empty before the first picture.
        """
        models = self._models.detectors if self._models is not None else ()
        opened = {
            f"{one.provider} ({one.note})" if one.note else one.provider
            for one in (*self._detectors.values(), *models)
            if one.provider
        }
        return ", ".join(sorted(opened))

    def release(self) -> None:
        """Let go of all networks, in RAM and on the device; they load again when needed."""
        with self._lock:
            for detector in self._detectors.values():
                detector.release()
            if self._models is not None:
                self._models, self._key = None, ()
                self._host().release()

    def pack_files(self) -> list[str]:
        """Names that may be chosen as packs: of files, and of the sets that packs belong to."""
        folder = self._host().models_folder()
        sets = (set_of(pack) for pack in find_installed(folder).packs)
        return list(dict.fromkeys([*(path.name for path in files(folder)), *sets]))

    def control_files(self) -> list[str]:
        """Names that may be chosen as ControlNets."""
        from realishuman.webui.host.control import list_controls

        return list(list_controls())

    def saved_folder(self) -> Path:
        """Where saved settings lie; it need not exist."""
        return self._host().models_folder() / "settings"

    def outlook(self, choices: Choices) -> Outlook:
        """What a run with these choices would do; opens no network."""
        from realishuman.webui.host.outlook import look_ahead

        host = self._host()
        there = find_installed(host.models_folder())
        return look_ahead(there, lambda: host.checkpoint(choices.control), choices, self.pace)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Alone, with the host undisturbed, and in no other grad mode than everywhere else.

        Forge calls hooks in inference mode; tensors that we keep must not be made in it.
        """
        import torch

        with self._lock, self._host().undisturbed(), torch.inference_mode(False), torch.no_grad():
            yield

    def _detector(self, device: str) -> Detector:
        from realishuman.detect.embedded import EmbeddedDetector

        if device not in self._detectors:
            self._detectors[device] = EmbeddedDetector(device)
        return self._detectors[device]


@dataclass(frozen=True)
class BoundEngine:
    """The engine with packs and device chosen: what a picture is looked at and refined with."""

    engine: Engine
    choices: Choices

    def find(
        self,
        image: Pixels,
        settings: Settings,
        boxes: Sequence[GivenBox] = (),
        progress: Progress | None = None,
    ) -> Found:
        """Parts and meshes of a picture (H, W, 3) uint8; nothing is sampled."""
        from realishuman.pipeline.look import look

        with self.engine.working():
            return look(image, self._models(settings), settings, boxes, progress)

    def refine(
        self,
        image: Pixels | NDArray[np.uint16],
        settings: Settings,
        *,
        boxes: Sequence[GivenBox] = (),
        found: Found | None = None,
        only: Collection[int] | None = None,
        progress: Progress | None = None,
        keep_steps: bool = False,
        made: Origin | None = None,
    ) -> Result:
        """Refine a picture and leave the host as it was; arguments as pipeline.refine's.

        Raises    RealisHumanError with a sentence for the user; Interrupted from progress.
        """
        from realishuman.pipeline.refine import refine

        with self.engine.working():
            result = refine(
                image,
                self._models(settings),
                settings,
                boxes=boxes,
                found=found,
                only=only,
                progress=progress,
                keep_steps=keep_steps,
                made=made,
            )
        self.engine.pace.update(pace_of(result))
        return result

    def models(self, settings: Settings | None = None) -> Models:
        """The networks of these packs, for settings or those chosen. PackError as Engine.models."""
        return self._models(settings or self.choices.settings)

    def left_alone(self, settings: Settings) -> dict[str, str]:
        """Kinds of part that nothing repaints with these settings, and why, as a sentence."""
        models, engine = self._models(replace(settings, parts=PART_KINDS)), settings.engine
        return {
            kind: why_left_alone(kind, engine, models.lacking, models.no_checkpoint)
            for kind in PART_KINDS
            if not models.engine_for(kind, settings)
        }

    def _models(self, settings: Settings) -> Models:
        kinds = keep_packed(settings.parts, settings.engine)
        choices = self.choices
        return self.engine.models(choices.packs, choices.detector_device, kinds, choices.control)


def pace_of(result: Result) -> dict[str, float]:
    """Seconds that a part took, by its engine; nothing where several engines painted."""
    used = {part.engine for part in result.parts if part.engine}
    painted = [part for part in result.parts if part.engine or part.malformed]
    if len(used) != 1:
        return {}
    spent = sum(seconds for stage, seconds in result.seconds.items() if stage not in LOOKING)
    return {used.pop(): spent / len(painted)}


@functools.cache
def engine() -> Engine:
    """The engine of this process."""
    from realishuman.webui.host.host import current

    return Engine(current)
