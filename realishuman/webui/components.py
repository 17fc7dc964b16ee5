"""Which gradio component fits a field: the accordion, the tab and the Settings page agree on it."""

from __future__ import annotations

from realishuman.settings import AUTO
from realishuman.webui.field import SWITCH, Field, Shown


def component_of(one: Field, value: Shown = None) -> tuple[str, dict[str, object]]:
    """Name of the gradio class that fits a field, and its arguments but for value and elem_id.

    value  what it holds; a list of choices offers that as well.
    """
    arguments: dict[str, object] = {"label": one.label, "info": _info(one)}
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
    low = one.below if one.automatic else one.low
    return "Slider", {**arguments, "minimum": low, "maximum": one.usual, "step": one.step}


def _info(one: Field) -> str:
    text = one.help[0].upper() + one.help[1:]
    return "; ".join(filter(None, (text, leftmost(one))))


def leftmost(one: Field) -> str:
    """What the lowest number of a slider stands for if it is none, else ""."""
    if not (one.automatic and one.is_number):
        return ""
    own = one.name.startswith(("hand_", "face_"))
    return f"leftmost, {one.below:g}: {'as for all parts' if own else 'as the pack says'}"
