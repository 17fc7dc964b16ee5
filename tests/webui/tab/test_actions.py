from __future__ import annotations

import re
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from realishuman.imaging.boxes import Box
from realishuman.kinds import KINDS, load
from realishuman.progress import Interrupted
from realishuman.webui.tab import actions as module
from realishuman.webui.tab import markup
from realishuman.webui.tab.actions import GONE, NO_PICTURE, Actions
from realishuman.webui.tab.bench import redraw_ring
from tests.webui.plain_engine import FAST


def bind_to(engine):
    """What reads the components' values: all but the settings stay as they are."""
    return lambda values: (engine, replace(FAST, **values))


def written(image, pairs):
    source = image.info.get("parameters", "") if image is not None else ""
    return source + "|" + ", ".join(f"{key}: {value}" for key, value in pairs.items())


@pytest.fixture
def plain(engine_of, flat_hand):
    return engine_of([flat_hand(110, 160, 100), flat_hand(310, 160, 100)])


@pytest.fixture
def actions(plain):
    return Actions(bind_to(plain), nullcontext, written)


@pytest.fixture
def image(picture):
    made = Image.fromarray(picture)
    made.info["parameters"] = "a hand"
    return made


def test_find_shows_all_parts_ticked_with_their_boxes(actions, image):
    view = actions.find(None, image, {})

    assert view.ticks == (["1 right hand", "2 right hand"],) * 2
    assert view.boxes.count("right hand") == 2
    assert 'data-width="420" data-height="300"' in view.stage
    assert actions.find(view.token, image, {}).stage != view.stage  # so that gradio shows it anew
    assert view.token


def test_find_without_a_picture_says_what_to_do(actions):
    assert NO_PICTURE in actions.find(None, None, {}).note


def test_refine_without_a_search_searches_first(actions, plain, image):
    view = actions.refine(None, image, [], {})

    assert len(plain.searches) == 1
    assert view.kept[1] == ["1 right hand", "2 right hand"]
    assert "RANDOM" in view.note
    assert view.comparison.count("<img") == 2


def test_discarding_changes_picture_and_infotext_without_sampling(actions, plain, image):
    view = actions.refine(None, image, [], {})

    kept = actions.keep(view.token, ["2 right hand"], image)

    assert len(plain.runs) == 1
    assert "1 right hand discarded; 2 right hand refined" in kept.text
    assert "1 of 2 parts refined." in kept.text
    assert kept.text.startswith("a hand|")
    assert kept.result.info["parameters"] == kept.text
    left = np.asarray(kept.result)[:, :190]
    np.testing.assert_array_equal(left, np.asarray(image)[:, :190])


def test_a_picture_that_changed_is_searched_anew_before_it_is_refined(actions, plain, image):
    view = actions.find(None, image, {})
    other = Image.fromarray(255 - np.asarray(image))

    actions.refine(view.token, other, view.ticks[1][:1], {})

    assert len(plain.searches) == 2


def test_two_tabs_do_not_disturb_each_other(actions, image):
    one, two = (actions.find(None, image, {}) for _ in range(2))

    actions.apply_boxes(one.token, "", [], {})

    assert one.token != two.token
    assert len(actions.benches.get(two.token).parts) == 2
    assert actions.benches.get(one.token).parts == []


def test_a_part_without_a_pack_is_not_promised_to_be_refined(engine_of, flat_hand, image):
    hand, face = (
        flat_hand(110, 160, 100),
        load(KINDS["face"].at_rest)(Box(250, 50, 350, 180), None, (0, 0)),
    )
    engine = engine_of([hand, replace(face, score=0.9, note="")])
    both = Actions(bind_to(engine), nullcontext, written)

    view = both.find(None, image, {"parts": ("hand", "face")})

    assert "will be refined if ticked</td></tr><tr><td>2" in view.table
    assert ">No pack for faces is in use, so they are left alone<" in view.table


@pytest.fixture
def gated(engine_of, flat_hand, trained_pack, says):
    """Actions on two hands of which the gate finds the first one good; and what it was asked."""
    hands = [flat_hand(110, 160, 100), flat_hand(310, 160, 100)]
    engine, network = engine_of(hands, packs=(trained_pack,)), says(0.01, 0.9)
    engine.models().judge = lambda *_: network
    return Actions(bind_to(engine), nullcontext, written), network


def test_a_hand_that_the_gate_finds_good_is_shown_unticked_with_the_reason(gated, image):
    actions, _ = gated

    view = actions.find(None, image, {"gate": True})

    assert view.ticks == (["1 right hand", "2 right hand"], ["2 right hand"])
    assert "left alone unless ticked: it looks right already" in view.table
    assert actions.find(None, image, {"gate": False}).ticks[1] == ["1 right hand", "2 right hand"]


def test_ticking_it_repaints_it_all_the_same(gated, image):
    actions, _ = gated
    view = actions.find(None, image, {"gate": True})

    done = actions.refine(view.token, image, ["1 right hand"], {"gate": True, "judge": False})

    assert done.kept == (["1 right hand"],) * 2


