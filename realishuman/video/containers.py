"""Reads and writes video files with PyAV, the one place that imports it.

A frame keeps its file's own planes, depth, colours and time. Sound, subtitles, chapters and tags
are copied as they are. Frames that metadata turns are turned, and stored upright.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from realishuman.advice import extra
from realishuman.errors import PictureError, SettingsError
from realishuman.video.clip import Clip, Frame
from realishuman.video.encoding import Encoding, choose_layout
from realishuman.video.layouts import FULL, LIMITED, frame_from, name_layout, planes_from
from realishuman.video.planes import BT709, Planes

COPIED = ("audio", "subtitle")
LOSSLESS_RGB = ("gbrp", "bgr0", "rgb24")
SHORT = Fraction(1, 2)  # seconds by which a clip may end before it says it does
RATE = Fraction(25)  # where a file does not tell
OF_THE_FILE = {"encoder", "major_brand", "minor_version", "compatible_brands"}  # tags not to copy


class VideoFile:
    """A video file as a Clip; see there.

    Raises PictureError if it cannot be opened or shows no moving picture.
    """

    loop: int | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path) as container:
            stream = _main(container, path)
            self.rate = Fraction(stream.average_rate or stream.base_rate or RATE)
            self.base = Fraction(stream.time_base)
            self._ends = _end_of(stream)
            self.count = int(stream.frames or (self._ends or 0) * self.rate)
            self.notes = tuple(_list_lost(container, stream))
        first = next(self.frames(), None)
        if first is None:
            raise PictureError(f"{path} holds no frame: make the video anew.")
        self.size = first.planes.size

    def frames(self) -> Iterator[Frame]:
        """As Clip.frames."""
        number, start, usual = 0, None, max(round(1 / self.rate / self.base), 1)
        with _opened(self.path) as container:
            stream = _main(container, self.path)
            stream.thread_type = "AUTO"
            for made in self._decode(container, stream):
                told = made.pts if made.pts is not None else (start or 0) + usual
                start = int(told) if start is None else max(int(told), start + 1)
                yield Frame(planes_from(made), start, made.duration or 0)
                number += 1
        end = ((start or 0) + usual) * self.base
        if number and self._ends and end + SHORT < self._ends:
            raise PictureError(
                f"{self.path} breaks off after {float(end):.1f} of {float(self._ends):.1f} s: it "
                "is not whole. Copy or download it again, or save anew what there is of it."
            )

    def _decode(self, container: Any, stream: Any) -> Iterator[Any]:
        """The decoder's frames. Raises PictureError where it gives up."""
        number = 0
        try:
            for made in container.decode(stream):
                yield made
                number += 1
        except _av().FFmpegError as error:
            raise PictureError(
                f"{self.path} cannot be decoded after frame {number} ({error.strerror}): it is "
                "damaged or cut off; copy or download it again."
            ) from error


class VideoWriter:
    """Writes a video file; a context manager. What fails leaves the file half written.

    path    overwritten, if it is there.
    like    the clip whose frames these are; what else its file holds is copied from it.
    first   its first frame: the encoder is set up for frames like it.
    Raises  SettingsError if such a file cannot hold what is asked for.
    """

    def __init__(self, path: Path, like: Clip, first: Planes, encoding: Encoding) -> None:
        self._base = like.base
        codec = encoding.codec_for(path.suffix)
        name = encoding.encoder_for(codec, first.matrix is None)
        self._layout, self._convert = _choose_layout(name, first, codec, encoding.lossless)
        moved = path.suffix.lower() in (".mp4", ".m4v", ".mov")
        self._file = _av().open(str(path), "w", options={"movflags": "+faststart"} if moved else {})
        options = encoding.options_for(codec)
        self._stream = self._file.add_stream(name, rate=like.rate, options=options)
        context = self._stream.codec_context
        context.height, context.width = first.size
        context.pix_fmt, context.time_base = self._layout, like.base
        context.color_range = FULL if first.full and not self._convert else LIMITED
        if codec == "h265" and moved:
            context.codec_tag = "hvc1"  # what Apple's players ask for
        self._others: _Others | None = None
        if isinstance(like, VideoFile):
            self._others = _Others(self._file, like.path, self._stream)
        elif self._convert:
            context.colorspace = context.color_primaries = context.color_trc = BT709

    def add(self, frame: Frame) -> None:
        """Encode the next frame."""
        planes = self._convert_colours(frame.planes)
        made = frame_from(planes, self._layout, _av().VideoFrame)
        made.pts, made.time_base, made.duration = frame.start, self._base, frame.duration
        if self._others is not None:
            self._file.mux(self._others.until(frame.start * self._base))
        self._file.mux(self._stream.encode(made))

    def _convert_colours(self, planes: Planes) -> Planes:
        return planes.to_differences("420" in self._layout) if self._convert else planes

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._file.mux(self._stream.encode(None))
                if self._others is not None:
                    self._file.mux(self._others.until(None))
        finally:
            if self._others is not None:
                self._others.close()
            self._file.close()


