"""Every network a run needs, each opened once, at its first use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from realishuman.detect.base import Detector
from realishuman.detect.embedded import EmbeddedDetector
from realishuman.diffusion.networks import Backbone
from realishuman.errors import PackError
from realishuman.judge.network import JudgeNetwork, built_in
from realishuman.kinds import KINDS
from realishuman.mesh.base import MeshRegressor
from realishuman.weights.pack import Pack

OpenBackbone = Callable[[Pack], Backbone]


class Models:
    """Detector, mesh regressors and, per part kind, a pack with its backbone.

    packs          pack files, at most one per part kind; without any, parts can be found and
                   meshed but not refined.
    open_backbone  builds the networks of a pack on the device of the host's choice; needed with
                   packs only.
    checks_keypoints  whether the pipeline's judge may ask the detector about a repair; a report in
                   which the detector measures repairs switches it off.
    Raises         PackError if a file is no pack or two are for the same kind.
    """

    def __init__(
        self,
        packs: Iterable[str | Path] = (),
        open_backbone: OpenBackbone | None = None,
        detector: Detector | None = None,
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
                    f"{pack.path} and {self.packs[kind].path} are both for {kind}s: name one."
                )
            self.packs[kind] = pack
        self.detector: Detector = detector or EmbeddedDetector()
        self._open_backbone = open_backbone
        self._backbones: dict[str, Backbone] = {}
        self._regressors: dict[str, MeshRegressor] = {}
        self.checks_keypoints = True
        self._judges: dict[str, JudgeNetwork] = {}

    def backbone(self, kind: str) -> Backbone:
        """The networks of this kind's pack; raises KeyError when there are none."""
        if kind not in self._backbones:
            if self._open_backbone is None:
                raise KeyError(kind)
            self._backbones[kind] = self._open_backbone(self.packs[kind])
        return self._backbones[kind]

    def regressor(self, kind: str) -> MeshRegressor:
        """The mesh regressor of this kind."""
        if kind not in self._regressors:
            self._regressors[kind] = KINDS[kind].regressor()
        return self._regressors[kind]

    def judge(self, kind: str) -> JudgeNetwork | None:
        """The judge network of this kind's pack; None where it has none."""
        path = built_in(self.packs[kind].header) if kind in self.packs else None
        if path is None:
            return None
        if kind not in self._judges:
            self._judges[kind] = JudgeNetwork(path)
        return self._judges[kind]
