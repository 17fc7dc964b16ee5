"""Our section of the WebUI's Settings page: start values of the accordion, folder, memory, files.

The start values are derived from fields.FIELDS. They are what components begin with and what an
API request gets for arguments it leaves out; infotext is about the declared defaults instead, so
that it reads the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from realishuman.settings import AUTO
from realishuman.webui.components import component_of
from realishuman.webui.field import Field, FieldError, Shown
from realishuman.webui.fields import FIELDS

SECTION = ("realishuman", "RealisHuman")
MODELS_DIR = "realishuman_models_dir"  # on the command line it has this name as well
KEEP_LOADED = "realishuman_keep_loaded"
PREVIEW = "realishuman_preview"
SAVE = "realishuman_save"
SAVED = ("before", "crop", "pose", "ring", "stage one", "stage two", "own skin")


@dataclass(frozen=True)
class Option:
    """A setting that is no argument of the script."""

    default: object
    label: str
    component: str = "Checkbox"
    choices: tuple[str, ...] = ()
    local: bool = False  # may not be changed through the API


OPTIONS = {
    MODELS_DIR: Option(
        "",
        "Folder of packs and other model files (empty: models/realishuman; "
        "--realishuman-models-dir takes precedence)",
        "Textbox",
        local=True,
    ),
    KEEP_LOADED: Option(
        True,
        "Keep networks in RAM after a job (off: the next job reads them from the disk again)",
    ),
    PREVIEW: Option(True, "Show finished stages in the live preview"),
    SAVE: Option(
        [],
        "Save intermediate pictures under the picture's name, in a folder realishuman beside it",
        "CheckboxGroup",
        choices=SAVED,
    ),
}


def option(key: str) -> Any:
    """What the user set, or the default before the Settings page exists."""
    from modules import shared

    return shared.opts.data.get(key, OPTIONS[key].default)


def start_key(one: Field) -> str:
    """The option that holds a field's start value."""
    return f"realishuman_start_{one.name}"


def start_value(one: Field) -> Shown:
    """What a field's component begins with; the declared default if the option cannot be read."""
    from modules import shared

    given = shared.opts.data.get(start_key(one), one.show(one.default))
    try:
        return one.show(one.read(one.from_component(given)))
    except FieldError:
        return one.show(one.default)


def register() -> None:
    """Add the section; a callback for on_ui_settings."""
    import gradio
    from modules import shared

    for key, one in OPTIONS.items():
        choices = {"choices": list(one.choices)} if one.choices else {}
        component = getattr(gradio, one.component)
        info = shared.OptionInfo(
            one.default,
            one.label,
            component,
            choices,
            section=SECTION,
            restrict_api=one.local,
        )
        shared.opts.add_option(key, info)
    for field in FIELDS:
        name, arguments = component_of(field)
        arguments.pop("info", None)
        label = f"Initial value: {arguments.pop('label')}"
        if field.is_left:
            label += f" ({AUTO}, or {field.low:g} to {field.spec.metadata['high']:g})"
        component = getattr(gradio, name)
        info = shared.OptionInfo(
            field.show(field.default), label, component, arguments, section=SECTION
        )
        shared.opts.add_option(start_key(field), info.needs_reload_ui())
