"""Every text of ours that stands on a page from the start, as a WebUI's localisation finds it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMENT = re.compile(r"^\s*//[^\n]*|\s//[^\n]*|/\*.*?\*/", re.MULTILINE | re.DOTALL)
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
KEYS = re.compile(r"Enter|Escape|Delete|Ctrl\+.*")  # names of keys
NAME = re.compile(r"[A-Z][a-z]+[A-Z]\w*")  # ArrowLeft


def texts_of(components):
    """Labels, help, buttons, titles, choices and placeholders of stand-in components."""
    found = set()
    for one in components:
        named = one.named
        hidden = "rh-hidden" in (named.get("elem_classes") or ()) or named.get("visible") is False
        if hidden and not one.children:
            continue
        found |= {named.get(name) for name in ("label", "info", "placeholder")}
        if one.arguments and isinstance(one.arguments[0], str):
            found.add(one.arguments[0])
        found |= {choice[0] for choice in one.choices or () if isinstance(choice, tuple)}
    return {text for text in found if text and _is_text(text)}


def texts_of_scripts():
    """Literals in the JavaScript that read as words for a user."""
    found = set()
    for file in sorted((ROOT / "javascript").glob("*.js")):
        for literal in LITERAL.findall(COMMENT.sub("", file.read_text("utf-8"))):
            words = literal.strip()
            if re.match(r"[A-Z][a-z]", words) and not KEYS.fullmatch(words):
                found |= set() if NAME.fullmatch(words) else {words}
    return found


def _is_text(text):
    """Whether it has words; HTML is made of pieces, which are looked up one by one."""
    return bool(re.search(r"[A-Za-z]{2}", text)) and "<" not in text
