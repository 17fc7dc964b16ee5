"""The tab "RealisHuman": its layout, and which action each component triggers.

Only events and arguments that gradio 3.41 and 4.40 share are used. Drawing on the preview and the
before/after slider are HTML and live in markup, style.css and javascript/realishuman.js.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PIL import Image

from realishuman.webui.fields import FIELDS, SETTINGS
from realishuman.webui.foreign import Component, Event, Values
from realishuman.webui.generation.panel import GROUPS, IMG2IMG_ONLY, PACKS, lay_out
from realishuman.webui.models_tab.tab import ModelsTab
from realishuman.webui.tab.actions import Actions
from realishuman.webui.tab.markup import HINT
from realishuman.webui.tab.page_update import PageUpdate
from realishuman.webui.tab.sending import TAB
from realishuman.webui.tab.tab_host import TabHost

NOT_HERE = ("enabled", "seed_offset", *IMG2IMG_ONLY)  # of the script only
# What an action may change, in the order of `updates`; the host adds to the last one.
OUTPUTS = (
    "token",
    "stage",
    "parts",
    "boxes",
    "table",
    "comparison",
    "kept",
    "result",
    "text",
    "note",
)
# what a handler gets; gradio evaluates their annotations, so all names must be known here
Token = str | None
Ticked = list[str] | None
Picture = Image.Image | None
SEND_TO = ("txt2img", "img2img", "inpaint", "extras")


def name_of(name: str) -> str:
    """The elem_id of one of the tab's components."""
    return f"{TAB}_{name}"


def js(code: str) -> dict[str, str]:
    """The argument that gives an event's JavaScript, for the gradio at hand."""
    import gradio

    return {"_js" if gradio.__version__.startswith("3.") else "js": code}


def upload_only() -> dict[str, object]:
    """The argument by which a picture can only be uploaded, for the gradio at hand."""
    import gradio

    three = gradio.__version__.startswith("3.")
    return {"source": "upload"} if three else {"sources": ["upload", "clipboard"]}


