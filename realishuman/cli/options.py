"""What commands share: options made from the settings, places in pictures, exit codes."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import Field, fields
from typing import Any

from realishuman.errors import SettingsError
from realishuman.kinds import KINDS
from realishuman.presets import usual_way
from realishuman.settings import PART_KINDS, Settings

PICTURES = (
    "files, globs, or folders and everything below them; write ./-name if a name starts with a dash"
)
DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
OK, SOME_FAILED, BAD_OPTION, BAD_MODEL, STOPPED = 0, 1, 2, 3, 130


def add_boxes(command: argparse.ArgumentParser) -> None:
    """Add --box and --exact-box."""
    command.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="KIND:X0,Y0,X1,Y1",
        help="search this place, in pixels, instead of the whole picture; may be repeated; "
        "left-hand and right-hand say which hand of the person it is",
    )
    command.add_argument(
        "--exact-box",
        action="append",
        default=[],
        metavar="KIND:X0,Y0,X1,Y1",
        help="the same, but always refine a part of exactly this place and size; if nothing is "
        "recognised in it, a hand at rest or a plain face is assumed",
    )


def add_settings(command: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """One option per setting, from its declaration."""
    for spec in fields(Settings):
        if spec.name in names:
            flag = "--" + spec.name.replace("_", "-")
            if str(spec.type).startswith("bool"):
                command.add_argument(
                    flag,
                    action=argparse.BooleanOptionalAction,
                    default=spec.default,
                    help=_switch_help(spec),
                )
            else:
                meta = spec.metadata
                metavar = "NAME" if meta["choices"] else "TEXT" if meta["prose"] else "N"
                command.add_argument(flag, metavar=metavar, default=None, help=_help(spec))


def _help(spec: Field[Any]) -> str:
    meta, default = spec.metadata, spec.default
    shown = ",".join(default) if isinstance(default, tuple) else default
    limits = ", ".join(meta["choices"]) or (
        "any text" if meta["prose"] else f"{meta['low']} to {meta['high']}"
    )
    if shown is None:
        shown = usual_way(spec) or "as the pack and its preset say"
    return f"{meta['help']}; {limits} (default: {shown})"


def _switch_help(spec: Field[Any]) -> str:
    way = usual_way(spec)
    return f"{spec.metadata['help']} (default: {way})" if way else str(spec.metadata["help"])


def settings_from(options: argparse.Namespace) -> Settings:
    """Settings from the options given. Raises SettingsError naming the option."""
    values: dict[str, Any] = {}
    for spec in fields(Settings):
        given = getattr(options, spec.name, None)
        if given is None:
            continue
        values[spec.name] = _value(spec, given)
    return Settings(**values)


def _value(spec: Field[Any], given: Any) -> Any:
    kind = str(spec.type)
    if kind.startswith(("bool", "str")):
        return given
    if kind.startswith("tuple"):
        return tuple(dict.fromkeys(name.strip() for name in given.split(",") if name.strip()))
    try:
        return int(given) if kind.startswith("int") else float(given)
    except ValueError:
        return given  # Settings says what was expected


def boxes_from(options: argparse.Namespace, settings: Settings) -> list[Any]:
    """The places given by --box and --exact-box.

    Raises SettingsError naming the one that cannot be used.
    """
    from realishuman.detect.base import GivenBox
    from realishuman.imaging.boxes import Box

    boxes = []
    named = [("--box", text) for text in options.box]
    for flag, text in [*named, *(("--exact-box", text) for text in options.exact_box)]:
        name, _, numbers = text.partition(":")
        side, kind = _side_and_kind(name)
        try:
            x0, y0, x1, y1 = (float(number) for number in numbers.split(","))
        except ValueError:
            x0 = y0 = x1 = y1 = 0.0
        finite = all(map(math.isfinite, (x0, y0, x1, y1)))
        if kind not in PART_KINDS or not (finite and x1 > x0 and y1 > y0):
            raise SettingsError(
                f"{flag} must look like hand:120,80,260,230, right-hand:... or left-hand:... with "
                f"x0 < x1 and y0 < y1, not {text!r}"
            )
        if kind not in settings.parts:
            raise SettingsError(
                f"{flag} {text} names a {kind}, but --parts asks for {', '.join(settings.parts)}."
            )
        boxes.append(GivenBox(kind, Box(x0, y0, x1, y1), side, exact=flag == "--exact-box"))
    return boxes


def _side_and_kind(name: str) -> tuple[str | None, str]:
    """What a box is said to hold: "right-hand" is a hand of that side."""
    side, dash, kind = name.partition("-")
    return (side, kind) if dash and side in ("left", "right") and _has_sides(kind) else (None, name)


def _has_sides(kind: str) -> bool:
    return kind in KINDS and KINDS[kind].sided


def check_device(name: str) -> None:
    """Raise SettingsError unless this can be a device; whether it is there, torch must say."""
    kind, colon, number = name.partition(":")
    if kind not in DEVICES or bool(colon) != number.isdecimal():
        raise SettingsError(
            f"device {name!r} is not known; choose {', '.join(DEVICES)}, or cuda:1 and so on for "
            "one of several GPUs."
        )
