"""What the tab asks of the running WebUI.

Imports the host's modules only inside functions.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from realishuman.errors import RealisHumanError
from realishuman.pipeline import infotext as common
from realishuman.settings import AUTO, Settings
from realishuman.webui.choices import choices_from, to_type
from realishuman.webui.fields import FIELDS, SETTINGS
from realishuman.webui.foreign import Component, Values
from realishuman.webui.generation import infotext
from realishuman.webui.host.engine import BoundEngine, engine
from realishuman.webui.host.progress import HostProgress
from realishuman.webui.host.turn import shown_progress

if TYPE_CHECKING:
    from realishuman.webui.models_tab.background import Background


def bind(values: Values) -> tuple[BoundEngine, Settings]:
    """The engine and this picture's settings, from what components hold by field name."""
    by_name = {one.name: one for one in FIELDS}
    rest = {
        name: by_name[name].from_component(value)
        for name, value in values.items()
        if name != "seed"
    }
    chosen = choices_from(rest, engine().pack_files())
    seed = SETTINGS["seed"].read(values.get("seed", 0))
    return engine().bind(chosen), chosen.for_seed(to_type(int, seed))


def write_infotext(image: Image.Image | None, pairs: Mapping[str, str]) -> str:
    """The infotext a picture came with, and ours."""
    from modules import images

    source = images.read_info_from_image(image)[0] if image is not None else None
    return add_keys(source or "", pairs)


def add_keys(source: str, pairs: Mapping[str, str]) -> str:
    """Our keys in a picture's infotext."""
    from modules.infotext_utils import quote

    return common.add_pairs(source, pairs, quote)


class TabHost:
    """What the tab needs of gradio and the WebUI."""

    def state(self) -> Component:
        """A value per browser session."""
        import gradio

        made: Component = gradio.State(None)
        return made

    def task(self) -> Component:
        """A component whose place the task's id takes on the way to the server."""
        import gradio

        made: Component = gradio.Textbox(visible=False)
        return made

    def folders_allowed(self) -> bool:
        """Whether users of the page may name folders of this machine."""
        from modules import shared

        return not shared.cmd_opts.hide_ui_dir_config

    def progress(self) -> AbstractContextManager[HostProgress]:
        """Our progress on the host's bar."""
        return shown_progress()

    def interrupt(self) -> None:
        """Stop at the next step."""
        from modules import shared

        shared.state.interrupt()

    def skip(self) -> None:
        """The same: a run of the tab is one picture."""
        from modules import shared

        shared.state.skip()

    def save(self, image: Image.Image | None, text: str) -> str:
        """Save through the host, under its naming rules and into its folder of saved pictures."""
        from modules import images, shared

        from realishuman.webui.notes import note

        if image is None:
            return note("There is no result to save; press Refine first.", "error")
        name = "realishuman"  # after the host's number; without one each file needs its own name
        if not shared.opts.save_images_add_number:
            name = time.strftime("%Y%m%d-%H%M%S-") + name
        path, _ = images.save_image(
            image,
            shared.opts.outdir_save,
            "",
            extension=shared.opts.samples_format,
            info=text or None,
            short_filename=True,
            no_prompt=True,
            suffix=name,
        )
        return note(f"Saved: {path}")

    def outlook(self, values: Values) -> tuple[str, str]:
        """What Refine will do, as HTML, and the numbers in effect, as JSON."""
        from realishuman.webui.generation.panel import outlook

        return outlook(values)

    def models_page(self, hashed: bool = False) -> tuple[str, str, list[str]]:
        """What is next and the list of files, as HTML, and the packs one may choose."""
        from realishuman.webui.models_tab.health import inventory
        from realishuman.webui.models_tab.next_steps import next_steps
        from realishuman.webui.models_tab.page import page

        found = inventory(hashed)
        steps = next_steps(found.files, engine().outlook(choices_from({})).sentence)
        return steps, page(found), [AUTO, *engine().pack_files()]

    def files(self) -> list[list[str]]:
        """The files one may choose, in the order of panel.FILES."""
        from realishuman.webui.generation.panel import list_files

        return list_files()

    def models_folder(self) -> Path:
        """Where model files lie."""
        from realishuman.webui.host.host import current

        return current().models_folder()

    def background(self) -> Background:
        """What runs downloads and the like in this process."""
        from realishuman.webui.models_tab.background import background

        return background()

    def doctor_text(self) -> str:
        """What `realishuman doctor` says."""
        from realishuman.webui.models_tab.health import doctor

        return "\n".join(doctor()[0])

    def folder(
        self, source: str, target: str, values: Values, progress: HostProgress
    ) -> tuple[str, str]:
        """Refine a folder; a list of what was done, and a note."""
        from realishuman.webui.notes import note
        from realishuman.webui.tab.folder import refine_folder

        try:
            bound, settings = bind(values)
            lines = refine_folder(
                source,
                target,
                lambda rgb: bound.refine(rgb, settings, progress=progress),
                lambda text, result: add_keys(
                    text,
                    {
                        **infotext.settings_of(bound.choices),
                        **{
                            common.PREFIX + name: value
                            for name, value in common.facts_of(result, bound.models()).items()
                            if value
                        },
                    },
                ),
            )
        except RealisHumanError as error:
            return "", note(str(error), "error")
        rest = "".join(f"<li>{escape(line)}</li>" for line in lines[1:])
        return f"<ul>{rest}</ul>", note(lines[0])