def test_an_edit_of_another_box_keeps_the_reason_and_asks_nobody_again(gated, image):
    actions, network = gated
    view = actions.find(None, image, {"gate": True})
    lines = view.boxes + "\nhand 5,5,60,90"

    edited = actions.apply_boxes(view.token, lines, view.ticks[1], {"gate": True})

    assert "left alone unless ticked: it looks right already" in edited.table
    assert "1 right hand" not in edited.ticks[1]
    assert len(network.asked) == 2


def test_a_redraw_says_what_another_pack_will_do(actions, image):
    view = actions.find(None, image, {})

    assert "will be refined if ticked" in actions.redraw(view.token, [], {}).table


def test_another_picture_clears_everything_that_was_shown(actions, image):
    view = actions.find(None, image, {})

    gone = actions.forget(view.token)

    assert (gone.comparison, gone.boxes, gone.table) == ("", "", "")
    assert gone.stage == markup.HINT
    assert gone.ticks == gone.kept == ([], [])
    assert re.sub("<.*?>", "", actions.keep(view.token, [], image).note) == GONE


def test_boxes_that_cannot_be_read_are_named_and_change_nothing(actions, image):
    view = actions.find(None, image, {})

    answer = actions.apply_boxes(view.token, "hand 1,2", [], {})

    assert "line 1" in answer.note
    assert "rh-error" in answer.note
    assert answer.stage is None
    assert len(actions.benches.get(view.token).parts) == 2


def test_a_new_box_is_ticked_and_unticked_parts_stay_unticked(actions, image):
    view = actions.find(None, image, {})
    text = view.boxes.splitlines()[0]

    first = actions.apply_boxes(view.token, text, [], {})
    both = actions.apply_boxes(view.token, text + "\nhand 260,100,340,220", [], {})

    assert first.ticks == (["1 right hand"], [])
    assert both.ticks[1] == ["2 right hand"]


def test_a_box_in_which_nothing_is_sure_is_not_ticked_and_says_why(actions, plain, image):
    view = actions.find(None, image, {})
    parts = plain.models().detector.parts
    unsure = replace(parts[1], score=0.17)
    parts[1] = unsure

    answer = actions.apply_boxes(
        view.token, "hand 5,5,60,90\nhand 260,100,340,220\nhand 80,110,125,210", [], {}
    )

    assert answer.ticks == (["1 right hand", "2 right hand", "3 right hand"], ["3 right hand"])
    assert "Part 1 is not ticked. No hand was recognised in this box" in answer.note
    assert "Part 2 is not ticked. Its score of 0.17 is below the confidence of 0.5" in answer.note
    assert "No hand was recognised in this box" in answer.table


def test_a_box_that_is_refused_leaves_the_page_as_it_was(actions, image):
    view = actions.find(None, image, {})

    answer = actions.apply_boxes(
        view.token, view.boxes.replace("1: right hand 75,", "1: right hand 700,")
        .replace(",124,", ",800,"), view.ticks[1], {}
    )  # fmt: skip

    assert answer.boxes == view.boxes
    assert answer.ticks == view.ticks
    assert "rh-error" in answer.note
    assert "outside the picture" in answer.note


def test_an_interrupt_changes_nothing_and_says_so(actions, image):
    class Stop:
        def begin(self, stage, total):
            if stage.startswith("stage"):
                raise Interrupted

        def step(self, count=1):
            pass

    view = actions.refine(None, image, [], {}, Stop())

    assert "Interrupted" in view.note
    assert view.comparison is None


def test_redraw_moves_the_ring_and_asks_for_no_search(actions, plain, image):
    view = actions.find(None, image, {})

    moved = actions.redraw(view.token, view.ticks[1], {"dilate": 12})

    assert len(plain.searches) == 1
    before, after = (re.search(r'src="([^"]+)"', one.stage)[1] for one in (view, moved))
    assert before != after
    assert moved.ticks is None


def test_a_slider_moved_while_parts_are_refined_does_not_cost_them(actions, image, monkeypatch):
    view = actions.find(None, image, {})
    ended = []

    def slow(bench, engine, settings):
        changed = redraw_ring(bench, engine, settings)
        if not ended:
            ended.append(actions.refine(view.token, image, view.ticks[1], {}))
        return changed

    monkeypatch.setattr(module, "redraw_ring", slow)
    drawn = actions.redraw(view.token, view.ticks[1], {"dilate": 40})

    bench = actions.benches.get(view.token)
    assert drawn.stage
    assert bench.refined == [1, 2]
    assert bench.settings.dilate == 40


def test_boxes_applied_while_parts_are_refined_keep_them(actions, image):
    view = actions.find(None, image, {})

    @contextmanager
    def waits():
        actions.refine(view.token, image, view.ticks[1], {})
        yield

    actions.turn = waits
    actions.apply_boxes(view.token, view.boxes.splitlines()[0], view.ticks[1], {})

    assert actions.benches.get(view.token).refined == [1]
