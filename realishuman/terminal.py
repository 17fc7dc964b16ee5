"""Progress on the terminal: a bar for all pictures, one for the stage at work, lines above them.

Where stderr is no terminal nothing is drawn, so a log holds plain lines; they then say how far the
run is.
"""

from __future__ import annotations

import sys
import time
from typing import Any

SECONDS = 30.0  # between two lines on how far a clip is, where no bars are drawn


class Bar:
    """Bars with the time left and lines between them, on stderr; a context manager.

    quiet  draw no bars, and keep how far the run is out of the lines.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._drawn = not quiet and _is_terminal()
        self._told = not quiet and not self._drawn
        self._overall: Any = None
        self._stage: Any = None
        self._started = time.monotonic()
        self._heading = ""
        self._doing, self._first, self._told_at = "", 1, 0.0

    def picture(self, number: int, total: int) -> None:
        """Picture `number` of `total` starts, counted from 1."""
        self._end_stage()
        if total == 1:
            return
        if number == 1:
            self._started = time.monotonic()
        left = _say_left(time.monotonic() - self._started, number - 1, total)
        heading = f"{number} of {total}{left}"
        if self._told:
            self._heading = f"{heading}: "
        if self._drawn:
            self._draw_overall(heading, number - 1, total)

    def frame(self, doing: str, number: int, total: int) -> None:
        """Frame `number` of a clip's `total` is worked on, counted from 1; 0 is not known.

        The time left is that of this pass over the clip, from the frames it did in this run.
        """
        now = time.monotonic()
        if doing != self._doing:
            self._doing, self._first, self._started, self._told_at = doing, number, now, now
        of = f" of {total}" if total >= number else ""
        done, rest = number - self._first, total - self._first + 1
        left = _say_left(now - self._started, done, rest) if of else ""
        heading = f"{doing} frame {number}{of}{left}"
        if self._drawn:
            self._draw_overall(heading, number - 1, max(total, number))
        elif self._told and now - self._told_at >= SECONDS:
            self._told_at = now
            self.say(heading)

    def begin(self, stage: str, total: int) -> None:
        """Close the stage's bar and start the next."""
        self._end_stage()
        if self._drawn:
            from tqdm import tqdm

            self._stage = tqdm(
                total=total,
                desc=stage,
                file=sys.stderr,
                leave=False,
                delay=0.5,
                position=0 if self._overall is None else 1,
            )

    def step(self, count: int = 1) -> None:
        """Advance the stage's bar."""
        if self._stage is not None:
            self._stage.update(count)

    def say(self, text: str) -> None:
        """Print a line above the bars; the stage's is over."""
        self._end_stage()
        text, self._heading = self._heading + text, ""
        if self._overall is not None:
            self._overall.write(text, file=sys.stderr)
        else:
            sys.stderr.write(text + "\n")

    def _draw_overall(self, heading: str, done: int, total: int) -> None:
        if self._overall is None:
            from tqdm import tqdm

            self._overall = tqdm(
                total=total,
                file=sys.stderr,
                leave=False,
                position=0,
                bar_format="{desc} |{bar}|",
            )
        self._overall.n, self._overall.total = done, total
        self._overall.set_description_str(heading)

    def _end_stage(self) -> None:
        if self._stage is not None:
            self._stage.close()
            self._stage = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_reason: object) -> None:
        self._end_stage()
        if self._overall is not None:
            self._overall.close()
            self._overall = None


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _say_left(seconds: float, done: int, total: int) -> str:
    """ ", 4 min left", from the time that the finished pictures took; empty before the first."""
    if not done:
        return ""
    left = round(seconds / done * (total - done))
    if left < 60:
        return f", {left} s left"
    minutes = round(left / 60)
    return (
        f", {minutes} min left" if minutes < 60 else f", {minutes // 60} h {minutes % 60} min left"
    )
