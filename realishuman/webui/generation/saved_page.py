"""Saved settings: a dropdown that puts them into the components, and a page to keep them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from realishuman.errors import RealisHumanError
from realishuman.webui import saved
from realishuman.webui.foreign import Component, Event
from realishuman.webui.notes import note
from realishuman.webui.ready import only_with

TITLE = "Saved settings"
INFO = "Subtle, normal and strong are for the loaded checkpoint; keep your own under More settings."


class SavedPage:
    """Components and what they do; `choice` stands in sight, the rest under the fold."""

    def __init__(self, elem_id: Callable[[str], str]) -> None:
        self.elem_id = elem_id
        self.made: dict[str, Component] = {}

    def make_choice(self) -> None:
        """The dropdown, in the surrounding blocks; what is saved is looked for later."""
        import gradio

        self.made["choice"] = gradio.Dropdown(
            list(saved.SHIPPED),
            value=None,
            label=TITLE,
            info=INFO,
            interactive=True,
            elem_id=self.elem_id("saved"),
        )

    def make_page(self) -> None:
        """Name, buttons and text, in the surrounding blocks."""
        import gradio

        made, elem_id = self.made, self.elem_id
        made["name"] = gradio.Textbox(
            label="Name", placeholder="My hands", lines=1, elem_id=elem_id("saved_name")
        )
        with gradio.Row(elem_classes=["rh-buttons"]):
            for name, words in (("save", "Save"), ("delete", "Delete"), ("use", "Use the text")):
                made[name] = gradio.Button(
                    words, interactive=False, elem_id=elem_id(f"saved_{name}")
                )
        made["text"] = gradio.Textbox(
            label="As text, to share",
            info="Save writes it here; paste another one and press Use the text.",
            lines=4,
            elem_id=elem_id("saved_text"),
        )
        made["note"] = gradio.HTML("", elem_id=elem_id("saved_note"))

    def connect(self, components: Mapping[str, Component], folder: Callable[[], Path]) -> None:
        """Connect them to the components of the fields, by name; folder says where files lie."""
        made, kept = self.made, [components[one.name] for one in saved.KEPT]
        quiet: dict[str, bool] = {"show_progress": False}

        def choose(name: str | None) -> list[object]:
            return _fill(lambda: saved.load(folder(), name)) if name else _fill(dict)

        def use(text: str) -> list[object]:
            return _fill(lambda: saved.read(text))

        def save(name: str, *values: object) -> list[object]:
            import gradio

            by_name = {
                one.name: one.from_component(value)
                for one, value in zip(saved.KEPT, values, strict=True)
            }
            try:
                text = saved.text_of(by_name)
                path = saved.save(folder(), name or "", text)
            except RealisHumanError as error:
                return [gradio.update(), gradio.update(), note(str(error), "error")]
            listed = gradio.update(choices=saved.names(folder()), value=path.stem)
            return [listed, text, note(f"Saved: {path}")]

        def delete(name: str) -> list[object]:
            import gradio

            try:
                saved.delete(folder(), name or "")
            except RealisHumanError as error:
                return [gradio.update(), note(str(error), "error")]
            listed = gradio.update(choices=saved.names(folder()), value=None)
            return [listed, note(f"Deleted: {name}")]

        only_with([made["name"]], [made["save"], made["delete"]])
        only_with([made["text"]], [made["use"]])
        filled = [*kept, made["note"]]
        made["choice"].input(choose, inputs=[made["choice"]], outputs=filled, **quiet)
        made["use"].click(use, inputs=[made["text"]], outputs=filled, **quiet)
        made["save"].click(
            save,
            inputs=[made["name"], *kept],
            outputs=[made["choice"], made["text"], made["note"]],
            **quiet,
        )
        made["delete"].click(
            delete, inputs=[made["name"]], outputs=[made["choice"], made["note"]], **quiet
        )

    def list_on(self, event: Event, folder: Callable[[], Path]) -> None:
        """Look for what is saved whenever this event comes."""

        def look() -> object:
            import gradio

            return gradio.update(choices=saved.names(folder()))

        event(look, inputs=[], outputs=[self.made["choice"]], show_progress=False)


def _fill(settings_of: Callable[[], Mapping[str, object]]) -> list[object]:
    """What the components of saved.KEPT become, and a note."""
    import gradio

    try:
        settings = settings_of()
        values = [one.read(settings.get(one.name, one.default)) for one in saved.KEPT]
    except RealisHumanError as error:
        return [*(gradio.update() for _ in saved.KEPT), note(str(error), "error")]
    return [*(one.show(value) for one, value in zip(saved.KEPT, values, strict=True)), ""]
