"""The page Models of the tab: its layout, and what its buttons do.

Files are downloaded only when somebody presses Download, and made only when somebody presses Make;
the rest of the page only looks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Protocol

from realishuman.downloads.fetch import OFFLINE, by_hand, offline
from realishuman.downloads.inventory import features, matching, states, total
from realishuman.downloads.manifest import KnownFile, Licence
from realishuman.errors import ModelError, SettingsError
from realishuman.webui.foreign import Component
from realishuman.webui.models_tab.background import Background, Status, Work
from realishuman.webui.models_tab.downloads import download
from realishuman.webui.models_tab.making import FOLDER, REPLACE, TRUST, folder_of, make_official
from realishuman.webui.models_tab.next_steps import DOWNLOAD, FILES, MAKE
from realishuman.webui.notes import note
from realishuman.webui.ready import only_with

BUSY = "Something is running already: wait for it, or cancel it."
MAKING = (
    "<p>Make packs for hands and faces, and the paper's own meshes, from files that you must "
    "get from their authors. <i>Check</i> says what is there, what is missing and what it will "
    "cost; <i>Make</i> takes minutes and runs alongside generation.</p>"
)


class PageHost(Protocol):
    """What the page needs of the WebUI."""

    def models_page(self, hashed: bool = False) -> tuple[str, str, list[str]]:
        """What is next and the list, as HTML, and the packs one may choose."""

    def models_folder(self) -> Path:
        """Where model files lie."""

    def folders_allowed(self) -> bool:
        """Whether users of the page may name folders of this machine."""

    def background(self) -> Background:
        """What runs downloads and the like."""

    def doctor_text(self) -> str:
        """What `realishuman doctor` says."""


class ModelsTab:
    """Builds the page in the surrounding blocks.

    name_of  gives a component's elem_id.
    """

    def __init__(self, host: PageHost, name_of: Callable[[str], str]) -> None:
        self.host, self.name_of = host, name_of
        self.made: dict[str, Component] = {}

    def build(self) -> dict[str, Component]:
        """Lay it out; returns the components by name."""
        import gradio

        made, name_of = self.made, self.name_of
        made["next"] = gradio.HTML(
            "<p>Looking at the model files ...</p>", elem_id=name_of("next_steps")
        )
        with gradio.Column(elem_id=name_of("work_box")):  # Cancel is shown by style.css
            with gradio.Row(elem_classes=["rh-buttons"]):
                made["cancel"] = gradio.Button("Cancel", elem_id=name_of("download_cancel"))
                for name in ("tick", "ended"):  # pressed by javascript/realishuman.js
                    made[name] = gradio.Button(
                        name, elem_id=name_of(f"download_{name}"), elem_classes=["rh-hidden"]
                    )
            made["state"] = gradio.HTML("", elem_id=name_of("download_state"))
        with gradio.Accordion(DOWNLOAD, open=False, elem_id=name_of("download_box")):
            made["wanted"] = gradio.Dropdown(
                [],
                label="Download",
                info="Choose a feature to fetch all of its files that may be downloaded.",
                elem_id=name_of("wanted"),
            )
            made["licence"] = gradio.HTML("", elem_id=name_of("licence"))
            made["agree"] = gradio.Checkbox(
                False,
                label="I have read this licence and agree to it",
                visible=False,
                elem_id=name_of("agree"),
            )
            made["download"] = gradio.Button(
                "Download", variant="primary", interactive=False, elem_id=name_of("download")
            )
        with gradio.Accordion(MAKE, open=False, elem_id=name_of("making_box")):
            self._making()
        with gradio.Accordion(FILES, open=False, elem_id=name_of("files_box")):
            self._files()
        return made

    def _files(self) -> None:
        """The list of all files, and how well this machine is."""
        import gradio

        made, name_of = self.made, self.name_of
        with gradio.Row(elem_classes=["rh-buttons"]):
            made["refresh"] = gradio.Button("Refresh", elem_id=name_of("refresh"))
            made["check"] = gradio.Button("Check hashes", elem_id=name_of("check"))
            made["doctor"] = gradio.Button("Run doctor", elem_id=name_of("doctor"))
        made["models"] = gradio.HTML(
            "<p>Checking the model files ...</p>", elem_id=name_of("models")
        )
        made["doctor_text"] = gradio.Textbox(
            label="Doctor", lines=8, interactive=False, elem_id=name_of("doctor_text")
        )

    def _making(self) -> None:
        """The box for what is made of the official files."""
        import gradio

        made, name_of = self.made, self.name_of
        gradio.HTML(MAKING, elem_id=name_of("making"))
        made["folder"] = gradio.Textbox(
            label=FOLDER,
            info="Full path on the machine that runs the WebUI. The models folder is searched "
            "too, and may be all you need.",
            visible=self.host.folders_allowed(),
            elem_id=name_of("making_folder"),
        )
        made["trust"] = gradio.Checkbox(False, label=TRUST, elem_id=name_of("making_trust"))
        made["replace"] = gradio.Checkbox(False, label=REPLACE, elem_id=name_of("making_replace"))
        with gradio.Row(elem_classes=["rh-buttons"]):
            made["look"] = gradio.Button("Check", elem_id=name_of("making_check"))
            made["make"] = gradio.Button("Make", variant="primary", elem_id=name_of("making_make"))

    def connect(self, packs: Sequence[Component], opened: Component) -> None:
        """Connect the buttons.

        packs   the dropdowns in which packs are chosen.
        opened  the page's own tab, whose choosing fills the list.
        """
        made, quiet = self.made, {"show_progress": False}
        only_with([made["wanted"]], [made["download"]])
        listed = [made["next"], made["models"], made["state"], made["wanted"], *packs]
        opened.select(lambda: self._list(len(packs)), inputs=[], outputs=listed, **quiet)
        made["refresh"].click(lambda: self._list(len(packs)), inputs=[], outputs=listed)
        made["check"].click(lambda: self._list(len(packs), True), inputs=[], outputs=listed)
        made["tick"].click(self._progress, inputs=[], outputs=[made["state"]], **quiet)
        made["ended"].click(lambda: self._end(len(packs)), inputs=[], outputs=listed, **quiet)
        made["wanted"].change(
            self._choose, inputs=[made["wanted"]], outputs=[made["licence"], made["agree"]], **quiet
        )
        made["download"].click(
            self._start,
            inputs=[made["wanted"], made["agree"]],
            outputs=[made["state"]],
            **quiet,
        )
        asked = [made["folder"], made["trust"], made["replace"]]
        for name, only_check in (("look", True), ("make", False)):
            made[name].click(
                functools.partial(self._make, only_check=only_check),
                inputs=asked,
                outputs=[made["state"]],
                **quiet,
            )
        made["cancel"].click(self._cancel, inputs=[], outputs=[made["state"]], **quiet)
        made["doctor"].click(self.host.doctor_text, inputs=[], outputs=[made["doctor_text"]])

    def _list(self, packs: int, hashed: bool = False) -> list[object]:
        """Everything anew, with the first of what is missing chosen."""
        import gradio

        steps, page, files = self.host.models_page(hashed)
        missing = choices(self.host.models_folder())
        return [
            steps,
            page,
            self._progress(),
            gradio.update(choices=missing, value=missing[0] if missing else None),
            *(gradio.update(choices=files) for _ in range(packs)),
        ]

    def _progress(self) -> str:
        return progress_html(self.host.background().status())

    def _end(self, packs: int) -> list[object]:
        """Everything anew, but after a failure what was chosen can be tried again."""
        import gradio

        new = self._list(packs)
        if self.host.background().status().end != "done":
            new[3] = gradio.update()
        return new

    def _choose(self, wanted: str | None) -> list[object]:
        import gradio

        asked = [one for one in licences(find_files(wanted)) if one.ask]
        text = "".join(map(licence_html, licences(find_files(wanted))))
        return [text, gradio.update(visible=bool(asked), value=False)]

    def _start(self, wanted: str | None, agreed: bool) -> str:
        files = find_files(wanted)
        if not files:
            return note("Choose what to download; Refresh fills the list.", "error")
        if offline():
            return offline_html(files, self.host.models_folder())
        asked = [one for one in licences(files) if one.ask]
        if asked and not agreed:
            titles = " and ".join(one.title for one in asked)
            return note(f"Read {titles} and tick the box first.", "error")
        names = {one.name for one in asked}
        return self._begin(download(files, self.host.models_folder(), names))

    def _make(self, folder: str | None, trust: bool, replace: bool, *, only_check: bool) -> str:
        try:
            named = folder_of(folder) if self.host.folders_allowed() else None
        except SettingsError as error:
            return note(str(error), "error")
        models = self.host.models_folder()
        return self._begin(
            make_official(models, named, trust=trust, replace=replace, only_check=only_check)
        )

    def _begin(self, work: Work) -> str:
        if not self.host.background().start(work):
            return note(BUSY, "error")
        return self._progress()

    def _cancel(self) -> str:
        self.host.background().stop()
        return self._progress()


def choices(folder: Path) -> list[str]:
    """What may be downloaded and is not there: features, then single files, each with its size."""
    found = states(folder)
    groups = [
        (one.feature.name, [s.file for s in one.missing if s.file.how == "auto"])
        for one in features(found)
    ]
    named = [
        f"{name} ({len(files)} file{'s' * (len(files) > 1)}, {total(files) / 1e6:.0f} MB)"
        for name, files in groups
        if files
    ]
    single = [s.file for s in found.values() if s.file.how == "auto" and not s.present]
    return [*named, *(f"{file.name} ({file.size / 1e6:.1f} MB)" for file in single)]


def find_files(wanted: str | None) -> list[KnownFile]:
    """The files meant by one of the choices; none if nothing is chosen or it is none of ours."""
    try:
        found = matching((wanted or "").split(" (")[0])
    except ModelError:
        return []
    return [file for file in found if file.how == "auto"]


def licences(files: Sequence[KnownFile]) -> list[Licence]:
    """Those of the files, each once."""
    return list(dict.fromkeys(file.licence for file in files))


def licence_html(one: Licence) -> str:
    """What a licence says in short, with a link to it."""
    link = f'<a href="{escape(one.url)}" target="_blank" rel="noopener">{escape(one.title)}</a>'
    return f"<p>Licence: {link}: {escape(one.says)}.</p>"


def offline_html(files: Sequence[KnownFile], folder: Path) -> str:
    """That nothing is downloaded, and how to get each file without us."""
    steps = "".join(f"<li>{escape(by_hand(file, folder))}</li>" for file in files)
    said = f"Downloads are switched off ({OFFLINE} is set). On a machine with a network:"
    return f'{note(said, "error")}<ul class="rh-steps">{steps}</ul>'


def progress_html(status: Status) -> str:
    """A bar while something runs, and what was said so far."""
    lines = [note(line) for line in status.lines]
    if status.end == "failed":
        lines[-1:] = [note(line, "error") for line in status.lines[-1].splitlines()]
        lines += [note(status.advice)] if status.advice else []
    if not status.running:
        return "".join(lines)
    share = f"{100 * status.done / status.total:.0f}%" if status.total else "0%"
    bar = f'<div class="rh-bar"><div style="width: {share}"></div></div>'
    shown = f'<div class="rh-running">{bar}{escape(f"{status.stage}: {_how_far(status)}")}</div>'
    return "".join(lines) + shown


def _how_far(status: Status) -> str:
    if not status.bytes:
        return f"{100 * status.done / status.total:.0f} %" if status.total else "..."
    text = f"{status.done / 1e6:.1f}"
    text += f" of {status.total / 1e6:.1f} MB" if status.total else " MB"
    return text + (f", {status.rate / 1e6:.1f} MB/s" if status.rate else "")
