"""What becomes of a track: in which frames it is repainted, and which fingers of a hand.

Both are decided over time: what single frames say is smoothed, and a decision holds until much
speaks against it, so that nothing comes and goes from frame to frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realishuman.figures import tell_apart
from realishuman.judge.opinion import GOOD
from realishuman.mesh.hand_corrector import WRONG
from realishuman.video.tracks import Track

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SMOOTH = 0.3  # seconds, the standard deviation over which opinions are averaged
HOLD = 0.15  # by which an opinion may fall below its limit before a decision is given up
CLEAR = 0.01  # by which a finger that stays is below its limit
SHORT = 3  # frames: of tracks that are seen in fewer, nothing is repainted


@dataclass(frozen=True)
class Span:
    """Frames of a track, in a row, in which it is repainted.

    first, last  frames, from 0.
    wrong        (frames, 5) float32, how likely each finger is wrong, WRONG or more where it is
                 repainted; None where nobody says.
    """

    track: int
    first: int
    last: int
    wrong: NDArray[np.float32] | None

    def holds(self, frame: int) -> bool:
        """Whether a frame is one of these."""
        return self.first <= frame <= self.last


@dataclass(frozen=True)
class Decision:
    """What becomes of a track: its spans, or why there are none, as a sentence."""

    track: Track
    spans: tuple[Span, ...]
    reason: str = ""


def decide(track: Track, rate: float, frames: int) -> Decision:
    """Decide on a track.

    rate    frames per second.
    frames  of the clip.
    """
    briefs = track.briefs
    seen = np.array([one.frame for one in briefs])
    if len(briefs) < min(SHORT, frames):
        return Decision(track, (), f"It is seen in {len(briefs)} of {frames} frames only.")
    reasons = Counter(one.reason for one in briefs if one.reason)
    if 2 * reasons.total() > len(briefs):
        return Decision(track, (), reasons.most_common(1)[0][0])
    every = np.arange(seen[0], seen[-1] + 1)
    opinions = np.array([one.malformed for one in briefs])
    known = ~np.isnan(opinions)
    painted = np.ones(len(every), bool)
    if known.any():
        smooth = average(opinions[known, None], seen[known], every, SMOOTH * rate)[:, 0]
        painted = hold(smooth, GOOD, GOOD - HOLD)
        if not painted.any():
            told, limit = tell_apart(float(smooth.max()), GOOD, percent=True)
            return Decision(
                track,
                (),
                f"it looks right already (malformed {told} at most, suspect from {limit}); turn "
                "gate off to repaint it",
            )
    wrong = _decide_fingers(track, every, rate)
    spans = []
    reasons = Counter()
    for first, last in runs(painted):
        own = [one for one in briefs if every[first] <= one.frame <= every[last]]
        asked = [one for one in own if one.malformed >= GOOD - HOLD]
        hindered = Counter(one.hindrance for one in asked if one.hindrance)
        if 2 * hindered.total() > len(asked):
            reasons.update(hindered)
            continue
        part = None if wrong is None else wrong[first : last + 1]
        spans.append(Span(track.number, int(every[first]), int(every[last]), part))
    reason = "" if spans else reasons.most_common(1)[0][0]
    return Decision(track, tuple(spans), reason)


def average(values: Floats, at: NDArray[np.intp], where: NDArray[np.intp], sigma: float) -> Floats:
    """Gaussian means of values (N, K), known at some frames, at all of `where`, frames in a row."""
    sigma = max(sigma, 0.5)
    reach = np.arange(-int(4 * sigma) - 1, int(4 * sigma) + 2)
    kernel = np.exp(-0.5 * (reach / sigma) ** 2)
    known = np.zeros(len(where))
    known[at - where[0]] = 1
    weights = _spread(known, kernel)
    columns = []
    for column in values.T:
        filled = np.zeros(len(where))
        filled[at - where[0]] = column
        far = np.interp(where, at, column)  # beyond the kernel's reach of all that is known
        means = _spread(filled, kernel) / np.maximum(weights, 1e-9)
        columns.append(np.where(weights > 1e-9, means, far))
    return np.column_stack(columns)


def _spread(values: Floats, kernel: Floats) -> Floats:
    half = len(kernel) // 2
    return np.asarray(np.convolve(values, kernel)[half : half + len(values)], np.float64)


def hold(values: Floats, high: float, low: float) -> Mask:
    """Where values (N,) are `high` or more, and around there as long as they are above `low`."""
    held = values >= low
    for first, last in runs(held):
        if values[first : last + 1].max() < high:
            held[first : last + 1] = False
    return held


def runs(mask: Mask) -> list[tuple[int, int]]:
    """First and last place of each row of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.view(np.uint8), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def _decide_fingers(
    track: Track, every: NDArray[np.intp], rate: float
) -> NDArray[np.float32] | None:
    """(frames, 5) how likely each finger is wrong, over time; None where nobody says."""
    told = [(one.frame, one.wrong) for one in track.briefs if one.wrong is not None]
    if not told:
        return None
    at = np.array([frame for frame, _ in told])
    smooth = average(np.array([wrong for _, wrong in told], float), at, every, SMOOTH * rate)
    for finger in range(smooth.shape[1]):
        on = hold(smooth[:, finger], WRONG, WRONG - HOLD)
        low, high = np.where(on, WRONG, 0.0), np.where(on, 1.0, WRONG - CLEAR)
        smooth[:, finger] = np.clip(smooth[:, finger], low, high)
    return smooth.astype(np.float32)


def sample(span: Span, seen: Sequence[int], count: int) -> list[int]:
    """So many frames of a span, spread over those in which its part is seen."""
    inside = [frame for frame in seen if span.holds(frame)]
    places = np.linspace(0, len(inside) - 1, min(count, len(inside)) * 2 + 1)[1::2]
    return [inside[round(place)] for place in places]
