"""The benches of the open tabs and their pasts; each browser tab has a token for its own."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from threading import Lock

from realishuman.webui.tab.bench import Bench

STEPS = 20  # that can be taken back


@dataclass(frozen=True)
class Current:
    """A tab's bench and where it stands in its history.

    token  the tab's.
    undo   how many steps can be taken back; redo how many forth again.
    """

    token: str
    bench: Bench
    undo: int = 0
    redo: int = 0


@dataclass(frozen=True)
class _History:
    """Benches of one tab: the one that is shown, those before it, and those that were taken back.

    past    the oldest first; future the next one first.
    """

    present: Bench
    past: tuple[Bench, ...] = ()
    future: tuple[Bench, ...] = ()

    def add(self, bench: Bench) -> _History:
        return _History(bench, (*self.past, self.present)[-STEPS:])

    def move(self, forth: bool) -> _History:
        if forth and self.future:
            return _History(self.future[0], (*self.past, self.present), self.future[1:])
        if not forth and self.past:
            return _History(self.past[-1], self.past[:-1], (self.present, *self.future))
        return self

    def told(self, token: str) -> Current:
        return Current(token, self.present, len(self.past), len(self.future))


class Benches:
    """The benches of the tabs that were used last; older ones are let go of."""

    def __init__(self, limit: int = 8) -> None:
        self._limit, self._lock = limit, Lock()
        self._tabs: OrderedDict[str, _History] = OrderedDict()

    def begin(self, bench: Bench) -> Current:
        """Remember the bench of a picture that has no past, under a new token."""
        with self._lock:
            return self._put(secrets.token_hex(8), _History(bench))

    def add(self, token: str, bench: Bench) -> Current:
        """Remember a tab's bench as a step that can be taken back."""
        with self._lock:
            history = self._tabs.get(token)
            return self._put(token, history.add(bench) if history else _History(bench))

    def add_after(self, token: str | None, old: Bench, new: Bench) -> Current | None:
        """The same if `old` still lies there, else None."""
        with self._lock:
            history = self._tabs.get(token or "")
            if history is None or history.present is not old:
                return None
            return self._put(token or "", history.add(new))

    def move(self, token: str | None, forth: bool) -> Current | None:
        """Take one step back or forth, where there is one."""
        with self._lock:
            history = self._tabs.get(token or "")
            return self._put(token or "", history.move(forth)) if history else None

    def swap(self, token: str | None, old: Bench, new: Bench) -> Current | None:
        """Put `new` in the place of `old`, which is no step; None if another lies there by now."""
        with self._lock:
            history = self._tabs.get(token or "")
            if history is None or history.present is not old:
                return None
            return self._put(token or "", replace(history, present=new))

    def get(self, token: str | None) -> Bench | None:
        """The tab's bench, or None if it has none or was let go of."""
        with self._lock:
            history = self._tabs.get(token or "")
            if history is not None:
                self._tabs.move_to_end(token or "")
            return history.present if history else None

    def drop(self, token: str | None) -> None:
        """Forget a tab's bench."""
        with self._lock:
            self._tabs.pop(token or "", None)

    def _put(self, token: str, history: _History) -> Current:
        self._tabs[token] = history
        self._tabs.move_to_end(token)
        while len(self._tabs) > self._limit:
            self._tabs.popitem(last=False)
        return history.told(token)
