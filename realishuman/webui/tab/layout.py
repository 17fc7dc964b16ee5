"""The components of the tab "RealisHuman" and where they stand; what they trigger is in tab.

Only arguments that gradio 3.41 and 4.40 share are used. Drawing on the preview and the before/after
slider are HTML and live in markup, style.css and javascript/realishuman.js.
"""

from __future__ import annotations

from realishuman.webui.fields import FIELDS, SETTINGS
from realishuman.webui.foreign import Component
from realishuman.webui.generation.panel import GROUPS, IMG2IMG_ONLY, lay_out
from realishuman.webui.models_tab.tab import ModelsTab
from realishuman.webui.tab.markup import HINT
from realishuman.webui.tab.sending import TAB

NOT_HERE = ("enabled", "seed_offset", *IMG2IMG_ONLY)  # of the script only
SEND_TO = ("txt2img", "img2img", "inpaint", "extras")


def name_of(name: str) -> str:
    """The elem_id of one of the tab's components."""
    return f"{TAB}_{name}"


def upload_only() -> dict[str, object]:
    """The argument by which a picture can only be uploaded, for the gradio at hand."""
    import gradio

    three = gradio.__version__.startswith("3.")
    return {"source": "upload"} if three else {"sources": ["upload", "clipboard"]}


class Layout:
    """Lays the tab out in the surrounding blocks, as soon as it is made.

    models       its page Models.
    folders      whether there is a page for folders.
    made         components by name; settings those of fields.
    models_tab   what is selected to show the page Models.
    """

    def __init__(self, models: ModelsTab, folders: bool) -> None:
        import gradio

        self.made: dict[str, Component] = {}
        self.settings: dict[str, Component] = {}
        with gradio.Tabs(elem_id=name_of("tabs")):
            with gradio.TabItem("Picture", elem_id=name_of("picture_tab")):
                with gradio.Row(elem_id=name_of("columns")):
                    with gradio.Column(scale=5, elem_id=name_of("left")):
                        self._build_left()
                    with gradio.Column(scale=6, elem_id=name_of("right")):
                        self._right()
            if folders:
                with gradio.TabItem("Folder", elem_id=name_of("folder_tab")):
                    self._folder()
            with gradio.TabItem("Models", elem_id=name_of("models_tab")) as self.models_tab:
                self.made |= models.build()
        for component in (*self.made.values(), *self.settings.values()):
            component.do_not_save_to_config = True  # ranges and start values are ours

    def _build_left(self) -> None:
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
