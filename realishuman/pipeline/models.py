"""Every network a run needs, each opened once, at its first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from realishuman.detect.base import Detector
from realishuman.detect.choice import EMBEDDED, open_detector
from realishuman.diffusion.networks import Backbone
from realishuman.diffusion.prompted import Checkpoint
from realishuman.errors import PackError
from realishuman.judge.network import JudgeNetwork, find_judge
from realishuman.kinds import KINDS, plural
from realishuman.mesh.base import MeshRegressor
from realishuman.packs.pack import Pack
from realishuman.packs.store import models_folder
from realishuman.pipeline.engines import engine_of
from realishuman.pipeline.regressors import (
    AUTO,
    CORRECTING_PHOTOGRAPHS,
    OFFICIAL,
    Choice,
    choose,
    open_regressor,
)
from realishuman.settings import CHECKPOINT, PACK, Settings

OpenBackbone = Callable[[Pack], Backbone]


class Models:
    """Detector, mesh regressors and, per part kind, a pack with its backbone.

    packs          pack files, at most one per part kind. pipeline.engines says what repaints a
                   kind without one.
    open_backbone  builds the networks of a pack on the device of the host's choice; needed with
                   packs only.
    detector       what finds parts where the settings say "embedded"; the built-in one if not
                   given.
    folder         the models folder, where the paper's detector and mesh regressors lie;
                   packs.store.models_folder() if not given.
    provider       what runs them, as onnx_session takes it.
    spare          whether the networks of detectors and meshes give their memory back before
                   the diffusion networks need it; they open again when they are used.
    checkpoint     what the user has loaded or named, None where there can be none.
    remarks        sentences about the packs that belong into every report; none unless a host
                   sets them.
    lacking        by kind of part without a pack, how to get one, as a sentence; likewise.
    Raises         PackError if a file is no pack or two are for the same kind.
    """

    def __init__(
        self,
        packs: Iterable[str | Path] = (),
        open_backbone: OpenBackbone | None = None,
        detector: Detector | None = None,
        *,
        folder: Path | None = None,
        provider: str = "auto",
        spare: bool = False,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.packs: dict[str, Pack] = {}
        for pack in map(Pack.open, packs):
            kind = pack.header.kind
            if kind not in KINDS:
                raise PackError(
                    f"{pack.path} repairs parts of kind {kind!r}; known are {', '.join(KINDS)}."
                )
            if kind in self.packs:
                raise PackError(
                    f"{pack.path} and {self.packs[kind].path} are both for {plural(kind)}: "
                    "name one."
                )
            self.packs[kind] = pack
        self._open_backbone = open_backbone
        self._backbones: dict[str, Backbone] = {}
        self._folder, self._provider = folder or models_folder(), provider
        self.detector = detector or open_detector(EMBEDDED, self._folder, provider)
        self._others: dict[str, Detector] = {}
        self._spare = spare
        self.checkpoint = checkpoint
        self._regressors: dict[tuple[str, str], MeshRegressor] = {}
        self.remarks: tuple[str, ...] = ()
        self.lacking: Mapping[str, str] = {}
        self._judges: dict[Path, JudgeNetwork] = {}

    def detector_for(self, name: str) -> Detector:
        """The detector that the setting `detector` names; ModelError if its files are missing."""
        if name == EMBEDDED:
            return self.detector
        if name not in self._others:
            self._others[name] = open_detector(name, self._folder, self._provider)
        return self._others[name]

    @property
    def detectors(self) -> list[Detector]:
        """All detectors that were asked for, the one for "embedded" first."""
        return [self.detector, *self._others.values()]

    def release_onnx(self) -> None:
        """Let go of the memory of detectors and mesh regressors; they open again when used."""
        for detector in self.detectors:
            detector.release()
        for regressor in self._regressors.values():
            regressor.release()

    def make_room(self) -> None:
        """Before the diffusion networks run: release the others where memory is short."""
        if self._spare:
            self.release_onnx()

    def backbone(self, kind: str) -> Backbone:
        """The networks of this kind's pack; raises KeyError when there are none."""
        if kind not in self._backbones:
            if self._open_backbone is None:
                raise KeyError(kind)
            self._backbones[kind] = self._open_backbone(self.packs[kind])
        return self._backbones[kind]

    def engine_for(self, kind: str, settings: Settings) -> str:
        """What repaints this kind with these settings, as engines.engine_of says it."""
        may = settings.engine == CHECKPOINT or settings.allow_checkpoint
        can = may and self.checkpoint is not None and not self.checkpoint.why_not()
        return engine_of(kind, settings.engine, kind in self.packs, can)

    @property
    def no_checkpoint(self) -> str:
        """Why there is no checkpoint that can repaint, as a sentence; "" if it is not known."""
        return "" if self.checkpoint is None else self.checkpoint.why_not()

    def mesh_choice(self, kind: str, wish: str = AUTO, engine: str = AUTO) -> Choice:
        """Which mesh regressor this kind gets.

        Without a pack it is the one that corrects the landmarks of photographed parts, where there
        is one for the kind, and otherwise what the released pack wants.

        wish    the setting `mesh`.
        engine  the setting of that name.
        Raises  ModelError if it is not installed.
        """
        if engine_of(kind, engine, kind in self.packs) == PACK:
            return choose(kind, wish, self.packs[kind].header.mesh, self._folder)
        if KINDS[kind].photographed and wish == AUTO:
            return Choice(CORRECTING_PHOTOGRAPHS)
        return replace(choose(kind, wish, OFFICIAL, self._folder), note="")  # no pack needs another

    def regressor(self, kind: str, wish: str = AUTO, engine: str = AUTO) -> MeshRegressor:
        """The mesh regressor of this kind; arguments and errors as of mesh_choice."""
        choice = self.mesh_choice(kind, wish, engine)
        key = (kind, choice.name)
        if key not in self._regressors:
            self._regressors[key] = open_regressor(kind, choice, self._folder, self._provider)
        return self._regressors[key]

    def mesh_note(self, kind: str, wish: str = AUTO, engine: str = AUTO) -> str:
        """What is to be said about this kind's regressor, once it has worked; may be empty."""
        choice = self.mesh_choice(kind, wish, engine)
        used = self._regressors.get((kind, choice.name))
        return " ".join(filter(None, (choice.note, used.note if used else "")))

    def judge(self, kind: str, engine: str = AUTO) -> JudgeNetwork | None:
        """The judge network of this kind; None where there is none.

        Of what a demo pack repaints it is the one that knows rendered parts, as the pack does.
        """
        packed = engine_of(kind, engine, kind in self.packs) == PACK
        path = find_judge(kind, packed and self.packs[kind].header.weights == "demo")
        if path is None:
            return None
        if path not in self._judges:
            self._judges[path] = JudgeNetwork(path)
        return self._judges[path]

    def gate(self, kind: str, engine: str = AUTO) -> JudgeNetwork | None:
        """The network that says which parts need no repair; None where it is not to be asked.

        That is where nothing repaints this kind, and where random weights do, to try the wiring.
        """
        named = engine == CHECKPOINT and self.checkpoint is not None
        painted = engine_of(kind, engine, kind in self.packs, named)
        random = painted == PACK and self.packs[kind].header.weights == "random"
        return self.judge(kind, engine) if painted and not random else None
