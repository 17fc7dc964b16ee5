"""Contact sheets of many pictures, drawn as they would be refined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from realishuman.batch.picture import save_png, say_error
from realishuman.batch.run import Watch, about
from realishuman.detect.base import GivenBox
from realishuman.drawing.sheet import contact_sheet
from realishuman.errors import PackError, SettingsError
from realishuman.imaging.picture import load_picture
from realishuman.kinds import plural
from realishuman.parts.found import Found
from realishuman.pipeline.look import describe_missed, look, prepare_parts
from realishuman.pipeline.models import Models
from realishuman.settings import Settings

Pairs = Sequence[tuple[Path, Path]]


def inspect_files(
    pairs: Pairs, models: Models, settings: Settings, boxes: Sequence[GivenBox], watch: Watch
) -> int:
    """Save a contact sheet per picture, as `models` would refine it.

    Returns how many failed, or lack a part in a box.
    """
    failed = 0
    for number, (source, target) in enumerate(pairs, start=1):
        watch.picture(number, len(pairs))
        try:
            rgb = load_picture(source).rgb
            found = look(rgb, models, settings, boxes, watch)
            ready = prepare_parts(rgb, found, found.chosen, settings, models)
            save_png(target, contact_sheet(rgb, found.parts, ready))
        except (PackError, SettingsError):
            raise  # the next picture would fail in the same way
        except Exception as error:  # noqa: BLE001 - the other pictures are to be drawn
            failed += 1
            watch.say(about(source, say_error(error)))
            continue
        watch.say(f"{source} -> {target}: {_count(found, models, settings)}")
        for one in found.parts:
            if one.gate and one.reason == one.gate:
                watch.say(f"  {one.number} {one.part.name} left alone: {one.gate}")
        lacking = describe_missed([one.part for one in found.parts], boxes)
        failed += bool(lacking)
        for line in lacking:
            watch.say(f"  {line}")
    return failed


def _count(found: Found, models: Models, settings: Settings) -> str:
    """How many parts were found, and how many `refine` would repaint with these models."""
    kinds = [one.part.kind for one in found.chosen]
    without = Counter(kind for kind in kinds if not models.engine_for(kind, settings))
    refined, count = len(kinds) - without.total(), len(found.parts)
    lacking = [f"{many} {plural(kind) if many > 1 else kind}" for kind, many in without.items()]
    return f"{count} part{'s' * (count != 1)} found, {refined} would be refined" + (
        f"; nothing repaints {' and '.join(lacking)}." if lacking else "."
    )
