"""How a picture was made, as far as its generation parameters say, and words made of that."""

from __future__ import annotations

import re
from dataclasses import dataclass

PICTURE, PART = "[PROMPT]", "[PART]"  # what stands in a setting for the picture's words, the part's
MOST_GUIDANCE = 100.0
_NEGATIVE = "Negative prompt:"
_NETWORKS = re.compile(r"<[^<>:]+:[^<>]*>")  # <lora:name:1>: what a WebUI takes out of a prompt


@dataclass(frozen=True)
class Origin:
    """What a picture was made with; None and "" where nobody knows.

    steps, guidance, sampler, scheduler  of its sampling.
    distilled  guidance that the model was told as an input.
    """

    prompt: str = ""
    negative: str = ""
    steps: int | None = None
    guidance: float | None = None
    sampler: str = ""
    scheduler: str = ""
    distilled: float | None = None


def origin_of(parameters: str) -> Origin:
    """Read generation parameters as WebUIs write them: prompts, then a line of keys and values."""
    lines = parameters.strip().split("\n")
    values: dict[str, str] = {}
    if re.match(r"\w[\w \-/]+: ", lines[-1]) and lines[-1].count(": ") >= 3:
        values = dict(re.findall(r"(\w[\w ]*): ([^,\"]+)", lines.pop()))
    prompt, _, negative = "\n".join(lines).partition(_NEGATIVE)
    return Origin(
        prompt.strip(),
        negative.strip(),
        steps=_steps(values.get("Steps", "").strip()),
        guidance=_number(values.get("CFG scale", "")),
        sampler=values.get("Sampler", "").strip(),
        scheduler=values.get("Schedule type", "").strip(),
        distilled=_number(values.get("Distilled CFG Scale", "")),
    )


def fill(text: str, words: str, part: str) -> str:
    """A setting's text with the picture's words and the part's name in their places.

    What a WebUI takes out of a prompt is taken out, and so are commas that part nothing.
    """
    text = _NETWORKS.sub("", text.replace(PICTURE, words).replace(PART, part))
    pieces = [" ".join(piece.split()) for piece in text.split(",")]
    return ", ".join(piece for piece in pieces if piece)


def _steps(text: str) -> int | None:
    """A number of steps that a user may ask for, too; a stranger's picture may say anything."""
    return int(text) if text.isdecimal() and len(text) <= 3 and int(text) else None


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found <= MOST_GUIDANCE else None