class _Others:
    """What else a video file holds, copied into another one."""

    def __init__(self, file: Any, path: Path, stream: Any) -> None:
        self._source = _av().open(str(path))
        main = _main(self._source, path)
        _copy_tags(main, stream)
        _copy_tags(self._source, file)
        told, context = main.codec_context, stream.codec_context
        for name in ("colorspace", "color_primaries", "color_trc"):
            setattr(context, name, getattr(told, name))
        if told.sample_aspect_ratio:
            context.sample_aspect_ratio = told.sample_aspect_ratio
        if hasattr(file, "set_chapters") and (chapters := self._source.chapters()):
            file.set_chapters(chapters)
        kept = [one for one in self._source.streams if one.type in COPIED]
        self._targets = {one.index: _copy_stream(file, one) for one in kept}
        self._packets = self._source.demux(kept) if kept else iter(())
        self._next = next(self._packets, None)

    def until(self, time: Fraction | None) -> Iterator[Any]:
        """The packets up to this time in seconds, or the rest of them."""
        while (packet := self._next) is not None:
            if packet.dts is not None:  # else it only says that its stream is over
                if time is not None and packet.dts * packet.time_base > time:
                    return
                packet.stream = self._targets[packet.stream.index]
                yield packet
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()


def _choose_layout(encoder: str, first: Planes, codec: str, lossless: bool) -> tuple[str, bool]:
    """The layout to encode in, and whether RGB is converted for it."""
    try:
        layouts = [one.name for one in _av().codec.Codec(encoder, "w").video_formats]
    except ValueError as error:
        raise SettingsError(
            f"this PyAV has no encoder {encoder}: choose another --codec, or `pip install -U av`."
        ) from error
    height, width = first.size
    is_rgb = first.matrix is None
    own = "rgb" if is_rgb else name_layout(first)
    if is_rgb and lossless:
        return next(one for one in LOSSLESS_RGB if one in layouts), False
    chosen = choose_layout(own, first.bits, bool((height | width) % 2), layouts, codec)
    if lossless and chosen != own:
        raise SettingsError(
            f"{codec} cannot keep this video's {own} at {width} x {height} without loss: name the "
            "output .mkv and leave out --codec, or leave out --lossless."
        )
    return chosen, is_rgb


def _copy_stream(file: Any, stream: Any) -> Any:
    try:
        made = file.add_stream_from_template(stream)
    except (ValueError, OSError) as error:
        raise SettingsError(
            f"{Path(file.name).suffix} cannot hold the {_describe(stream)} of this video: name the "
            "output .mkv, which holds them all."
        ) from error
    _copy_tags(stream, made)
    return made


def _copy_tags(source: Any, target: Any) -> None:
    tags = {name: text for name, text in source.metadata.items() if name not in OF_THE_FILE}
    target.metadata.update(tags)


def _list_lost(container: Any, stream: Any) -> Iterator[str]:
    """What of a video file is not kept, in sentences."""
    for one in container.streams:
        if one is not stream and one.type not in COPIED:
            yield f"Stream {one.index}, {_describe(one)}, is not kept."
    if "a" in stream.format.name.replace("gray", "") and stream.format.name.startswith("yuva"):
        yield "Its transparency is not kept."


def _describe(stream: Any) -> str:
    context = getattr(stream, "codec_context", None)
    return f"{stream.type} {context.name if context else ''}".strip()


def _end_of(stream: Any) -> Fraction | None:
    """When a video stream ends, in seconds, as its file says; None where it does not."""
    if stream.duration:
        return Fraction((stream.start_time or 0) + stream.duration) * Fraction(stream.time_base)
    told = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = told.split(":")
        return Fraction(hours) * 3600 + Fraction(minutes) * 60 + Fraction(seconds.rstrip("\0"))
    except ValueError:
        return None


def _main(container: Any, path: Path) -> Any:
    """The stream that shows the video, and no cover. Raises PictureError if there is none."""
    cover = _av().stream.Disposition.attached_pic
    moving = [one for one in container.streams.video if not one.disposition & cover]
    if not moving:
        raise PictureError(f"{path} holds no video, only {_list_kinds(container)}.")
    return moving[0]


def _list_kinds(container: Any) -> str:
    return ", ".join(dict.fromkeys(one.type for one in container.streams)) or "nothing"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file to read. Raises PictureError if it is no video."""
    av = _av()
    try:
        container = av.open(str(path))
    except av.FFmpegError as error:
        if isinstance(error, FileNotFoundError):
            raise PictureError(f"{path} does not exist; check the name.") from error
        raise PictureError(
            f"{path} cannot be opened as a video ({error.strerror}): it is damaged, cut off or no "
            "video. Copy or download it again."
        ) from error
    with container:
        name = container.format.name
        if name.endswith("_pipe") or name == "image2":
            raise PictureError(
                f"{path} is a picture ({name.removesuffix('_pipe')}), no video: give its name the "
                "right ending and refine it as a picture."
            )
        yield container


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise SettingsError(f"videos need PyAV: `{extra('video')}`.") from error
    return av
