"""The benches of the open tabs; each browser tab has a token, under which its bench lies."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from threading import Lock

from realishuman.webui.tab.bench import Bench


class Benches:
    """The benches of the tabs that were used last; older ones are let go of."""

    def __init__(self, limit: int = 8) -> None:
        self._limit, self._lock = limit, Lock()
        self._benches: OrderedDict[str, Bench] = OrderedDict()

    def put(self, token: str | None, bench: Bench) -> str:
        """Remember a tab's bench; returns the tab's token, a new one for a tab without."""
        token = token or secrets.token_hex(8)
        with self._lock:
            self._benches[token] = bench
            self._benches.move_to_end(token)
            while len(self._benches) > self._limit:
                self._benches.popitem(last=False)
        return token

    def swap(self, token: str | None, old: Bench, new: Bench) -> bool:
        """Put `new` in the place of `old` unless something else lies there by now."""
        with self._lock:
            if token is None or self._benches.get(token) is not old:
                return False
            self._benches[token] = new
            return True

    def get(self, token: str | None) -> Bench | None:
        """The tab's bench, or None if it has none or was let go of."""
        with self._lock:
            if token is None or token not in self._benches:
                return None
            self._benches.move_to_end(token)
            return self._benches[token]

    def drop(self, token: str | None) -> None:
        """Forget a tab's bench."""
        with self._lock:
            self._benches.pop(token or "", None)
