"""What tab and routes take from the running WebUI, and the callbacks that bring them to it.

Imports the host's modules only inside functions: the page is built from scripts/.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from realishuman import infotext as common
from realishuman.errors import RealisHumanError
from realishuman.hosts.webui import fields, infotext
from realishuman.hosts.webui.engine import BoundEngine, engine
from realishuman.hosts.webui.options import PREVIEW, option
from realishuman.hosts.webui.program import program
from realishuman.hosts.webui.progress import STAGES, HostProgress, reserve
from realishuman.hosts.webui.sending import TAB, Sending
from realishuman.settings import AUTO, PART_KINDS, Settings

if TYPE_CHECKING:
    from realishuman.hosts.webui.background import Background

TITLE = "RealisHuman"
log = logging.getLogger("realishuman")


@contextmanager
def turn() -> Iterator[None]:
    """Alone in the host's queue; Interrupt and Skip of the job before are forgotten."""
    from modules import shared
    from modules.call_queue import queue_lock

    with queue_lock:
        shared.state.begin(job=TITLE)
        try:
            yield
        finally:
            shared.state.end()


def bind(values: Mapping[str, Any]) -> tuple[BoundEngine, Settings]:
    """The engine and this picture's settings, from what components hold by field name."""
    by_name = {one.name: one for one in fields.FIELDS}
    rest = {
        name: by_name[name].from_component(value)
        for name, value in values.items()
        if name != "seed"
    }
    chosen = fields.choices_from(rest, engine().pack_files())
    return engine().bind(chosen), chosen.for_seed(
        fields.SETTINGS["seed"].read(values.get("seed", 0))
    )


def write_infotext(image: Image.Image | None, pairs: Mapping[str, str]) -> str:
    """The infotext a picture came with, and ours."""
    from modules import images

    source = images.read_info_from_image(image)[0] if image is not None else None
    return added(source or "", pairs)


def added(source: str, pairs: Mapping[str, str]) -> str:
    """Our keys in a picture's infotext."""
    from modules.infotext_utils import quote

    return common.added(source, pairs, quote)


@contextmanager
def progress() -> Iterator[HostProgress]:
    """Our progress on the host's bar, with room for both stages of every kind of part."""
    from modules import shared

    stages = STAGES * len(PART_KINDS)
    reserve(shared.state, stages)
    with HostProgress(shared.state, stages, preview=option(PREVIEW)) as made:
        yield made


