"""X/Y/Z axes for every setting that a grid can vary.

An axis writes into an attribute of `p`, always a new dict, because each cell runs on a shallow
copy of `p`; the script lays it over its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realishuman.hosts.webui.engine import engine
from realishuman.hosts.webui.fields import AUTO, FIELDS, Field
from realishuman.hosts.webui.script import AXES, TITLE


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


def _axis(grid: Any, one: Field) -> Any:
    """One axis; a wrong value is refused before the grid starts."""
    kind = {"int": int, "float": float}.get(one.kind, str)
    label = f"[{TITLE}] {one.label}"
    choices = _choices(one)
    return grid.AxisOption(
        label,
        kind,
        _apply(one.name),
        confirm=_confirm(one),
        **({"choices": choices} if choices else {}),
    )


def _choices(one: Field) -> Callable[[], list[str]] | None:
    if one.is_number:
        return None
    if one.kind == "bool":
        return lambda: ["True", "False"]
    if one.name.endswith("_pack"):
        return lambda: [AUTO, *engine().pack_files()]
    if one.kind == "names":
        return lambda: [*one.choices, " ".join(one.choices)]
    return lambda: ([AUTO] if one.automatic else []) + list(one.choices)


def _apply(name: str) -> Callable[[Any, Any, Any], None]:
    def apply(p: Any, value: Any, _values: Any) -> None:
        setattr(p, AXES, {**getattr(p, AXES, {}), name: value})

    return apply


def _confirm(one: Field) -> Callable[[Any, Any], None]:
    def confirm(_p: Any, values: Any) -> None:
        for value in values:
            one.read(value)

    return confirm
