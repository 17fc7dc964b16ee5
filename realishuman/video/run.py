"""Refines a clip from file to file, in passes that a stop or kill may end at any frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from realishuman import __version__
from realishuman.files.fingerprint import digest
from realishuman.pipeline.models import Models
from realishuman.settings import Settings
from realishuman.video.alone import paint_alone
from realishuman.video.changes import read_faults, unpack_changes
from realishuman.video.clip import Clip
from realishuman.video.decisions import Decision
from realishuman.video.journal import Log, Work, opened_work
from realishuman.video.opening import Pairs, ending_of, write_clip
from realishuman.video.steady import Steady
from realishuman.video.wanted import Wanted, Watch

SEEN, TRIED, PAINTED = "seen.log", "tried.log", "painted.log"


def refine_clip(
    clip: Clip, target: Path, models: Models, settings: Settings, wanted: Wanted, watch: Watch
) -> dict[str, Any]:
    """Refine a clip; the same call continues one that was stopped, with an equal result.

    target   file or folder of the result, which is there only when all of it is.
    Returns  what was done, ready for JSON.
    Raises   RealisHumanError with a sentence for the user; nothing is then left under the target's
             name.
    """
    for note in clip.notes:
        watch.say(note)
    ending = ending_of(target)
    steady = None if wanted.independent else Steady(clip, models, settings, wanted, watch)
    with opened_work(target, _describe_job(clip, target, models, settings, wanted)) as work:
        if work.resumed:
            watch.say("An earlier run of this command is continued.")
        if work.other:
            watch.say("What another command had left unfinished for this output is dropped.")
        painted = work.log(PAINTED)
        if not painted.count:  # before hours of work: can it be written at all?
            first = islice(clip.frames(), 1)
            some: Pairs = ((frame, []) for frame in first)
            write_clip(_start_draft(work, ending), clip, some, wanted.encoding, ending)
        decisions: list[Decision] = []
        if steady is None:
            paint_alone(clip, painted, models, settings, wanted, watch)
        else:
            seen, tried = work.log(SEEN), work.log(TRIED)
            steady.look(seen)
            decisions = steady.try_out(steady.decide(seen), seen, tried)
            steady.paint(decisions, seen, painted)
        pairs = _with_changes(clip, painted)
        if steady is not None:
            pairs = steady.settle(decisions, seen, painted)
        frames = _count(pairs, painted.count, watch)
        draft = _start_draft(work, ending)
        write_clip(draft, clip, frames, wanted.encoding, ending)
        _deliver(draft, target)
        return _report(painted, decisions)


def _describe_job(
    clip: Clip, target: Path, models: Models, settings: Settings, wanted: Wanted
) -> dict[str, Any]:
    """All that the result depends on, ready for JSON."""
    files = [clip.path] if clip.path.is_file() else sorted(clip.path.iterdir())
    packs = [pack.path for pack in models.packs.values()]
    return {
        "version": __version__,
        "input": {one.name: digest(one) for one in files if one.is_file()},
        "rate": str(clip.rate),
        "output": target.name,
        "packs": [(str(one), one.stat().st_size) for one in packs],
        "checkpoint": repr(models.checkpoint.name) if models.checkpoint else None,
        "settings": asdict(settings),
        "wanted": asdict(wanted),
    }


def _count(pairs: Pairs, total: int, watch: Watch) -> Pairs:
    for number, pair in enumerate(pairs, start=1):
        watch.frame("writing", number, total)
        yield pair


def _with_changes(clip: Clip, log: Log) -> Pairs:
    for frame, record in zip(clip.frames(), log.read(), strict=True):
        yield frame, unpack_changes(record)


def _start_draft(work: Work, ending: str) -> Path:
    """Where the result grows."""
    draft = work.folder / f"draft{ending}"
    if not ending:
        draft.mkdir(exist_ok=True)
    return draft


def _deliver(draft: Path, target: Path) -> None:
    """Put the result where it belongs: a file at once, frames one after the other."""
    if draft.is_file():
        draft.replace(target)
        return
    target.mkdir(exist_ok=True)
    for one in sorted(draft.iterdir()):
        one.replace(target / one.name)


def _report(painted: Log, decisions: Sequence[Decision]) -> dict[str, Any]:
    """What was done, from its records; frames count from 1."""
    changed = 0
    failed: dict[int, str] = {}
    left: dict[int, str] = {}
    for number, record in enumerate(painted.read(), start=1):
        changed += bool(unpack_changes(record))
        fault, why = read_faults(record)
        failed |= {number: fault} if fault else {}
        left |= {number: why} if why else {}
    message = f"{changed} of {painted.count} frames changed."
    for frames, what in ((failed, "could not be refined"), (left, "have a part left as it was")):
        if frames:
            number, why = next(iter(frames.items()))
            message += f" {len(frames)} {what}, frame {number} first: {why}"
    return {
        "message": message,
        "frames": painted.count,
        "changed": changed,
        "failed": failed,
        "left": left,
        "tracks": [_describe(one) for one in decisions],
    }


def _describe(decision: Decision) -> dict[str, Any]:
    """A track for the report; frames count from 1."""
    track = decision.track
    return {
        "number": track.number,
        "kind": track.kind,
        "side": track.side,
        "frames": [track.briefs[0].frame + 1, track.briefs[-1].frame + 1],
        "found_in": len(track.briefs),
        "refined": [[span.first + 1, span.last + 1] for span in decision.spans],
        "reason": decision.reason,
    }
