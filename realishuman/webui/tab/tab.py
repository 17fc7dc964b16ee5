"""What the components of the tab "RealisHuman" trigger, and what an action changes on the page.

Only events that gradio 3.41 and 4.40 share are used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from realishuman.webui.foreign import Component, Event, Values
from realishuman.webui.generation.groups import may_be_checkpoint
from realishuman.webui.generation.panel import FILES, LOOKED, PACKS, changes_of, saved_folder
from realishuman.webui.models_tab.tab import ModelsTab
from realishuman.webui.numbers import js
from realishuman.webui.ready import only_with
from realishuman.webui.tab.actions import Actions
from realishuman.webui.tab.layout import Layout, name_of
from realishuman.webui.tab.page_update import PageUpdate
from realishuman.webui.tab.tab_host import TabHost

# What an action may change, in the order of `updates`; the host adds to the last one.
OUTPUTS = (
    "token",
    "view",
    "meshes",
    "before",
    "after",
    "parts",
    "boxes",
    "result",
    "text",
    "note",
)
# what a handler gets; gradio evaluates their annotations, so all names must be known here
Token = str | None
Ticked = list[str] | None
Picture = Image.Image | None


def updates(update: PageUpdate) -> list[object]:
    """What gradio is to change, in the order of OUTPUTS."""
    import gradio

    def value(given: object) -> object:
        return gradio.update() if given is None else gradio.update(value=given)

    gone = update.after == ""  # then the old result has no place on the page either
    result = gradio.update(value=None) if gone else value(update.result)
    text = gradio.update(value="") if gone else value(update.text)
    ticks = update.ticks
    return [
        gradio.update() if update.token is None else update.token,
        value(update.view),
        value(update.meshes),
        value(update.before),
        value(update.after),
        gradio.update() if ticks is None else gradio.update(choices=ticks[0], value=ticks[1]),
        value(update.boxes),
        result,
        text,
        update.note,
    ]


class Page:
    """Builds the tab in the surrounding blocks.

    actions   what the buttons do.
    wrapped   turns a function into one that the host runs in its queue with its progress bar; its
              first argument is the task's id, its last output HTML.
    """

    def __init__(self, actions: Actions, wrapped: Event, host: TabHost) -> None:
        self.actions, self.wrapped, self.host = actions, wrapped, host
        self.models = ModelsTab(host, name_of)
        self.layout = Layout(self.models, host.folders_allowed())
        self.made, self.settings = self.layout.made, self.layout.settings
        self._connect()

    def _connect(self) -> None:
        made, actions = self.made, self.actions
        made["token"] = self.host.state()
        outputs = [made[name] for name in OUTPUTS]
        token, image, parts = made["token"], made["image"], made["parts"]
        names, values = list(self.settings), list(self.settings.values())

        def named(given: Sequence[object]) -> dict[str, object]:
            return dict(zip(names, given, strict=True))

        def find(token: Token, image: Picture, *given: object) -> list[object]:
            return updates(actions.find(token, image, named(given)))

        def receive(token: Token, image: Picture, search: bool, *given: object) -> list[object]:
            return updates(actions.receive(token, image, bool(search), named(given)))

        def apply_boxes(
            token: Token, text: str, ticked: Ticked, image: Picture, *given: object
        ) -> list[object]:
            return updates(
                actions.apply_boxes(token, text or "", ticked or [], image, named(given))
            )

        def obey(
            token: Token, text: str, ticked: Ticked, image: Picture, *given: object
        ) -> list[object]:
            return updates(actions.change(token, text or "", ticked or [], image, named(given)))

        def redraw(token: Token, ticked: Ticked, *given: object) -> list[object]:
            return updates(actions.redraw(token, ticked or [], named(given)))

        quiet: dict[str, bool] = {"show_progress": False}
        made["find"].click(find, inputs=[token, image, *values], outputs=outputs, **quiet)
        edited = {"inputs": [token, made["boxes"], parts, image, *values], "outputs": outputs}
        made["apply"].click(apply_boxes, **edited, **quiet)
        ordered = {"inputs": [token, made["order"], parts, image, *values], "outputs": outputs}
        made["obey"].click(obey, **ordered, **quiet)
        redrawn = {"inputs": [token, parts, *values], "outputs": outputs, **quiet}
        made["redraw"].click(redraw, **redrawn)
        for name in ("margin", "preset", "engine", "allow_checkpoint", *PACKS):
            self.settings[name].change(redraw, **redrawn)
        received = {"inputs": [token, image, made["search"], *values], "outputs": outputs}
        image.change(receive, **received, **quiet)
        packs = [self.settings[name] for name in PACKS]
        files = [self.settings[name] for name in FILES]
        image.change(self._files, inputs=[], outputs=files, **quiet)
        self._connect_run(values, named, outputs)
        self._connect_settings(image)
        only_with([image], [made[name] for name in ("find", "refine", "apply")])
        self.models.connect(packs, self.layout.models_tab)
        if "run_folder" in made:
            self._connect_folder(values, named)

    def _connect_run(
        self,
        values: list[Component],
        named: Callable[[Sequence[object]], Values],
        outputs: list[Component],
    ) -> None:
        """Refine, what stops it, and what saves its result."""
        made, actions, quiet = self.made, self.actions, {"show_progress": False}

        def refine(
            _task: object, token: Token, image: Picture, ticked: Ticked, *given: object
        ) -> list[object]:
            with self.host.progress() as progress:
                update = actions.refine(token, image, ticked or [], named(given), progress)
            return updates(update)

        inputs = [self.host.task(), *(made[name] for name in ("token", "image", "parts")), *values]
        made["refine"].click(
            self.wrapped(refine, extra_outputs=updates(PageUpdate())[:-1]),
            inputs=inputs,
            outputs=outputs,
            **quiet,
            **js(f"(...all) => realishuman_submit(all, {len(inputs)}, 'outcome')"),
        )
        made["interrupt"].click(self.host.interrupt, inputs=[], outputs=[], **quiet)
        made["skip"].click(self.host.skip, inputs=[], outputs=[], **quiet)
        made["save"].click(
            self.host.save, inputs=[made["result"], made["text"]], outputs=[made["note"]]
        )

    def _connect_settings(self, image: Component) -> None:
        """What follows from the choices; also with a new picture, as packs may have come."""
        laid, quiet = self.layout.laid, {"show_progress": False}
        looked = [self.settings[name] for name in LOOKED]
        told = [self.made["outlook"], laid.numbers.effects, laid.checkpoint]
        for event in (image.change, *changes_of(self.settings)):
            event(self._look_ahead, inputs=looked, outputs=told, **quiet)
        laid.saved.connect(self.settings, saved_folder)
        laid.saved.list_on(image.change, saved_folder)

    def _look_ahead(self, *looked: object) -> list[object]:
        """What Refine will do, the numbers it will use, and what the checkpoint needs."""
        import gradio

        values = dict(zip(LOOKED, looked, strict=True))
        return [*self.host.outlook(values), gradio.update(visible=may_be_checkpoint(values))]

    def _files(self) -> list[object]:
        """The files there are now, which nothing has looked for while the page was built."""
        import gradio

        return [gradio.update(choices=each) for each in self.host.files()]

    def _connect_folder(
        self, values: list[Component], named: Callable[[Sequence[object]], Values]
    ) -> None:
        made = self.made

        def run(_task: object, source: str, target: str, *given: object) -> list[object]:
            with self.host.progress() as progress:
                return list(self.host.folder(source, target, named(given), progress))

        only_with([made["source"], made["target"]], [made["run_folder"]])
        inputs = [self.host.task(), made["source"], made["target"], *values]
        made["run_folder"].click(
            self.wrapped(run, extra_outputs=[""]),
            inputs=inputs,
            outputs=[made["folder_list"], made["folder_note"]],
            show_progress=False,
            **js(f"(...all) => realishuman_submit(all, {len(inputs)}, 'folder_outcome')"),
        )
        made["stop_folder"].click(self.host.interrupt, inputs=[], outputs=[], show_progress=False)
