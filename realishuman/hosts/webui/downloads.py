"""Downloads that the Models page starts: one at a time, in a thread that can be stopped."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from realishuman.errors import ModelError
from realishuman.progress import Interrupted
from realishuman.weights.fetch import fetch
from realishuman.weights.manifest import KnownFile

log = logging.getLogger("realishuman")
STOPPED = "Stopped. What came so far is kept; Download goes on from there."


@dataclass(frozen=True)
class Status:
    """What is being downloaded, or how the last download ended.

    stage   the file and what happens to it.
    done    bytes of this stage so far, of total; total is 0 if unknown.
    rate    bytes a second since this stage began.
    lines   a sentence per finished file, and how it ended.
    end     "" before the first and while one runs.
    """

    running: bool = False
    end: Literal["", "done", "stopped", "failed"] = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0.0
    lines: tuple[str, ...] = ()


class Downloads:
    """The page's downloads. It is the Progress of the one that runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._status = Status()
        self._began = (0.0, 0)  # when this stage began, and its bytes then
        self._stop = False

    def start(self, files: Sequence[KnownFile], folder: Path, agreed: Collection[str]) -> bool:
        """Start, unless one is running already; says whether it did.

        agreed  names of licences the user has agreed to.
        """
        with self._lock:
            if self._status.running:
                return False
            self._stop = False
            self._status = Status(running=True, stage="starting")
            self._thread = threading.Thread(
                target=self._run, args=(tuple(files), folder, frozenset(agreed)), daemon=True
            )
            self._thread.start()
        return True

    def stop(self) -> None:
        """Ask the running download to stop at its next bytes; what came is kept."""
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
        """As a Progress."""
        self._began = (0.0, 0)
        self._status = replace(self._status, stage=stage, done=0, total=total, rate=0.0)

    def step(self, count: int = 1) -> None:
        """As a Progress. Raises Interrupted once the user pressed Cancel."""
        if self._stop:
            raise Interrupted(STOPPED)
        now, done = time.monotonic(), self._status.done + count
        if not self._began[0]:
            self._began = (now, done)  # a first step may be what an earlier download brought
        seconds = now - self._began[0]
        rate = (done - self._began[1]) / seconds if seconds > 0 else 0.0
        self._status = replace(self._status, done=done, rate=rate)

    def _run(self, files: Sequence[KnownFile], folder: Path, agreed: Collection[str]) -> None:
        end: Literal["done", "stopped", "failed"] = "failed"
        try:
            for file in files:
                fetched = fetch(file, folder, agreed=agreed, progress=self)
                self._say(f"{file.name} is {'downloaded' if fetched.new else 'there'}.")
                if fetched.note:
                    self._say(fetched.note)
            end = "done"
        except Interrupted:
            end = "stopped"
            self._say(STOPPED)
        except ModelError as error:
            self._say(str(error))
        except Exception:  # nobody else would hear of it
            log.exception("a download failed")
            self._say("The download failed; the console says more.")
        self._status = replace(self._status, running=False, end=end)

    def _say(self, line: str) -> None:
        self._status = replace(self._status, lines=(*self._status.lines, line))


@functools.cache
def downloads() -> Downloads:
    """Those of this process."""
    return Downloads()
