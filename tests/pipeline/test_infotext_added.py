from __future__ import annotations

import json

from realishuman.pipeline.infotext import add_pairs

SOURCE = "a hand, open\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 7, Size: 64x64"


def quote(value):
    return json.dumps(value) if "," in value or ":" in value else value


def test_our_keys_come_last_and_the_rest_stays():
    pairs = {"RealisHuman seed": "3", "RealisHuman parts": "1 hand, 2 face"}
    text = add_pairs(SOURCE, pairs, quote)

    assert text == SOURCE + ', RealisHuman seed: 3, RealisHuman parts: "1 hand, 2 face"'


def test_keys_of_an_earlier_run_are_replaced():
    first = add_pairs(SOURCE, {"RealisHuman parts": 'a, "b": c', "RealisHuman steps": "9"}, quote)

    assert add_pairs(first, {"RealisHuman seed": "4"}, quote) == SOURCE + ", RealisHuman seed: 4"


def test_a_picture_without_infotext_gets_a_line_of_ours():
    assert add_pairs("", {"RealisHuman seed": "3"}, quote) == "RealisHuman seed: 3"


def test_a_prompt_alone_keeps_its_line():
    assert add_pairs("a hand", {"RealisHuman seed": "3"}, quote) == "a hand\nRealisHuman seed: 3"
