"""Buttons that are off until there is what they need; the page's own JavaScript sees to it."""

from __future__ import annotations

from collections.abc import Sequence

from realishuman.webui.foreign import Component
from realishuman.webui.numbers import js


def only_with(needed: Sequence[Component], buttons: Sequence[Component]) -> None:
    """Let buttons, made with interactive=False, be pressed while none of `needed` is empty."""
    import gradio

    version = gradio.__version__.partition(".")[0]
    held = f"all.slice(0, {len(needed)})"
    code = f"(...all) => realishuman_ready({held}, {len(buttons)}, {version})"
    for one in needed:
        one.change(
            fn=None,
            inputs=list(needed),
            outputs=list(buttons),
            show_progress=False,
            **js(code),
        )
