"""Which painter repaints a kind of part: what the setting `engine` names, or the best there is."""

from __future__ import annotations

from realishuman.paint.base import Painter
from realishuman.paint.own_skin import OwnSkin
from realishuman.paint.two_stage import TwoStage
from realishuman.pipeline.engines import engine_of
from realishuman.pipeline.models import Models
from realishuman.settings import PACK, TRANSPLANT, Settings


def choose_painter(models: Models, kind: str, settings: Settings) -> Painter | None:
    """The painter of a kind of part; None where nothing can paint it."""
    engine = engine_of(kind, settings.engine, kind in models.packs)
    if engine == PACK:
        return TwoStage(models.packs[kind].header, models.backbone(kind))
    return OwnSkin() if engine == TRANSPLANT else None
