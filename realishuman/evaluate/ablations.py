"""The paper's ablations as methods of protocol A: the pipeline with one thing changed each.

What the stages have no setting for is changed from outside, by a backbone that gives out networks
with the reference or the image tokens taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from torch import Tensor

from realishuman.diffusion.networks import (
    Backbone,
    Condition,
    FeatureBank,
    StageOneNetworks,
    StageTwoNetworks,
    Unet,
)
from realishuman.evaluate.pairs import HAND, Method, PipelineRepair
from realishuman.paint.base import Painter
from realishuman.paint.two_stage import TwoStage
from realishuman.pipeline.models import Models
from realishuman.pipeline.painters import choose_painter
from realishuman.presets import PRESETS
from realishuman.settings import Settings

ChangeNetworks = Callable[[StageOneNetworks], StageOneNetworks]

ONE_POSE = (
    "Depth against shaded pose is not a row here: a pack is trained for one of them. Name one that "
    "is steered by the other with --versus."
)


def variants(models: Models, settings: Settings, pose: str, steps: Sequence[int]) -> list[Method]:
    """Every row of the table: as it is, then with one thing changed.

    settings  of the row "as it is"; each other row changes one of them or one network.
    steps     numbers of DDIM steps to compare.
    """

    def method(
        name: str,
        without: ChangeNetworks | None = None,
        direct_paste: bool = False,
        **changes: object,
    ) -> Method:
        chosen = replace(settings, **changes)  # type: ignore[arg-type]  # Settings checks values
        choose = partial(change_painter, change=without) if without else choose_painter
        return Method(name, pose, PipelineRepair(models, chosen, pose, direct_paste, choose))

    same = asdict(settings.ways)  # so that a preset changes constants alone
    judged = settings.ways.judge
    return [
        method("as it is"),
        method("stage one pasted directly", direct_paste=True),
        method("without m_e", erode=0),
        method("without reference attention", without=without_reference),
        method("without image tokens", without=without_tokens),
        *(method(f"preset {name}", **{**same, "preset": name}) for name in PRESETS),
        *(method(f"{count} steps", steps=count) for count in steps),
        method("without the judge" if judged else "with the judge", judge=not judged),
    ]


def versus(models: Models, settings: Settings, pose: str) -> Method:
    """The row of another pack for hands, which may be steered by the other pose condition."""
    pack = models.packs[HAND]
    random = ", RANDOM weights" if pack.header.weights == "random" else ""
    name = f"pack {pack.path.stem}, {pack.header.pose} pose{random}"
    return Method(name, pose, PipelineRepair(models, settings, pose))


def without_reference(networks: StageOneNetworks) -> StageOneNetworks:
    """Self-attention sees the painted part only; the reference UNet is not run."""
    return replace(networks, unet=_Alone(networks.unet), reference=_Unread(networks.reference))


def without_tokens(networks: StageOneNetworks) -> StageOneNetworks:
    """Both UNets get the tokens of an all-zero picture, as where guidance drops them."""

    def projector(images: Tensor) -> Tensor:
        return networks.no_context.expand(len(images), -1, -1)

    return replace(networks, image_encoder=lambda images: images, projector=projector)


def change_painter(
    models: Models, kind: str, settings: Settings, change: ChangeNetworks
) -> Painter | None:
    """The two stages of the kind's pack, with changed networks; None without a pack."""
    painter = choose_painter(models, kind, settings)
    if not isinstance(painter, TwoStage):
        return painter
    return replace(painter, backbone=ChangedBackbone(painter.backbone, change))


@dataclass(frozen=True)
class ChangedBackbone:
    """A backbone whose stage one networks are changed each time they are given out."""

    base: Backbone
    change: ChangeNetworks

    @property
    def device(self) -> torch.device:
        """The base's."""
        return self.base.device

    @property
    def dtype(self) -> torch.dtype:
        """The base's."""
        return self.base.dtype

    @property
    def note(self) -> str:
        """The base's."""
        return self.base.note

    @property
    def unets(self) -> str:
        """The base's."""
        return self.base.unets

    @contextmanager
    def stage_one(self) -> Iterator[StageOneNetworks]:
        """The base's networks, changed."""
        with self.base.stage_one() as networks:
            yield self.change(networks)

    def stage_two(self) -> AbstractContextManager[StageTwoNetworks]:
        """The base's networks."""
        return self.base.stage_two()


@dataclass(frozen=True)
class _Alone:
    """A UNet that looks at no bank."""

    base: Unet

    def condition(self, tokens: Tensor, pose: Tensor | None = None) -> Condition:
        return self.base.condition(tokens, pose)

    def predict(
        self, latents: Tensor, timestep: Tensor, condition: Condition, bank: FeatureBank | None
    ) -> Tensor:
        return self.base.predict(latents, timestep, condition, None)

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        return self.base.features(latents, timestep, condition)


@dataclass(frozen=True)
class _Unread(_Alone):
    """A reference nobody reads, so it computes nothing."""

    def features(self, latents: Tensor, timestep: Tensor, condition: Condition) -> FeatureBank:
        return FeatureBank({})
