from __future__ import annotations

import math

import pytest

from realishuman.allowed import Allowed
from realishuman.errors import SettingsError

SHARE, COUNT, RATE = Allowed(float, 0, 1), Allowed(int, 1), Allowed(float, 0, 1, above=True)
NAME, NAMES = Allowed(str, choices=("a", "b")), Allowed(str, choices=("a", "b"), several=True)


@pytest.mark.parametrize(
    ("allowed", "values"),
    [
        (SHARE, [0, 1, 0.5]),
        (COUNT, [1, 10**300]),
        (RATE, [1e-9, 1]),
        (Allowed(float, 0, 1, below=True), [0, 0.999]),
        (Allowed(float), [-1e300, 7]),
        (Allowed(bool), [True, False]),
        (Allowed(str), ["", "a"]),
        (NAME, ["a", "b"]),
        (NAMES, [("a",), ("b", "a")]),
    ],
    ids=str,
)
def test_what_is_allowed_holds(allowed, values):
    for value in values:
        allowed.check("it", value)


@pytest.mark.parametrize(
    ("allowed", "value", "said"),
    [
        (SHARE, 1.001, "it must be a number from 0 to 1, not 1.001"),
        (SHARE, True, "it must be a number from 0 to 1, not True"),
        (SHARE, "1", "it must be a number from 0 to 1, not '1'"),
        (SHARE, math.nan, "it must be a number from 0 to 1, not nan"),
        (COUNT, 0, "it must be at least 1, not 0"),
        (COUNT, 2.0, "it must be at least 1, not 2.0"),
        (COUNT, True, "it must be at least 1, not True"),
        (COUNT, None, "it must be at least 1, not None"),
        (RATE, 0, "it must be above 0 and at most 1, not 0"),
        (Allowed(float, 0, 1, below=True), 1, "it must be at least 0 and below 1, not 1"),
        (Allowed(float), math.inf, "it must be a number, not inf"),
        (Allowed(float), 2**1023, f"it must be a number, not {2**1023}"),
        (Allowed(bool), 1, "it must be true or false, not 1"),
        (Allowed(str), 3, "it must be text, not 3"),
        (NAME, "c", "it must be one of a, b, not 'c'"),
        (NAMES, (), "it must name at least one of a, b, each once, not ()"),
        (NAMES, ("a", "a"), "it must name at least one of a, b, each once, not ('a', 'a')"),
        (NAMES, ("c",), "it must name at least one of a, b, each once, not ('c',)"),
        (NAMES, ["a"], "it must name at least one of a, b, each once, not ['a']"),
    ],
)
def test_what_is_not_allowed_is_refused_with_what_is(allowed, value, said):
    with pytest.raises(SettingsError) as caught:
        allowed.check("it", value)

    assert str(caught.value) == said
