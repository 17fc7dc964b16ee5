"""realishuman refine, for videos, animations and folders of a clip's frames."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.errors import RealisHumanError, SettingsError
from realishuman.settings import Settings
from realishuman.terminal import Bar

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.detect.base import GivenBox
    from realishuman.pipeline.models import Models
    from realishuman.video.wanted import Wanted

CODECS = ("h264", "h265", "vp9", "ffv1")  # as video.encoding
FOR_PICTURES = {
    "only": "--only",
    "compare": "--compare",
    "save_steps": "--save-steps",
    "format": "--format",
    "suffix": "--suffix",
}


@dataclass(frozen=True)
class Plan:
    """What a command does with clips, checked as far as that is possible without networks."""

    pairs: Sequence[tuple[Path, Path]]
    done: Sequence[tuple[Path, Path]]
    rate: Fraction | None
    settings: Settings
    wanted: Wanted
    report: Path | None


def add_clip_options(command: Any) -> None:
    """Add the options that are for clips alone."""
    group = command.add_argument_group("videos, animations and folders of frames")
    group.add_argument(
        "--clip", action="store_true", help="each folder that is named holds the frames of one clip"
    )
    group.add_argument(
        "--independent",
        action="store_true",
        help="refine each frame for itself, as the paper does, instead of steadily over time",
    )
    group.add_argument(
        "--fps", metavar="N", help="frames per second of a folder of frames, as in 24 or 30000/1001"
    )
    group.add_argument("--codec", choices=CODECS, help="of a video (default: h264; vp9 for .webm)")
    group.add_argument(
        "--quality",
        type=int,
        metavar="CRF",
        help="of a video, in the codec's terms: 0 is best (default: 16 for h264, 18 for h265, 20 "
        "for vp9)",
    )
    group.add_argument(
        "--lossless",
        action="store_true",
        help="encode a video without loss; .mkv then gets the codec ffv1",
    )


def find_clips(options: argparse.Namespace) -> list[Path]:
    """The clips that a command is about; empty if it is about pictures.

    Raises SettingsError if it names both.
    """
    from realishuman.video.opening import is_clip

    paths = [Path(name) for name in options.pictures]
    clips = [path for path in paths if (path.is_dir() and options.clip) or is_clip(path)]
    if not clips and (options.clip or options.fps):
        flag = "--clip" if options.clip else "--fps"
        raise SettingsError(f"{flag} is for a folder of frames, but {paths[0]} is none.")
    others = [path for path in paths if path not in clips]
    if clips and others:
        raise SettingsError(
            f"{clips[0]} is a clip and {others[0]} is not: refine clips and pictures with two "
            "commands; --clip makes a clip of a folder of frames."
        )
    return clips


def plan_clips(
    options: argparse.Namespace,
    clips: Sequence[Path],
    settings: Settings,
    boxes: Sequence[GivenBox],
) -> Plan:
    """Check the options. Raises SettingsError if one does not suit clips."""
    from realishuman.batch.places import try_folder
    from realishuman.video.encoding import WORST, Encoding
    from realishuman.video.opening import place_results
    from realishuman.video.wanted import Wanted

    for name, flag in FOR_PICTURES.items():
        if getattr(options, name):
            raise SettingsError(f"{flag} is for pictures, but {clips[0]} is a clip.")
    if options.quality is not None and not 0 <= options.quality <= WORST:
        raise SettingsError(f"--quality must be 0 to {WORST}, not {options.quality}")
    encoding = Encoding(options.codec, options.quality, options.lossless)
    pairs = place_results(clips, options.output, encoding)
    for _, target in pairs:
        try_folder(target.parent)
    done = [pair for pair in pairs if options.skip_existing and pair[1].is_file()]
    report = Path(options.json) if options.json else None
    if report is not None:
        try_folder(report.parent)
    todo = [pair for pair in pairs if pair not in done]
    wanted = Wanted(encoding, tuple(boxes), options.independent)
    return Plan(todo, done, _rate(options.fps), settings, wanted, report)


def refine_clips(plan: Plan, models: Models, bar: Bar) -> int:
    """Refine each clip; one that fails does not stop the others. Returns how many failed."""
    from realishuman.batch.run import write_report
    from realishuman.video.opening import open_clip
    from realishuman.video.run import refine_clip

    reports: list[dict[str, Any]] = [
        {"input": str(source), "output": str(target), "skipped": "the result already exists"}
        for source, target in plan.done
    ]
    try:
        for source, target in plan.pairs:
            about: dict[str, Any] = {"input": str(source), "output": str(target)}
            try:
                clip = open_clip(source, plan.rate)
                report = refine_clip(clip, target, models, plan.settings, plan.wanted, bar)
                bar.say(f"{source} -> {target}: {report['message']}")
            except RealisHumanError as error:
                text = str(error)
                bar.say(text if text.startswith(str(source)) else f"{source}: {text}")
                report = {"error": text}
            reports.append({**about, **report})
    finally:
        if plan.report is not None:
            write_report(plan.report, reports)
    return sum("error" in one or bool(one.get("failed")) for one in reports)


def _rate(text: str | None) -> Fraction | None:
    """Frames per second. Raises SettingsError unless it is a number above 0."""
    if text is None:
        return None
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise SettingsError(f"--fps must be a number such as 24 or 30000/1001, not {text!r}")
    return rate
