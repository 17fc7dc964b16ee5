"""The components of the tab "RealisHuman" and where they stand; what they trigger is in tab.

Only arguments that gradio 3.41 and 4.40 share are used. The viewer, in which parts are looked at,
ticked, drawn and kept, is made by javascript/realishuman_viewer.js; it reads and writes components
that are hidden here.
"""

from __future__ import annotations

from realishuman.webui.components import info_of
from realishuman.webui.fields import FIELDS, SETTINGS
from realishuman.webui.foreign import Component
from realishuman.webui.generation.groups import IMG2IMG_ONLY, Laid, lay_out
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
    made         components by name; settings those of fields, and laid where they stand.
    models_tab   what is selected to show the page Models.
    """

    def __init__(self, models: ModelsTab, folders: bool) -> None:
        import gradio

        self.made: dict[str, Component] = {}
        self.settings: dict[str, Component] = {}
        self.laid: Laid
        with gradio.Tabs(elem_id=name_of("tabs")):
            with gradio.TabItem("Picture", elem_id=name_of("picture_tab")):
                with gradio.Row(elem_id=name_of("columns")):  # style.css says where they stand
                    with gradio.Column(elem_id=name_of("left")):
                        self._build_left()
                    with gradio.Column(elem_id=name_of("right")):
                        self._right()
                    with gradio.Column(elem_id=name_of("settings")):
                        self._settings()
            if folders:
                with gradio.TabItem("Folder", elem_id=name_of("folder_tab")):
                    self._folder()
            with gradio.TabItem("Models", elem_id=name_of("models_tab")) as self.models_tab:
                self.made |= models.build()
        others = (*self.laid.numbers.extra, *self.laid.saved.made.values())
        shown = (*self.made.values(), *self.settings.values(), *others)
        for component in shown:
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
        made["search"] = gradio.Checkbox(
            label="Find parts as soon as a picture is there", elem_id=name_of("search")
        )
        with gradio.Row(elem_classes=["rh-buttons"]):
            made["find"] = gradio.Button("Find parts", interactive=False, elem_id=name_of("find"))
            made["refine"] = gradio.Button(
                "Refine", variant="primary", interactive=False, elem_id=name_of("refine")
            )
            made["interrupt"] = gradio.Button("Interrupt", elem_id=name_of("interrupt"))
            made["skip"] = gradio.Button("Skip", elem_id=name_of("skip"))
        made["outlook"] = gradio.HTML("", elem_id=name_of("outlook"))
        made["note"] = gradio.HTML("", elem_id=name_of("note"))

    def _settings(self) -> None:
        import gradio

        made, seed = self.made, SETTINGS["seed"]

        def fill() -> None:
            self.settings["seed"] = gradio.Number(
                value=seed.default,
                label=seed.label,
                info=f"{info_of(seed)}; the same seed makes the same pixels",
                precision=0,
                elem_id=name_of("seed"),
            )

        fields = [one for one in FIELDS if one.name not in NOT_HERE]
        self.laid = lay_out(fields, name_of, {"Repainting": fill}, ("dilate", "erode"))
        self.settings |= self.laid.made
        self.laid.numbers.connect(self.settings)
        with gradio.Accordion("Boxes as text", open=False):
            made["boxes"] = gradio.Textbox(
                label="Boxes",
                info="One line per part, in pixels: right hand 120,80,260,240. A new or changed "
                "box is used exactly; deleting a line removes the part.",
                lines=3,
                elem_id=name_of("boxes"),
            )
            made["apply"] = gradio.Button(
                "Use these boxes", interactive=False, elem_id=name_of("apply")
            )

    def _right(self) -> None:
        import gradio

        made = self.made
        gradio.HTML(f'<div class="rh-viewer">{HINT}</div>', elem_id=name_of("viewer"))
        with gradio.Column(elem_id=name_of("outcome")):
            self._hidden()
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

    def _hidden(self) -> None:
        """What the viewer shows and writes, hidden by style: gradio 4 omits invisible ones."""
        import gradio

        made, hidden = self.made, {"elem_classes": ["rh-hidden"]}
        for name in ("view", "meshes", "before", "after"):
            made[name] = gradio.HTML("", elem_id=name_of(name), **hidden)
        made["parts"] = gradio.CheckboxGroup(
            [], label="Parts to refine", elem_id=name_of("ticks"), **hidden
        )
        made["order"] = gradio.Textbox(label="Order", elem_id=name_of("order"), **hidden)
        for name in ("obey", "redraw"):
            made[name] = gradio.Button(name, elem_id=name_of(name), **hidden)

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
                "Refine folder", variant="primary", interactive=False, elem_id=name_of("run_folder")
            )
            made["stop_folder"] = gradio.Button("Interrupt", elem_id=name_of("stop_folder"))
        with gradio.Column(elem_id=name_of("folder_outcome")):
            made["folder_list"] = gradio.HTML("", elem_id=name_of("folder_list"))
        made["folder_note"] = gradio.HTML("", elem_id=name_of("folder_note"))
