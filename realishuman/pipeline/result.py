"""What a run returns: the picture, and what was done to each part and why."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realishuman.arguments import expect
from realishuman.imaging.boxes import Box
from realishuman.imaging.loaded import LoadedPicture, picture_of
from realishuman.imaging.paste import Patch, PixelPatch
from realishuman.imaging.picture import save_picture
from realishuman.progress import Interrupted


class Stopped(Interrupted):
    """The user asked to stop when some parts were done already.

    result  the picture with those, as `refine` would return it.
    """

    def __init__(self, result: Result) -> None:
        super().__init__("stopped after some parts were refined")
        self.result = result


@dataclass(frozen=True)
class Malformed:
    """How likely a part is malformed, 0..1, before and after its repair, says the judge network."""

    before: float
    after: float


@dataclass(frozen=True)
class Try:
    """One way in which a part was painted.

    patch   to be pasted.
    seed    of the noise it was painted with; None if there was none.
    reason  why the judge would rather keep the original, as a sentence; empty if it would not.
    """

    patch: Patch | PixelPatch
    seed: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class PartReport:
    """One part that was found.

    outcome  "refined" or "kept" (the picture's own pixels stay).
    reason   why it was kept, as a sentence; empty when refined.
    crop     the square that was repainted, in picture pixels; None if it never got that far.
    malformed  what the judge network says of it; None where it was not asked.
    seed     of the noise it was painted with, the best one of several tries; None if it was not.
    note     a sentence if nothing was recognised in a box and a part at rest was assumed.
    engine   what repainted it, as the setting `engine` names it; empty if nothing did.
    """

    index: int
    kind: str
    side: str | None
    score: float
    box: Box
    outcome: str
    reason: str = ""
    crop: Box | None = None
    malformed: Malformed | None = None
    seed: int | None = None
    note: str = ""
    engine: str = ""

    @property
    def name(self) -> str:
        """The part in words: "2 right hand"."""
        return " ".join(filter(None, (str(self.index), self.side, self.kind)))


@dataclass(frozen=True)
class Result:
    """A refined picture and its report.

    image     (H, W, 3) uint8 RGB, or (H, W, 4) with the input's alpha; uint16 where the input
              has 16 bits per channel. Outside the m_d of the refined parts, and fingertips beyond
              it that the transplant erases, every value equals the input's.
    parts     one report per part, in the order of their numbers.
    message   one sentence: what was done, or why nothing was.
    weights   "trained", "demo" or "random" per part kind that was refined; "none" where the
              transplant did it.
    meshes    what made the meshes, per part kind that was found: "built-in",
              "built-in, landmarks corrected", the same "as in photographs", "HaMeR",
              "3DDFA-V3".
    unets     diffusion.networks.OWN or TWIN, per part kind that a pack refined: whether this
              package's UNets ran, or those of the WebUI with other weights.
    notes     sentences on what stood in for something else, and those of `missed`.
    missed    sentences on what the user named and is not there: boxes, numbers of parts.
    provider  what ran the detector's networks.
    seconds   wall time per stage.
    steps     pictures of the intermediate steps by name, only when asked for.
    patches   what was pasted: imaging.paste.compose makes the picture anew from any
              choice of them, without sampling.
    tries     by number of a part all that was painted, also what was not pasted.
    source    the picture it was made from, with what its file said; None if that is not known.
    """

    image: NDArray[Any]
    parts: tuple[PartReport, ...]
    message: str
    weights: dict[str, str] = field(default_factory=dict)
    meshes: dict[str, str] = field(default_factory=dict)
    unets: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    provider: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    steps: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    patches: tuple[Patch | PixelPatch, ...] = ()
    tries: Mapping[int, tuple[Try, ...]] = field(default_factory=dict, repr=False)
    source: LoadedPicture | None = field(default=None, repr=False)

    def save(self, path: str | Path) -> tuple[str, ...]:
        """Write the picture, in the mode and with the metadata of the file it was made from.

        path     its extension names the format; the folder must be there.
        Returns  what of these the format does not hold, in words.
        Raises   PictureError if it cannot be written so.
        """
        expect("path", path, (str, os.PathLike), "a path")
        like = picture_of(self.image) if self.source is None else self.source
        return save_picture(path, self.image[..., :3], like)

    def report(self) -> dict[str, Any]:
        """Everything but the pictures, ready for JSON."""
        return {
            "message": self.message,
            "parts": [asdict(part) for part in self.parts],
            "weights": dict(self.weights),
            "meshes": dict(self.meshes),
            "unets": dict(self.unets),
            "notes": list(self.notes),
            "missed": list(self.missed),
            "provider": self.provider,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }
