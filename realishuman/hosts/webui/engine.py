"""The one place of a WebUI process where parts are found and refined; keeps models for next time.

Script, tab, routes and Extras all come here. A lock lets one of them work at a time: detector and
networks are shared, and so is the host's device.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from realishuman.errors import PackError
from realishuman.hosts.webui.fields import AUTO
from realishuman.progress import Progress
from realishuman.settings import PART_KINDS, Settings
from realishuman.weights.store import files, installed, set_of

if TYPE_CHECKING:  # torch, onnxruntime and kornia are needed with the first picture, not before
    from realishuman.detect.base import Detector, GivenBox
    from realishuman.hosts.webui.host import Host
    from realishuman.look import Found
    from realishuman.models import Models
    from realishuman.result import Result

Pixels = NDArray[np.uint8]


class Engine:
    """Finds and refines; opens everything on first use.

    host  gives the WebUI; asked at the first use, because only then it is complete.
    """

    def __init__(self, host: Callable[[], Host]) -> None:
        self._host = host
        self._lock = RLock()
        self._detectors: dict[str, Detector] = {}
        self._key: tuple[object, ...] = ()
        self._models: Models | None = None

    def find(
        self,
        image: Pixels,
        settings: Settings,
        boxes: Sequence[GivenBox] = (),
        progress: Progress | None = None,
        *,
        packs: Mapping[str, str] | None = None,
        detector_device: str = AUTO,
    ) -> Found:
        """Parts and meshes of a picture (H, W, 3) uint8; nothing is sampled."""
        from realishuman.look import look

        with self._working():
            return look(image, self.models(packs, detector_device), settings, boxes, progress)

    def refine(
        self,
        image: Pixels,
        settings: Settings,
        *,
        boxes: Sequence[GivenBox] = (),
        found: Found | None = None,
        only: Collection[int] | None = None,
        progress: Progress | None = None,
        keep_steps: bool = False,
        packs: Mapping[str, str] | None = None,
        detector_device: str = AUTO,
    ) -> Result:
        """Refine a picture and leave the host as it was; arguments as pipeline.refine's.

        packs     per part kind the name of a pack file, or AUTO; kinds left out have AUTO.
        detector_device  "auto" or "cpu": what runs the networks of detector and meshes.
        Raises    RealisHumanError with a sentence for the user; Interrupted from progress.
        """
        from realishuman.pipeline import refine

        with self._working():
            return refine(
                image,
                self.models(packs, detector_device),
                settings,
                boxes=boxes,
                found=found,
                only=only,
                progress=progress,
                keep_steps=keep_steps,
            )

    def models(self, packs: Mapping[str, str] | None = None, detector_device: str = AUTO) -> Models:
        """The models for these packs; those of other packs are let go of."""
        from realishuman.models import Models

        with self._lock:
            paths = self._paths(packs or {})
            key = (detector_device, *((path, path.stat().st_mtime_ns) for path in paths))
            if self._models is None or key != self._key:
                self.release()
                host = self._host()
                self._models = Models(
                    paths,
                    host.open_backbone,
                    self._detector(detector_device),
                    folder=host.models_folder(),
                    provider=detector_device,
                )
                self._key = key
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
        sets = (set_of(pack) for pack in installed(folder)[0])
        return list(dict.fromkeys([*(path.name for path in files(folder)), *sets]))

    def missing(self, kinds: Sequence[str] = PART_KINDS) -> list[str]:
        """A sentence for each kind of part that cannot be refined: what to get, what it gives."""
        folder = self._host().models_folder()
        packs, faults = installed(folder)
        there = {pack.header.kind: pack.header.weights for pack in reversed(packs)}
        lines = [
            f"No pack for {kind}s: {kind}s are found but left alone. Put a trained pack "
            f"({kind}.safetensors) into {folder} to have them repainted."
            for kind in kinds
            if kind not in there
        ]
        lines += [
            f"Only a {weights} pack for {kind}s is there: "
            + ("it paints noise. " if weights == "random" else "it is small and a demonstration. ")
            + f"For real pictures put a trained pack into {folder}."
            for kind, weights in there.items()
            if kind in kinds and weights != "trained"
        ]
        return lines + faults

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Alone, with the host undisturbed, and in no other grad mode than everywhere else.

        Forge calls hooks in inference mode; tensors that we keep must not be made in it.
        """
        import torch

        with self._lock, self._host().undisturbed(), torch.inference_mode(False), torch.no_grad():
            yield

    def _paths(self, packs: Mapping[str, str]) -> list[Path]:
        """One pack file per kind, where there is one. Raises PackError for a wrong name."""
        folder = self._host().models_folder()
        there, faults = installed(folder)
        chosen = []
        for kind in PART_KINDS:
            name = packs.get(kind, AUTO)
            fitting = [pack for pack in there if pack.header.kind == kind]
            meant = fitting if name == AUTO else [p for p in fitting if name in _names(p.path)]
            meant = meant or [pack for pack in fitting if set_of(pack) == name]
            if not meant and name != AUTO:
                for fault in faults:
                    if fault.startswith(str(folder / name)):
                        raise PackError(fault)
                fit = ", ".join(pack.path.name for pack in fitting) or "none"
                raise PackError(
                    f"{name} is no pack for {kind}s in {folder}; there: {fit}. Choose another."
                )
            chosen += [pack.path for pack in meant[:1]]
        return chosen

    def _detector(self, device: str) -> Detector:
        from realishuman.detect.embedded import EmbeddedDetector

        if device not in self._detectors:
            self._detectors[device] = EmbeddedDetector(device)
        return self._detectors[device]


def _names(path: Path) -> tuple[str, str]:
    """What a pack file may be called."""
    return path.name, str(path)


@functools.cache
def engine() -> Engine:
    """The engine of this process."""
    from realishuman.hosts.webui.host import current

    return Engine(current)
