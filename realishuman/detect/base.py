"""What every detector returns, and the one interface the pipeline knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from realishuman.detect.released import ReleasedBox
from realishuman.imaging.boxes import Box

Picture = NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True)
class Part:
    """One hand or face of a picture.

    kind       "hand", "face": a name the pipeline has an entry for.
    side       "left" or "right" (the person's own), None for a face.
    box        tight box around the keypoints, in picture pixels; may leave the picture.
    score      0..1, how sure the detector is that this is a part at all.
    keypoints  (K, 3) float32: x, y in picture pixels, z in the same unit, away from the viewer.
               K = 21 for a hand (wrist, then thumb to little finger, four each, base to tip),
               468 for a face (MediaPipe's order), or the 68 of iBUG's order without depth
               where a detector could not complete them.
    world      (21, 3) float32, metres, axes as keypoints, origin at the hand's centre; None if
               there is no such estimate, as for a face.
    person     number of the person, from 0, where the detector tells people apart, else None.
    note       a sentence if the keypoints are not what a detector saw, else empty.
    square     the crop that the released code makes of it, where the detector works as released;
               two hands that share one have the same.
    right      0..1, how surely it is the person's right hand, where a detector says so.
    doubt      a sentence if it seems to be something else after all, else empty: such a part is
               refined only if the user names it.
    """

    kind: str
    side: str | None
    box: Box
    score: float
    keypoints: NDArray[np.float32]
    world: NDArray[np.float32] | None = None
    person: int | None = None
    note: str = ""
    right: float | None = None
    doubt: str = ""
    square: ReleasedBox | None = None

    @property
    def name(self) -> str:
        """The part in words: "right hand", "face"."""
        return f"{self.side} {self.kind}" if self.side else self.kind


@dataclass(frozen=True)
class GivenBox:
    """A place the user named: search for a part of this kind here, whatever the detector thinks.

    side   "left" or "right" if the user said which, else None.
    exact  the part fills exactly this box, also where nothing is recognised: see look.find.
           Detectors do not read it.
    """

    kind: str
    box: Box
    side: str | None = None
    exact: bool = False


class Detector(Protocol):
    """Finds parts in a picture."""

    @property
    def provider(self) -> str:
        """What really runs the networks, as read back from the session."""

    @property
    def note(self) -> str:
        """A sentence when the networks run elsewhere than asked, else empty."""

    def release(self) -> None:
        """Let go of the networks' memory; they open again at the next use."""

    def detect(
        self,
        picture: Picture,
        kinds: Sequence[str],
        *,
        confidence: float,
        given: Sequence[GivenBox] = (),
    ) -> list[Part]:
        """Return all parts of these kinds, best first within a kind; none is an empty list.

        picture     (H, W, 3) uint8 RGB, any size from 1x1.
        confidence  0..1, lowest score that counts.
        given       boxes in picture pixels that are searched as well; with any given box of a
                    kind, that kind is searched only there.
        """
