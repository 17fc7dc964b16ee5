"""A sentence for the user, as HTML on our pages."""

from __future__ import annotations

from html import escape


def note(text: str, kind: str = "note") -> str:
    """A sentence below the buttons; kind "error" makes it red."""
    return f'<p class="rh-{kind}">{escape(text)}</p>' if text else ""
