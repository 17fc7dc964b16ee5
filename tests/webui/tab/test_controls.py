"""Every control of the tab can be used in gradio 3 and 4.

Both decide it alike where `interactive` is not said: what an event reads is for the user, and so is
what no event writes and has no value. Anything else is shown, but answers to nothing.
"""

from __future__ import annotations

import inspect
from typing import get_type_hints

import pytest

from realishuman.webui.tab import tab_host
from realishuman.webui.tab.tab import Page
from tests.webui.stand_in import Component

CONTROLS = ("parts", "boxes", "search", "order", "image", "wanted", "agree", "source", "target")


class TabHost:
    """What the tab needs of the WebUI: everything is there, nothing is done."""

    interrupt = skip = save = None

    def state(self):
        return Component()

    task = state

    def folders_allowed(self):
        return True

    def doctor_text(self):
        return ""

    def outlook(self, *_values):
        return ""


@pytest.fixture
def page(host):
    return Page(None, lambda function, **_: function, TabHost())


def answers(page):
    """A function: whether a component answers to mouse and keyboard."""
    events = [
        named
        for component in (*page.made.values(), *page.settings.values())
        for _, named in component.events
    ]
    read = {id(one) for named in events for one in named["inputs"]}
    written = {id(one) for named in events for one in named["outputs"]}

    def check(one):
        if (said := one.named.get("interactive")) is not None:
            return said
        return id(one) in read or (id(one) not in written and one.value in (None, "", []))

    return check


def test_every_control_of_the_tab_answers(page):
    can = answers(page)

    assert {name: can(page.made[name]) for name in CONTROLS} == dict.fromkeys(CONTROLS, True)
    assert all(map(can, page.settings.values()))


def test_what_is_only_shown_says_so(page):
    for name in ("result", "text", "doctor_text"):
        assert page.made[name].named["interactive"] is False


def test_no_two_components_share_an_id(page):
    """The page's JavaScript and style find each by its id."""
    made = [*page.made.values(), *page.settings.values()]
    ids = [one.elem_id for one in made if getattr(one, "elem_id", None)]

    assert len(ids) > 40
    assert sorted(ids) == sorted(set(ids))


def test_gradio_can_read_the_annotations_of_all_that_it_calls(page):
    """It evaluates them; a name that is imported for type checking alone would end the page."""
    components = (*page.made.values(), *page.settings.values())
    called = [each for one in components for each, _ in one.events if each is not None]
    of_host = [getattr(tab_host.TabHost(), name) for name in ("save", "skip", "outlook")]
    assert len(called) > 20

    for each in (*called, *of_host):
        get_type_hints(each if inspect.isroutine(each) else each.__call__)
