from __future__ import annotations

import json

import pytest

from realishuman.webui import saved
from realishuman.webui.fields import FIELDS
from realishuman.webui.generation.groups import lay_out
from realishuman.webui.generation.saved_page import SavedPage

KEPT = [one.name for one in saved.KEPT]


@pytest.fixture
def page(host, tmp_path):
    """A page with all fields, connected to an empty folder."""
    laid = lay_out(FIELDS[1:], lambda name: name)
    laid.saved.connect(laid.made, lambda: tmp_path)
    return laid.saved.made


def press(page, name, *values):
    [(function, named)] = page[name].events
    result = function(*values)
    assert len(result) == len(named["outputs"])
    return result


def held(**values):
    """What the components hold, with these changed."""
    return [values.get(one.name, one.show(one.default)) for one in saved.KEPT]


def test_choosing_fills_all_components(page):
    filled = press(page, "choice", "strong")

    by_name = dict(zip(KEPT, filled, strict=False))
    assert (by_name["engine"], by_name["strength"]) == ("checkpoint", 0.7)
    assert by_name["margin"] == "auto"  # what is not said is reset
    assert filled[-1] == ""


def test_what_was_saved_can_be_chosen_shared_and_deleted(page, tmp_path):
    listed, text, said = press(page, "save", "mine", *held(margin="2.5", parts=["hand"]))

    assert listed == {"choices": ["subtle", "normal", "strong", "mine"], "value": "mine"}
    assert json.loads(text)["settings"] == {"margin": 2.5, "parts": ["hand"]}
    assert "mine.json" in said
    for name, given in (("choice", "mine"), ("use", text)):
        by_name = dict(zip(KEPT, press(page, name, given), strict=False))
        assert (by_name["margin"], by_name["parts"]) == ("2.5", ["hand"])
    listed, said = press(page, "delete", "mine")
    assert "mine" not in listed["choices"]
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_done_changes_nothing_and_says_why(page, tmp_path):
    for name, given in (("use", '{"settings": {"strength": 9}}'), ("choice", "gone")):
        *filled, said = press(page, name, given)
        assert filled == [{}] * len(KEPT)
        assert "rh-error" in said
    for name, given in (("save", ["../x", *held()]), ("delete", [""])):
        *filled, said = press(page, name, *given)
        assert filled == [{}] * len(filled)
        assert "rh-error" in said
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_is_looked_for_when_the_event_comes(host, tmp_path):
    page, event = SavedPage(lambda name: name), host.Component()
    page.make_choice()
    page.list_on(event.change, lambda: tmp_path)
    saved.save(tmp_path, "mine", saved.text_of({}))

    [(look, _)] = event.events
    assert look()["choices"][-1] == "mine"
