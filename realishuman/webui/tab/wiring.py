"""The callback that puts the tab into the WebUI: builds the page, connects what leads to it.

What the page needs is imported only now: the file in scripts/ is run at each start.
"""

from __future__ import annotations

import logging
from html import escape
from pathlib import Path

from realishuman.webui.host.program import program
from realishuman.webui.tab.sending import TAB, Sending

TITLE = "RealisHuman"
log = logging.getLogger("realishuman")


def tabs(sending: Sending) -> list[tuple[object, str, str]]:
    """A callback for on_ui_tabs: builds the page and connects the "send to" buttons."""
    if program().why_not:
        return [(_notice(program().why_not), TITLE, TAB)]
    _make_temporary_folder()
    import gradio
    from modules import call_queue, infotext_utils

    try:
        from realishuman.webui.host.turn import turn
        from realishuman.webui.tab.actions import Actions
        from realishuman.webui.tab.layout import SEND_TO
        from realishuman.webui.tab.tab import Page
        from realishuman.webui.tab.tab_host import TabHost, bind, write_infotext
    except ImportError as error:
        log.error("the RealisHuman tab cannot be built: %s", error)
        return [(_notice(_lacking(error)), TITLE, TAB)]
    with gradio.Blocks(analytics_enabled=False) as blocks:
        page = Page(Actions(bind, turn, write_infotext), call_queue.wrap_gradio_gpu_call, TabHost())
    for target in SEND_TO:
        infotext_utils.register_paste_params_button(
            infotext_utils.ParamBinding(
                paste_button=page.made[f"to_{target}"],
                tabname=target,
                source_text_component=page.made["text"],
                source_image_component=None if target == "txt2img" else page.made["result"],
            )
        )
    sending.connect(page.made["image"])
    return [(blocks, TITLE, TAB)]


def _make_temporary_folder() -> None:
    """Make the folder in which the host keeps the pictures that its page shows.

    Forge Neo names one by default and makes it only when the option is changed, or an extension is
    installed; without it every picture on our page would end in gradio's "Error".
    """
    from modules import shared

    if folder := getattr(shared.opts, "temp_dir", ""):
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.warning("RealisHuman: pages may show no pictures: %s", error)


def _lacking(error: ImportError) -> str:
    """Which package keeps the tab from being built."""
    return (
        f"The Python package {error.name or ''} is missing ({error}). Restart the WebUI without "
        "--skip-install, so that install.py can add it."
    )


def _notice(sentence: str) -> object:
    """A page that says nothing else."""
    import gradio

    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.HTML(f"<p>{escape(sentence)}</p>")
    return blocks
