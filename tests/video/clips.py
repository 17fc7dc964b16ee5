"""Tiny clips, made for a test."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np

SIZE = (48, 64)  # height and width


def picture(number, size=SIZE):
    """(H, W, 3) uint8: colours that run across, and change from frame to frame."""
    y, x = np.mgrid[: size[0], : size[1]]
    planes = [x * 3 + 7 * number, y * 4, np.full_like(x, 40 + 9 * number)]
    return np.clip(np.dstack(planes), 0, 255).astype(np.uint8)


def make_video(
    path,
    frames=5,
    *,
    size=SIZE,
    codec="libx264",
    layout="yuv420p",
    starts=None,
    tags=(),
    sounds=(),
    words=None,
):
    """Write a video.

    starts  of the frames, in 1/1000 s; None is 25 a second.
    tags    names and values for the encoder, as in color_range.
    sounds  language of each track of sound.
    words   subtitles.
    """
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options={"crf": "12"} if codec != "ffv1" else {})
        stream.height, stream.width, stream.pix_fmt = *size, layout
        stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in dict(tags).items():
            setattr(stream.codec_context, name, value)
        tracks = [_add_sound(file, language) for language in sounds]
        if words:
            file.metadata["title"] = words
        for number in range(frames):
            made = av.VideoFrame.from_ndarray(picture(number, size), format="rgb24")
            made = made.reformat(format=layout)
            made.pts = starts[number] if starts else 40 * number
            made.time_base = Fraction(1, 1000)
            file.mux(stream.encode(made))
        file.mux(stream.encode(None))
        for place, track in enumerate(tracks):
            sound = av.AudioFrame.from_ndarray(
                np.full((1, 8000), 0.1 * (place + 1), np.float32), format="fltp", layout="mono"
            )
            sound.sample_rate, sound.pts = 8000, 0
            file.mux(track.encode(sound))
            file.mux(track.encode(None))
    return path


def _add_sound(file, language):
    track = file.add_stream("aac", rate=8000, layout="mono")
    track.metadata["language"] = language
    return track


def probe(path):
    """(kind, codec, language) of each stream."""
    with av.open(str(path)) as file:
        return [
            (one.type, one.codec_context.name, one.metadata.get("language")) for one in file.streams
        ]
