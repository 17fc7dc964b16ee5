"""Which painter repaints a kind of part: what the setting `engine` names, or the best there is."""

from __future__ import annotations

from realishuman.paint.base import Painter
from realishuman.paint.two_stage import TwoStage
from realishuman.pipeline.models import Models
from realishuman.settings import Settings


def choose_painter(models: Models, kind: str, settings: Settings) -> Painter | None:
    """The painter of a kind of part; None where nothing can paint it.

    With "auto" that is a pack's two stages as with "pack": there is no other painter yet.
    """
    if kind not in models.packs:
        return None
    return TwoStage(models.packs[kind].header, models.backbone(kind))
