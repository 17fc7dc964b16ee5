"""Refines each frame of a clip for itself, as the paper does."""

from __future__ import annotations

from realishuman.batch.picture import say_error
from realishuman.errors import PackError, SettingsError
from realishuman.pipeline.models import Models
from realishuman.pipeline.refine import refine
from realishuman.progress import Silent
from realishuman.settings import Settings
from realishuman.video.changes import find_changes, pack_changes
from realishuman.video.clip import Clip
from realishuman.video.journal import Log, rest
from realishuman.video.wanted import Wanted, Watch


def paint_alone(
    clip: Clip, log: Log, models: Models, settings: Settings, wanted: Wanted, watch: Watch
) -> None:
    """Paint the frames that have no record yet; one that fails is left as it is."""
    for number, frame in rest(clip.frames(), log):
        watch.frame("refining", number, clip.count)
        before = frame.planes.rgb()
        try:
            result = refine(before, models, settings, boxes=wanted.boxes, progress=Silent())
            log.append(pack_changes(find_changes(before, result.image)))
        except (PackError, SettingsError):
            raise  # the next frame would fail in the same way
        except Exception as error:  # noqa: BLE001 - the other frames are to be refined
            log.append(pack_changes([], fault=say_error(error)))