def updates(update: PageUpdate) -> list[object]:
    """What gradio is to change, in the order of OUTPUTS."""
    import gradio

    def ticks(pair: tuple[list[str], list[str]] | None) -> object:
        if pair is None:
            return gradio.update()
        return gradio.update(choices=pair[0], value=pair[1], visible=bool(pair[0]))

    def value(given: object) -> object:
        return gradio.update() if given is None else gradio.update(value=given)

    gone = update.comparison == ""  # then the old result has no place on the page either
    result = gradio.update(value=None) if gone else value(update.result)
    text = gradio.update(value="") if gone else value(update.text)
    return [
        gradio.update() if update.token is None else update.token,
        value(update.stage),
        ticks(update.ticks),
        value(update.boxes),
        value(update.table),
        value(update.comparison),
        ticks(update.kept),
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
        self.made: dict[str, Component] = {}
        self.settings: dict[str, Component] = {}
        self.models = ModelsTab(host, name_of)

    def build(self) -> None:
        """Lay everything out and connect it."""
        import gradio

        with gradio.Tabs(elem_id=name_of("tabs")):
            with gradio.TabItem("Picture", elem_id=name_of("picture_tab")):
                with gradio.Row(elem_id=name_of("columns")):
                    with gradio.Column(scale=5, elem_id=name_of("left")):
                        self._left()
                    with gradio.Column(scale=6, elem_id=name_of("right")):
                        self._right()
            if self.host.folders_allowed():
                with gradio.TabItem("Folder", elem_id=name_of("folder_tab")):
                    self._folder()
            with gradio.TabItem("Models", elem_id=name_of("models_tab")) as self.models_tab:
                self.made |= self.models.build()
        for component in (*self.made.values(), *self.settings.values()):
            component.do_not_save_to_config = True  # ranges and start values are ours
        self._connect()

    def _left(self) -> None:
        import gradio

        made = self.made
        made["image"] = gradio.Image(
            label="Picture",
            interactive=True,
            type="pil",
            image_mode="RGBA",
            elem_id=name_of("image"),
            height=260,
            **upload_only(),
        )
        with gradio.Row(elem_classes=["rh-buttons"]):
            made["find"] = gradio.Button("Find parts", elem_id=name_of("find"))
            made["refine"] = gradio.Button("Refine", variant="primary", elem_id=name_of("refine"))
            made["interrupt"] = gradio.Button("Interrupt", elem_id=name_of("interrupt"))
            made["skip"] = gradio.Button("Skip", elem_id=name_of("skip"))
        made["outlook"] = gradio.HTML("", elem_id=name_of("outlook"))
        made["note"] = gradio.HTML("", elem_id=name_of("note"))
        made["parts"] = gradio.CheckboxGroup(
            [], label="Parts to refine", visible=False, elem_id=name_of("ticks")
        )
        made["table"] = gradio.HTML("", elem_id=name_of("table"))
        made["boxes"] = gradio.Textbox(
            label="Boxes",
            info="One line per part, in pixels: right hand 120,80,260,240. A new or changed "
            "box is used exactly; deleting a line removes the part.",
            lines=3,
            elem_id=name_of("boxes"),
        )
        with gradio.Row(elem_classes=["rh-buttons"]):
            made["apply"] = gradio.Button("Use these boxes", elem_id=name_of("apply"))
            made["drawn"] = gradio.Radio(
                list(SETTINGS["parts"].choices),
                value=SETTINGS["parts"].choices[0],
                label="A drawn box contains a",
                interactive=True,  # gradio 3 takes what no event reads for an output
                elem_id=name_of("drawn"),
            )
        self._settings()

    def _settings(self) -> None:
        import gradio

        made = self.made
        by_name = {one.name: one for one in FIELDS if one.name not in NOT_HERE}
        ring = [by_name.pop(name) for name in ("dilate", "erode")]
        with gradio.Group(elem_id=name_of("ring")):
            self.settings |= lay_out(ring, name_of)
        seed = SETTINGS["seed"]
        for title, names in GROUPS:
            rest = tuple(by_name) if title == "More" else names
            group = [by_name.pop(name) for name in rest if name in by_name]
            if not group:
                continue
            with gradio.Accordion(title or "Parts and packs", open=False):
                self.settings |= lay_out(group, name_of)
                if "steps" in names:
                    self.settings["seed"] = gradio.Number(
                        value=seed.default,
                        label=seed.label,
                        info=f"{seed.help}; the same seed makes the same pixels",
                        precision=0,
                        elem_id=name_of("seed"),
                    )
        made["redraw"] = gradio.Button(
            "Redraw", elem_id=name_of("redraw"), elem_classes=["rh-hidden"]
        )

    def _right(self) -> None:
        import gradio

        made = self.made
        made["stage"] = gradio.HTML(HINT, elem_id=name_of("stage"))
        with gradio.Column(elem_id=name_of("outcome")):
            made["comparison"] = gradio.HTML("", elem_id=name_of("comparison"))
        made["kept"] = gradio.CheckboxGroup(
            [], label="Refined parts to keep", visible=False, elem_id=name_of("kept")
        )
        with gradio.Row(elem_classes=["rh-buttons"], elem_id=name_of("send")):
            made["save"] = gradio.Button("Save", elem_id=name_of("save"))
            for target in SEND_TO:
                made[f"to_{target}"] = gradio.Button(
                    f"Send to {target}", elem_id=name_of(f"to_{target}")
                )
        with gradio.Accordion("Result and infotext", open=False, elem_id=name_of("details")):
            made["result"] = gradio.Image(
                label="Result", interactive=False, type="pil", elem_id=name_of("result")
            )
            made["text"] = gradio.Textbox(
                label="Infotext", interactive=False, lines=3, elem_id=name_of("text")
            )

    def _folder(self) -> None:
        import gradio

        made = self.made
        gradio.HTML(
            "<p>Refines every picture in a folder with the Picture tab's settings. Only pixels "
            "of refined parts change; size and metadata stay.</p>"
        )
        for name, label in (("source", "Folder of pictures"), ("target", "Folder for results")):
            made[name] = gradio.Textbox(
                label=label,
                placeholder="A folder on the machine that runs the WebUI",
                elem_id=name_of(name),
            )
        with gradio.Row(elem_classes=["rh-buttons"]):
            made["run_folder"] = gradio.Button(
                "Refine folder", variant="primary", elem_id=name_of("run_folder")
            )
            made["stop_folder"] = gradio.Button("Interrupt", elem_id=name_of("stop_folder"))
        with gradio.Column(elem_id=name_of("folder_outcome")):
            made["folder_list"] = gradio.HTML("", elem_id=name_of("folder_list"))
        made["folder_note"] = gradio.HTML("", elem_id=name_of("folder_note"))

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

        def apply_boxes(token: Token, text: str, ticked: Ticked, *given: object) -> list[object]:
            return updates(actions.apply_boxes(token, text or "", ticked or [], named(given)))

        def redraw(token: Token, ticked: Ticked, *given: object) -> list[object]:
            return updates(actions.redraw(token, ticked or [], named(given)))

        def refine(
            _task: object, token: Token, image: Picture, ticked: Ticked, *given: object
        ) -> list[object]:
            with self.host.progress() as progress:
                update = actions.refine(token, image, ticked or [], named(given), progress)
            return updates(update)

        def keep(token: Token, kept: Ticked, image: Picture) -> list[object]:
            return updates(actions.keep(token, kept or [], image))

        quiet: dict[str, bool] = {"show_progress": False}
        made["find"].click(find, inputs=[token, image, *values], outputs=outputs)
        made["apply"].click(
            apply_boxes, inputs=[token, made["boxes"], parts, *values], outputs=outputs
        )
        redrawn = {"inputs": [token, parts, *values], "outputs": outputs, **quiet}
        made["redraw"].click(redraw, **redrawn)
        parts.input(redraw, **redrawn)
        for name in ("margin", "preset", "engine", *PACKS):
            self.settings[name].change(redraw, **redrawn)
        image.change(
            lambda token: updates(actions.forget(token)), inputs=[token], outputs=outputs, **quiet
        )
        packs = [self.settings[name] for name in PACKS]
        image.change(self._packs, inputs=[], outputs=packs, **quiet)
        inputs = [self.host.task(), token, image, parts, *values]
        made["refine"].click(
            self.wrapped(refine, extra_outputs=updates(PageUpdate())[:-1]),
            inputs=inputs,
            outputs=outputs,
            **quiet,
            **js(f"(...all) => realishuman_submit(all, {len(inputs)}, 'outcome')"),
        )
        made["kept"].input(keep, inputs=[token, made["kept"], image], outputs=outputs, **quiet)
        made["interrupt"].click(self.host.interrupt, inputs=[], outputs=[], **quiet)
        made["skip"].click(self.host.skip, inputs=[], outputs=[], **quiet)
        made["save"].click(
            self.host.save, inputs=[made["result"], made["text"]], outputs=[made["note"]]
        )
        packs = [self.settings[name] for name in PACKS]
        looked = [self.settings["parts"], self.settings["engine"], *packs]
        for one in (image, *looked):  # also with a new picture: packs may have come since
            one.change(self.host.outlook, inputs=looked, outputs=[made["outlook"]], **quiet)
        self.models.connect(packs, self.models_tab)
        if "run_folder" in made:
            self._connect_folder(values, named)

    def _packs(self) -> list[object]:
        """The packs there are now, which nothing has looked for while the page was built."""
        import gradio

        files = self.host.packs()
        return [gradio.update(choices=files) for _ in PACKS]

    def _connect_folder(
        self, values: list[Component], named: Callable[[Sequence[object]], Values]
    ) -> None:
        made = self.made

        def run(_task: object, source: str, target: str, *given: object) -> list[object]:
            with self.host.progress() as progress:
                return list(self.host.folder(source, target, named(given), progress))

        inputs = [self.host.task(), made["source"], made["target"], *values]
        made["run_folder"].click(
            self.wrapped(run, extra_outputs=[""]),
            inputs=inputs,
            outputs=[made["folder_list"], made["folder_note"]],
            show_progress=False,
            **js(f"(...all) => realishuman_submit(all, {len(inputs)}, 'folder_outcome')"),
        )
        made["stop_folder"].click(self.host.interrupt, inputs=[], outputs=[], show_progress=False)
