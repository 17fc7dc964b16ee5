"""How a picture was made, read from its generation parameters."""

from __future__ import annotations

import pytest

from realishuman.parts.origin import Origin, fill, origin_of

WORDS = "a hand, <lora:fine:0.8> (best:1.2),\nin the park"
TEXT = """a hand, <lora:fine:0.8> (best:1.2),
in the park
Negative prompt: bad, ugly
Steps: 20, Sampler: DPM++ 2M, CFG scale: 5.5, Seed: 1, Size: 512x512, RealisHuman x: "y: 1"
"""


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        (TEXT, Origin(WORDS, "bad, ugly", 20, 5.5, "DPM++ 2M")),
        ("Steps: 4, Sampler: LCM, CFG scale: 1, Seed: 3", Origin("", "", 4, 1.0, "LCM")),
        (
            "Steps: 4, Sampler: Euler, Schedule type: Simple, Distilled CFG Scale: 3.5, Seed: 3",
            Origin("", "", 4, None, "Euler", "Simple", 3.5),
        ),
        ("only words: here", Origin("only words: here")),
        ("", Origin()),
        ("x\nSteps: many, Sampler: b, CFG scale: c, Seed: 3", Origin("x", sampler="b")),
    ],
)
def test_parameters_are_read_as_webuis_write_them(text, origin):
    assert origin_of(text) == origin


@pytest.mark.parametrize(
    ("text", "words", "filled"),
    [
        ("[PROMPT], detailed [PART]", "", "detailed hand"),
        ("[PROMPT], detailed [PART]", "a  cat <lora:x:1>, ,\nfine", "a cat, fine, detailed hand"),
        ("", "a cat", ""),
        ("no [BRACKETS]", "a", "no [BRACKETS]"),
    ],
)
def test_words_are_filled_in(text, words, filled):
    assert fill(text, words, "hand") == filled
