"""How long work reports how far it is, and how it is told to stop."""

from __future__ import annotations

from typing import Protocol


class Interrupted(Exception):  # noqa: N818 - not an error: the user asked for it
    """The user asked to stop; what is finished so far stays valid."""


class Progress(Protocol):
    """Receives steps. A host raises Interrupted from `step` when the user pressed stop."""

    def begin(self, stage: str, total: int) -> None:
        """A stage of `total` steps starts; the previous one, if any, is over."""

    def step(self, count: int = 1) -> None:
        """`count` more steps of the current stage are done."""


class Silent:
    """Reports to nobody."""

    def begin(self, stage: str, total: int) -> None:
        """Ignore."""

    def step(self, count: int = 1) -> None:
        """Ignore."""
