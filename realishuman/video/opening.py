"""Which inputs are clips, what opens them, and what may become of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from realishuman.errors import SettingsError
from realishuman.video.animations import Animation, is_animation, write_animation
from realishuman.video.changes import Change, apply_changes
from realishuman.video.clip import ANIMATIONS, VIDEOS, Clip, Frame
from realishuman.video.containers import VideoFile, VideoWriter
from realishuman.video.encoding import CODECS_OF, Encoding
from realishuman.video.frame_folders import FrameFolder, write_frames

Pairs = Iterator[tuple[Frame, list[Change]]]


def is_clip(path: Path) -> bool:
    """Whether a file is a video by its name, or an animation."""
    return path.suffix.lower() in VIDEOS or is_animation(path)


def open_clip(path: Path, rate: Fraction | None = None) -> Clip:
    """Open a video, an animation or a folder of frames.

    rate    frames per second of a folder.
    Raises  PictureError or SettingsError where it cannot be used.
    """
    if path.is_dir():
        return FrameFolder(path, rate)
    if rate is not None:
        raise SettingsError(f"--fps is for a folder of frames; {path} knows its own times.")
    return VideoFile(path) if path.suffix.lower() in VIDEOS else Animation(path)


def place_results(
    paths: Sequence[Path], output: str, encoding: Encoding
) -> list[tuple[Path, Path]]:
    """Each clip and where its result goes: a file, or a folder for frames.

    Raises SettingsError if a result cannot be that, or would be a clip itself.
    """
    target = Path(output)
    is_folder = output.endswith("/") or target.is_dir() or not target.suffix
    if is_folder and not (len(paths) == 1 and paths[0].is_dir()):
        pairs = [(path, target / path.name) for path in paths]
    elif len(paths) > 1:
        raise SettingsError(f"{output} names one file, but there are {len(paths)} clips.")
    else:
        pairs = [(paths[0], target)]
    for path, result in pairs:
        _check_name(path, result)
        if ending_of(result) in CODECS_OF:
            encoding.codec_for(ending_of(result))
    return pairs


def ending_of(target: Path) -> str:
    """The extension of a result; empty for a folder of frames."""
    return "" if target.is_dir() else target.suffix.lower()


def _check_name(path: Path, result: Path) -> None:
    if result.resolve() == path.resolve():
        raise SettingsError(f"{result} is the clip itself: name another output with -o.")
    ending = ending_of(result)
    if ending and ending not in (*CODECS_OF, *ANIMATIONS):
        raise SettingsError(
            f"no clip can be written as {ending}: end {result} in one of "
            f"{', '.join((*CODECS_OF, *sorted(ANIMATIONS)))}, or name a folder for its frames."
        )


def write_clip(path: Path, like: Clip, pairs: Pairs, encoding: Encoding, ending: str) -> None:
    """Write all frames with their changes; what fails leaves the file or folder half written.

    path    overwritten; a folder, which must be there, where `ending` is empty.
    ending  extension of the result.
    """
    if not ending:
        write_frames(path, ((apply_changes(*one), bool(one[1])) for one in pairs))
    elif ending in ANIMATIONS:
        write_animation(path, (apply_changes(*one) for one in pairs), like.loop)
    else:
        _write_video(path, like, pairs, encoding)


def _write_video(path: Path, like: Clip, pairs: Pairs, encoding: Encoding) -> None:
    first = next(pairs)
    with VideoWriter(path, like, first[0].planes, encoding) as writer:
        writer.add(apply_changes(*first))
        for one in pairs:
            writer.add(apply_changes(*one))
