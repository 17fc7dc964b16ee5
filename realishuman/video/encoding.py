"""How a video is encoded: which codec a file gets, how well, and in which layout of planes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from realishuman.errors import SettingsError

ENCODERS: Mapping[str, str] = MappingProxyType(
    {"h264": "libx264", "h265": "libx265", "vp9": "libvpx-vp9", "ffv1": "ffv1"}
)
CODECS_OF: Mapping[str, tuple[str, ...]] = (
    MappingProxyType(  # the first is taken unless one is named
        {
            ".mp4": ("h264", "h265", "vp9"),
            ".m4v": ("h264", "h265"),
            ".mov": ("h264", "h265"),
            ".mkv": ("h264", "h265", "vp9", "ffv1"),
            ".webm": ("vp9",),
        }
    )
)
QUALITY: Mapping[str, int] = MappingProxyType({"h264": 16, "h265": 18, "vp9": 20})
LOSSLESS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "h264": {"qp": "0"},
        "h265": {"x265-params": "lossless=1:log-level=error"},
        "vp9": {"lossless": "1"},
        "ffv1": {"level": "3"},
    }
)
MORE: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"h265": {"x265-params": "log-level=error"}, "vp9": {"b": "0"}}
)
WORST = 63  # quality that any of the codecs knows
NEEDS_EVEN = frozenset({"h264", "h265"})  # where colours have half the resolution


@dataclass(frozen=True)
class Encoding:
    """What the user says of it.

    codec    a key of ENCODERS; None takes the file's usual one.
    quality  the codec's crf, 0 best; None takes QUALITY's.
    """

    codec: str | None = None
    quality: int | None = None
    lossless: bool = False

    def codec_for(self, suffix: str) -> str:
        """The codec of a file with this extension. Raises SettingsError if it cannot have it."""
        held = CODECS_OF[suffix.lower()]
        if self.codec is None:
            return "ffv1" if self.lossless and "ffv1" in held else held[0]
        if self.codec not in held:
            raise SettingsError(
                f"{suffix} does not hold {self.codec}, only {', '.join(held)}: choose another "
                "--codec or name the output .mkv, which holds all."
            )
        return self.codec

    def encoder_for(self, codec: str, is_rgb: bool) -> str:
        """FFmpeg's name of the encoder."""
        alike = is_rgb and self.lossless and codec == "h264"
        return "libx264rgb" if alike else ENCODERS[codec]

    def options_for(self, codec: str) -> dict[str, str]:
        """Options of the encoder."""
        if self.lossless or codec == "ffv1":
            return dict(LOSSLESS[codec])
        quality = QUALITY[codec] if self.quality is None else self.quality
        return {"crf": str(quality), **MORE.get(codec, {})}


def choose_layout(own: str, bits: int, odd: bool, layouts: Sequence[str], codec: str) -> str:
    """The encoder's layout that keeps most of a frame.

    own      the frame's, in FFmpeg's terms; "rgb" for RGB.
    odd      whether width or height are.
    layouts  that the encoder takes.
    """
    whole = odd and codec in NEEDS_EVEN
    if own in layouts and not (whole and "444" not in own):
        return own
    colours = "444" if whole or "444" in own else "420"
    deep = f"yuv{colours}p10le"
    return deep if bits > 8 and deep in layouts else f"yuv{colours}p"
