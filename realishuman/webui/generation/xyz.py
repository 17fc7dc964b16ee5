"""X/Y/Z axes for every setting that a grid can vary.

An axis writes into an attribute of `p`, always a new dict, because each cell runs on a shallow
copy of `p`; the script lays it over its arguments.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from types import ModuleType

from realishuman.settings import AUTO
from realishuman.webui.choices import choices_from
from realishuman.webui.field import Field, FieldError
from realishuman.webui.fields import FIELDS, NO_CONTROL
from realishuman.webui.foreign import Axis, Processing
from realishuman.webui.generation.script import AXES, TITLE
from realishuman.webui.host.engine import engine
from realishuman.webui.host.refusal import refusal

_RANGES = {  # what the host's grid reads as a range, by the names it has there
    "int": ("re_range", "re_range_count"),
    "float": ("re_range_float", "re_range_count_float"),
}


def register() -> None:
    """Add the axes to the host's grid script, if it is there; a callback for on_before_ui."""
    from modules import scripts

    grids = [
        one.module for one in scripts.scripts_data if one.script_class.__module__ == "xyz_grid.py"
    ]
    for grid in grids:
        there = {one.label for one in grid.axis_options}
        new = [_axis(grid, one) for one in FIELDS]
        grid.axis_options.extend(axis for axis in new if axis.label not in there)


def _axis(grid: ModuleType, one: Field) -> Axis:
    """One axis; a wrong value is refused before the grid starts."""
    kind = {"int": int, "float": float}.get(one.kind, str)
    label = f"[{TITLE}] {one.label}"
    choices = _choices(one)
    more: dict[str, object] = {}  # the host parts texts by commas, where they are not in quotes
    if choices:
        more["choices"] = choices
    elif one.is_number:
        more["prepare"] = _split(grid, one)
    axis: Axis = grid.AxisOption(label, kind, _apply(one.name), confirm=_confirm(one), **more)
    return axis


def _choices(one: Field) -> Callable[[], list[str]] | None:
    if one.is_number or one.kind == "prose":
        return None
    if one.kind == "bool":
        return lambda: ([AUTO] if one.automatic else []) + ["True", "False"]
    if one.name.endswith("_pack"):
        return lambda: [AUTO, *engine().pack_files()]
    if one.name == "controlnet":
        return lambda: [NO_CONTROL, *engine().control_files()]
    if one.kind == "names":
        return lambda: [*one.choices, " ".join(one.choices)]
    return lambda: ([AUTO] if one.automatic else []) + list(one.choices)


def _apply(name: str) -> Callable[[Processing, object, object], None]:
    def apply(p: Processing, value: object, _values: object) -> None:
        setattr(p, AXES, {**getattr(p, AXES, {}), name: value})

    return apply


def _split(grid: ModuleType, one: Field) -> Callable[[str], list[str]]:
    """Numbers and ranges of a text; the host would end a grid at others without naming the axis."""
    ranges = [getattr(grid, name) for name in _RANGES[one.kind] if hasattr(grid, name)]

    def split(text: str) -> list[str]:
        row = next(csv.reader([text.replace("\n", ",")], skipinitialspace=True), [])
        values = [value.strip() for value in row if value.strip()]
        for value in values:
            if not any(pattern.fullmatch(value) for pattern in ranges):
                _check(one, value)
        return values

    return split


def _confirm(one: Field) -> Callable[[Processing, Sequence[object]], None]:
    def confirm(_p: Processing, values: Sequence[object]) -> None:
        for value in values:
            _check(one, value)

    return confirm


def _check(one: Field, value: object) -> None:
    """Raises what the host's API answers with status 422; its page shows the sentence."""
    try:
        choices_from({one.name: value}, engine().pack_files())
    except FieldError as error:
        raise refusal(error) from error