class TabHost:
    """What the tab needs of gradio and the WebUI."""

    def state(self) -> Any:
        """A value per browser session."""
        import gradio

        return gradio.State(None)

    def task(self) -> Any:
        """A component whose place the task's id takes on the way to the server."""
        import gradio

        return gradio.Textbox(visible=False)

    def folders_allowed(self) -> bool:
        """Whether users of the page may name folders of this machine."""
        from modules import shared

        return not shared.cmd_opts.hide_ui_dir_config

    def progress(self) -> AbstractContextManager[HostProgress]:
        """Our progress on the host's bar."""
        return progress()

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

        from realishuman.hosts.webui.markup import note

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

    def outlook(self, parts: Sequence[str], *packs: str) -> str:
        """What Refine will do that its user may not expect, as HTML; packs per kind of part."""
        from realishuman.hosts.webui.panel import outlook

        return outlook(parts, *packs)

    def models_page(self, hashed: bool = False) -> tuple[str, list[str]]:
        """The Models page as HTML, and the packs one may choose."""
        from realishuman.hosts.webui.models_page import page

        return page(inventory(hashed)), [AUTO, *engine().pack_files()]

    def packs(self) -> list[str]:
        """The packs one may choose."""
        try:
            return [AUTO, *engine().pack_files()]
        except RealisHumanError:  # what keeps them from being read is said where they are used
            return [AUTO]

    def models_folder(self) -> Path:
        """Where model files lie."""
        from realishuman.hosts.webui.host import current

        return current().models_folder()

    def background(self) -> Background:
        """What runs downloads and the like in this process."""
        from realishuman.hosts.webui.background import background

        return background()

    def doctor_text(self) -> str:
        """What `realishuman doctor` says."""
        return "\n".join(doctor()[0])

    def folder(
        self, source: str, target: str, values: Mapping[str, Any], progress: HostProgress
    ) -> tuple[str, str]:
        """Refine a folder; a list of what was done, and a note."""
        from realishuman.hosts.webui.folder import refine_folder
        from realishuman.hosts.webui.markup import note

        try:
            bound, settings = bind(values)
            lines = refine_folder(
                source,
                target,
                lambda rgb: bound.refine(rgb, settings, progress=progress),
                lambda text, result: added(
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


def inventory(hashed: bool = False) -> Any:
    """All model files, with the detector's provider if it has run."""
    from realishuman.hosts.webui.host import current
    from realishuman.hosts.webui.models_page import inventory as look

    host = current()
    return look(host.models_folder(), engine().provider(), host.describe(), hashed=hashed)


def tabs(sending: Sending) -> list[tuple[Any, str, str]]:
    """A callback for on_ui_tabs: builds the page and connects the "send to" buttons."""
    if program().why_not:
        return [(_notice(program().why_not), TITLE, TAB)]
    _make_temporary_folder()
    import gradio
    from modules import call_queue, infotext_utils

    try:
        from realishuman.hosts.webui.actions import Actions
        from realishuman.hosts.webui.tab import SEND_TO, Page
    except ImportError as error:
        log.error("the RealisHuman tab cannot be built: %s", error)
        return [(_notice(_lacking(error)), TITLE, TAB)]
    with gradio.Blocks(analytics_enabled=False) as blocks:
        page = Page(Actions(bind, turn, write_infotext), call_queue.wrap_gradio_gpu_call, TabHost())
        page.build()
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


def _notice(sentence: str) -> Any:
    """A page that says nothing else."""
    import gradio

    with gradio.Blocks(analytics_enabled=False) as blocks:
        gradio.HTML(f"<p>{escape(sentence)}</p>")
    return blocks


def doctor() -> tuple[list[str], bool]:
    """What `realishuman doctor` says, and whether networks can run in this WebUI."""
    from realishuman.doctor import report
    from realishuman.hosts.webui.host import current

    try:
        host = current()
        place = host.place()
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing could be refined
        lines, _ = report()
        said = str(error) if isinstance(error, RealisHumanError) else repr(error)
        return [*lines, f"BROKEN   WebUI: {said}"], False
    lines, healthy = report(host.models_folder())
    runs = f"ok       {host.name}, whose UNets compute in {place.dtype} on {place.device}"
    return [*lines, runs.replace("torch.", "")], healthy


def app_started(_demo: Any, app: Any) -> None:
    """A callback for on_app_started: adds the HTTP routes, with or without the host's own API."""
    from modules import shared

    from realishuman.hosts.webui.routes import Service, add_routes

    def with_packs(packs: Mapping[str, str]) -> BoundEngine:
        named = {f"{kind}_pack": name for kind, name in packs.items()}
        return engine().bind(fields.choices_from(named, engine().pack_files()))

    add_routes(
        app,
        Service(
            engine=with_packs,
            exclusive=turn,
            progress=progress,
            schema=lambda: fields.schema(tuple(fields.SETTINGS.values())),
            models=lambda: inventory().as_dict(),
            doctor=lambda: dict(zip(("lines", "healthy"), doctor(), strict=True)),
            credentials=credentials(shared.cmd_opts.api_auth),
        ),
    )


def credentials(flag: str | None) -> dict[str, str]:
    """User -> password of --api-auth, "user:password,user:password"."""
    pairs = (pair.partition(":") for pair in (flag or "").split(",") if pair)
    return {user: password for user, _, password in pairs}
