"""Work that the Models page starts: one thing at a time, in a thread that can be stopped."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from realishuman.errors import RealisHumanError
from realishuman.progress import Interrupted, Progress

log = logging.getLogger("realishuman")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """Something to be done.

    run      does it; gets a Progress, and a function that takes sentences for the user.
    stopped  what is said once the user has stopped it.
    advice   what is added after a failure, empty if nothing.
    bytes    whether its steps are bytes.
    """

    run: Callable[[Progress, Say], None]
    stopped: str
    advice: str = ""
    bytes: bool = False


@dataclass(frozen=True)
class Status:
    """What is being done, or how the last work ended.

    stage   what is done just now.
    done    steps of this stage so far, of total; total is 0 if unknown.
    rate    steps a second since this stage began.
    lines   a sentence for each thing that was done, and how it ended.
    end     "" before the first work and while one runs.
    advice  what is to be said after a failure.
    bytes   whether steps are bytes.
    """

    running: bool = False
    end: Literal["", "done", "stopped", "failed"] = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0
    lines: tuple[str, ...] = ()
    advice: str = ""
    bytes: bool = False


class Background:
    """Runs the page's work. It is the Progress of what runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._status = Status()
        self._began = (0.0, 0)  # when this stage began, and its steps then
        self._stop = False

    def start(self, work: Work) -> bool:
        """Start, unless something is running already; says whether it did."""
        with self._lock:
            if self._status.running:
                return False
            self._stop = False
            self._status = Status(running=True, stage="starting", bytes=work.bytes)
            self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
            self._thread.start()
        return True

    def stop(self) -> None:
        """Ask what runs to stop at its next step."""
        if self._status.running:
            self._stop = True
            self._status = replace(self._status, stage=f"stopping: {self._status.stage}")

    def status(self) -> Status:
        """How far it is."""
        return self._status

    def wait(self, seconds: float | None = None) -> None:
        """Wait until nothing runs, at most so long."""
        if self._thread is not None:
            self._thread.join(seconds)

    def begin(self, stage: str, total: int) -> None:
        """As a Progress. Raises Interrupted once the user pressed Cancel."""
        self._halt()
        self._began = (0.0, 0)
        self._status = replace(self._status, stage=stage, done=0, total=total, rate=0.0)

    def step(self, count: int = 1) -> None:
        """As a Progress. Raises Interrupted once the user pressed Cancel."""
        self._halt()
        now, done = time.monotonic(), self._status.done + count
        if not self._began[0]:
            self._began = (now, done)  # a first step may be what an earlier download brought
        seconds = now - self._began[0]
        rate = (done - self._began[1]) / seconds if seconds > 0 else 0.0
        self._status = replace(self._status, done=done, rate=rate)

    def _halt(self) -> None:
        if self._stop:
            raise Interrupted("the user pressed Cancel")

    def _run(self, work: Work) -> None:
        end: Literal["done", "stopped", "failed"] = "failed"
        try:
            work.run(self, self._say)
            end = "done"
        except Interrupted:
            end = "stopped"
            self._say(work.stopped)
        except RealisHumanError as error:
            self._say(str(error))
        except Exception as error:  # nobody else would hear of it
            log.exception("a task started from the Models page failed")
            self._say(f"It failed: {type(error).__name__}: {error}. See the console for details.")
        self._status = replace(self._status, running=False, end=end, advice=work.advice)

    def _say(self, line: str) -> None:
        self._status = replace(self._status, lines=(*self._status.lines, line))


@functools.cache
def background() -> Background:
    """That of this process."""
    return Background()
