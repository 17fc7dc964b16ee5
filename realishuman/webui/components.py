"""Which gradio component fits a field: the accordion, the tab and the Settings page agree on it."""

from __future__ import annotations

from realishuman.settings import AUTO, CHECKPOINT, PACK, TRANSPLANT
from realishuman.webui.field import SWITCH, Field, Shown

LABELS = {"engine": "Repaint with", "preset": "Constants"}  # where a field's name would say less
NAMED = {  # field -> what its choices are called; few enough to be seen at once
    "engine": {
        AUTO: "the best there is",
        PACK: "a RealisHuman pack",
        CHECKPOINT: "the loaded checkpoint",
        TRANSPLANT: "the picture's own skin",
    }
}

INFO = {  # where a page has more to show than the sentence that stands everywhere
    "engine": "The best there is: a trained pack, else, for hands, the picture's own skin.",
}


def component_of(one: Field, value: Shown = None) -> tuple[str, dict[str, object]]:
    """Name of the gradio class that fits a field, and its arguments but for value and elem_id.

    value  what it holds; a list of choices offers that as well.
    """
    arguments: dict[str, object] = {"label": label_of(one), "info": info_of(one)}
    if one.name in NAMED:
        return "Radio", {**arguments, "choices": [(NAMED[one.name][c], c) for c in one.choices]}
    if one.kind == "bool" and one.automatic:
        return "Dropdown", {**arguments, "choices": [AUTO, *SWITCH.values()]}
    if one.kind == "bool":
        return "Checkbox", arguments
    if one.kind == "names":
        return "CheckboxGroup", {**arguments, "choices": list(one.choices)}
    if one.kind == "prose":
        return "Textbox", {**arguments, "lines": 2}
    if one.kind == "name":
        choices = ([AUTO] if one.automatic else []) + list(one.choices)
        choices = choices or [str(one.default)]
        held = [str(value)] if value is not None and value not in choices else []
        return "Dropdown", {**arguments, "choices": [*choices, *held]}
    if one.is_left:
        return "Textbox", arguments
    return "Slider", {**arguments, **slider_range(one)}


def label_of(one: Field) -> str:
    """What stands above the component."""
    return LABELS.get(one.name, one.label)


def slider_range(one: Field) -> dict[str, object]:
    """Where a number's slider begins and ends, and how finely it moves."""
    return {"minimum": one.low, "maximum": one.usual, "step": one.step}


def info_of(one: Field) -> str:
    """The line of help below a label."""
    if one.name in INFO:
        return INFO[one.name]
    return one.help[0].upper() + one.help[1:]
