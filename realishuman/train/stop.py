"""Turns Ctrl-C and SIGTERM into a wish that a loop looks for where it can stop well."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class StopWish:
    """While entered, the first signal only sets `asked`; the second stops at once.

    say  is told so at the first one.
    """

    def __init__(self, say: Callable[[], None]) -> None:
        self.asked = False
        self._say = say
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopWish:
        if threading.current_thread() is threading.main_thread():  # no other may set handlers
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_reason: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        self._say()
