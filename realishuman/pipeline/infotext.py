"""What a picture's generation parameters say about us: settings, and what was done to it.

Generation parameters are text as WebUIs write it: the prompt, then a line of keys and values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from realishuman import __version__
from realishuman.settings import PACK, Settings

if TYPE_CHECKING:
    from realishuman.pipeline.models import Models
    from realishuman.pipeline.result import Result

PREFIX = "RealisHuman "
VERSION = PREFIX + "version"
FACTS = ("result", "found", "engines", "packs", "unets", "meshes", "provider")
Facts = Mapping[str, str]
OURS = re.compile(rf'(?:, |(?m:^)){PREFIX}[\w ]+: (?:"(?:[^"\\]|\\.)*"|[^,\n]*)')


def add_run(source: str, settings: Settings, result: Result, models: Models) -> str:
    """A refined picture's parameters: those it came with, the settings, and what was done."""
    pairs = {
        PREFIX + spec.name.replace("_", " "): as_text(getattr(settings, spec.name))
        for spec in fields(settings)
        if getattr(settings, spec.name) != spec.default
    }
    facts = {PREFIX + name: value for name, value in facts_of(result, models).items() if value}
    return add_pairs(source, {VERSION: __version__, **pairs, **facts}, quote_value)


def as_text(value: Any) -> str:
    """A setting's value as it is written."""
    return " ".join(value) if isinstance(value, tuple) else str(value)


def quote_value(value: str) -> str:
    """A value as WebUIs write it: in quotes where it holds what separates values."""
    return json.dumps(value, ensure_ascii=False) if re.search("[,:\n]", value) else value


def facts_of(result: Result, models: Models) -> Facts:
    """What was done to one picture, by the names in FACTS; empty where there is nothing to say."""
    engines = {part.kind: part.engine for part in result.parts if part.engine}
    used = {kind: pack for kind, pack in models.packs.items() if engines.get(kind) == PACK}
    return {
        "result": result.message,
        "found": "; ".join(
            f"{part.name} " + (f"kept: {part.reason}" if part.reason else part.outcome)
            for part in result.parts
        ),
        "engines": "; ".join(f"{kind}: {name}" for kind, name in engines.items()),
        "packs": "; ".join(
            f"{kind}: {pack.path.name} ({result.weights[kind]} weights)"
            for kind, pack in used.items()
        ),
        "unets": "; ".join(f"{kind}: {name}" for kind, name in result.unets.items()),
        "meshes": "; ".join(f"{kind}: {name}" for kind, name in result.meshes.items()),
        "provider": result.provider,
    }


def add_pairs(source: str, pairs: Mapping[str, str], quote: Callable[[str], str]) -> str:
    """A picture's infotext with our keys in its last line, instead of those of an earlier run.

    source  the infotext the picture came with; empty without any.
    quote   the host's way to write a value with commas or colons in it.
    """
    lines = OURS.sub("", source).rstrip().split("\n")
    ours = ", ".join(f"{key}: {quote(value)}" for key, value in pairs.items())
    if re.match(r"\w[\w \-/]+: ", lines[-1]) and lines[-1].count(": ") >= 3:
        lines[-1] += f", {ours}"
    else:
        lines.append(ours)
    return "\n".join(lines).lstrip("\n")
