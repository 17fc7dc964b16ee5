from __future__ import annotations

import html
import json
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
from realishuman.webui.tab.actions import GONE, NO_PICTURE, Actions
from realishuman.webui.tab.bench import redraw_ring
from tests.webui.plain_engine import FAST


def bind_to(engine):
    """What reads the components' values: all but the settings stay as they are."""
    return lambda values: (engine, replace(FAST, **values))


def seen(update):
    """What the viewer is told."""
    return json.loads(html.unescape(re.search(r'data-json="([^"]*)"', update.view)[1]))


def fates(update):
    return [part["fate"] for part in seen(update)["parts"]]


def kept(update):
    return {part["number"]: part["kept"] for part in seen(update)["parts"]}


def keep(actions, update, *numbers):
    """Keep these of the refined parts."""
    image = Image.new("RGB", (8, 8))
    order = json.dumps({"keep": numbers})
    return actions.change(update.token, order, update.ticks[1], image, {})


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
    assert [seen(view)[name] for name in ("width", "height", "undo", "redo")] == [420, 300, 0, 0]
    assert [part["ticked"] for part in seen(view)["parts"]] == [True, True]
    assert view.meshes.count("<img") == 2
    assert view.before.count("<img") == 1
    assert actions.find(view.token, image, {}).view != view.view  # so that gradio shows it anew
    assert view.token


def test_find_without_a_picture_says_what_to_do(actions):
    assert NO_PICTURE in actions.find(None, None, {}).note


def test_refine_without_a_search_searches_first(actions, plain, image):
    view = actions.refine(None, image, [], {})

    assert len(plain.searches) == 1
    assert kept(view) == {1: True, 2: True}
    assert "RANDOM" in view.note
    assert view.before != view.after
    assert view.after.count("<img") == 1


def test_discarding_changes_picture_and_infotext_without_sampling(actions, plain, image):
    view = actions.refine(None, image, [], {})

    one = actions.change(view.token, '{"keep": [2]}', view.ticks[1], image, {})

    assert len(plain.runs) == 1
    assert kept(one) == {1: False, 2: True}
    assert "1 right hand discarded; 2 right hand refined" in one.text
    assert "1 of 2 parts refined." in one.text
    assert one.text.startswith("a hand|")
    assert one.result.info["parameters"] == one.text
    left = np.asarray(one.result)[:, :190]
    np.testing.assert_array_equal(left, np.asarray(image)[:, :190])


def test_a_picture_that_changed_is_searched_anew_before_it_is_refined(actions, plain, image):
    view = actions.find(None, image, {})
    other = Image.fromarray(255 - np.asarray(image))

    actions.refine(view.token, other, view.ticks[1][:1], {})

    assert len(plain.searches) == 2


def test_two_tabs_do_not_disturb_each_other(actions, image):
    one, two = (actions.find(None, image, {}) for _ in range(2))

    actions.apply_boxes(one.token, "", [], image, {})

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

    assert fates(view) == [
        "will be refined if ticked",
        "No pack for faces is in use, so they are left alone",
    ]


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
    assert "left alone unless ticked: it looks right already" in fates(view)[0]
    assert actions.find(None, image, {"gate": False}).ticks[1] == ["1 right hand", "2 right hand"]


def test_ticking_it_repaints_it_all_the_same(gated, image):
    actions, _ = gated
    view = actions.find(None, image, {"gate": True})

    done = actions.refine(view.token, image, ["1 right hand"], {"gate": True, "judge": False})

    assert kept(done) == {1: True, 2: None}


def test_an_edit_of_another_box_keeps_the_reason_and_asks_nobody_again(gated, image):
    actions, network = gated
    view = actions.find(None, image, {"gate": True})
    lines = view.boxes + "\nhand 5,5,60,90"

    edited = actions.apply_boxes(view.token, lines, view.ticks[1], image, {"gate": True})

    assert "left alone unless ticked: it looks right already" in fates(edited)[0]
    assert "1 right hand" not in edited.ticks[1]
    assert len(network.asked) == 2


def test_a_redraw_says_what_another_pack_will_do(actions, image):
    view = actions.find(None, image, {})

    assert "will be refined if ticked" in fates(actions.redraw(view.token, [], {}))


def test_another_picture_clears_everything_that_was_shown(actions, image):
    view = actions.find(None, image, {})

    gone = actions.forget(view.token)

    assert (gone.view, gone.before, gone.after, gone.boxes, gone.token) == ("",) * 5
    assert gone.ticks == ([], [])
    assert re.sub("<.*?>", "", keep(actions, view).note) == GONE


def test_boxes_that_cannot_be_read_are_named_and_change_nothing(actions, image):
    view = actions.find(None, image, {})

    answer = actions.apply_boxes(view.token, "hand 1,2", [], image, {})

    assert "line 1" in answer.note
    assert "rh-error" in answer.note
    assert answer.view is None
    assert len(actions.benches.get(view.token).parts) == 2


def test_a_new_box_is_ticked_and_unticked_parts_stay_unticked(actions, image):
    view = actions.find(None, image, {})
    text = view.boxes.splitlines()[0]

    first = actions.apply_boxes(view.token, text, [], image, {})
    both = actions.apply_boxes(view.token, text + "\nhand 260,100,340,220", [], image, {})

    assert first.ticks == (["1 right hand"], [])
    assert both.ticks[1] == ["2 right hand"]


def test_a_box_in_which_nothing_is_sure_is_not_ticked_and_says_why(actions, plain, image):
    view = actions.find(None, image, {})
    parts = plain.models().detector.parts
    unsure = replace(parts[1], score=0.17)
    parts[1] = unsure

    answer = actions.apply_boxes(
        view.token, "hand 5,5,60,90\nhand 260,100,340,220\nhand 80,110,125,210", [], image, {}
    )

    assert answer.ticks == (["1 right hand", "2 right hand", "3 right hand"], ["3 right hand"])
    assert "Part 1 is not ticked. No hand was recognised in this box" in answer.note
    assert "Part 2 is not ticked. Its score of 0.17 is below the confidence of 0.5" in answer.note
    assert "No hand was recognised in this box" in fates(answer)[0]


def test_a_box_that_is_refused_leaves_the_page_as_it_was(actions, image):
    view = actions.find(None, image, {})

    answer = actions.apply_boxes(
        view.token, view.boxes.replace("1: right hand 75,", "1: right hand 700,")
        .replace(",124,", ",800,"), view.ticks[1], image, {}
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
    assert view.after is None


def test_redraw_moves_the_ring_and_asks_for_no_search(actions, plain, image):
    view = actions.find(None, image, {})

    moved = actions.redraw(view.token, view.ticks[1], {"dilate": 12})

    assert len(plain.searches) == 1
    before, after = (seen(one)["parts"][0] for one in (view, moved))
    assert before["outer"] != after["outer"]
    assert before["inner"] == after["inner"]
    assert (moved.meshes, moved.before, moved.ticks) == (None, None, None)  # they are there already


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
    assert drawn.view
    assert bench.refined == [1, 2]
    assert bench.settings.dilate == 40


def test_boxes_applied_while_parts_are_refined_keep_them(actions, image):
    view = actions.find(None, image, {})

    @contextmanager
    def waits():
        actions.refine(view.token, image, view.ticks[1], {})
        yield

    actions.turn = waits
    actions.apply_boxes(view.token, view.boxes.splitlines()[0], view.ticks[1], image, {})

    assert actions.benches.get(view.token).refined == [1]


def test_a_picture_is_searched_as_it_comes_if_its_user_wants_that(actions, plain, image):
    assert actions.receive("", image, False, {}).view == ""
    assert plain.searches == []

    assert len(seen(actions.receive("", image, True, {}))["parts"]) == 2
    assert actions.receive("", None, True, {}).view == ""


def test_refine_during_the_search_of_a_new_picture_does_not_take_the_ticks_of_the_old(
    actions, plain, image
):
    """Nothing is ticked on the page until the search ends; its user means all that fit."""
    old = actions.find(None, image, {})
    other = Image.fromarray(255 - np.asarray(image))
    actions.receive(old.token, other, True, {})

    done = actions.refine(old.token, other, [], {})

    assert kept(done) == {1: True, 2: True}


def test_steps_are_taken_back_and_forth_again(actions, plain, image):
    found = actions.find(None, image, {})
    done = actions.refine(found.token, image, found.ticks[1], {})
    one = keep(actions, done, 2)

    def move(order):
        return actions.change(found.token, order, done.ticks[1], image, {})

    assert (seen(one)["undo"], seen(one)["redo"]) == (2, 0)
    all_kept = move('{"undo": true}')
    assert kept(all_kept) == {1: True, 2: True}
    np.testing.assert_array_equal(all_kept.result, done.result)
    nothing = move('{"undo": true}')
    assert kept(nothing) == {1: None, 2: None}
    assert nothing.after == ""
    assert move('{"undo": true}').after == ""  # there is nothing before it
    move('{"redo": true}')
    again = move('{"redo": true}')
    assert kept(again) == {1: False, 2: True}
    np.testing.assert_array_equal(again.result, one.result)
    assert len(plain.runs) == 1


def test_a_step_back_follows_the_sliders_and_keeps_the_ticks(actions, image):
    found = actions.find(None, image, {})
    edited = actions.apply_boxes(found.token, found.boxes.splitlines()[0], [], image, {})
    order = '{"undo": true}'

    back = actions.change(found.token, order, edited.ticks[1], image, {"dilate": 12})

    assert [part["ticked"] for part in seen(back)["parts"]] == [False, True]
    assert back.boxes == found.boxes
    fresh = actions.find(None, image, {"dilate": 12})
    assert seen(back)["parts"][0]["outer"] == seen(fresh)["parts"][0]["outer"]


@pytest.mark.parametrize(
    "order",
    [
        "",
        "{",
        "[]",
        '{"keep": ["1"]}',
        '{"undo": 1}',
        '{"keep": 1}',
        '{"brush": [9]}',
        '{"brush": [1, true, 0, [5, 5]]}',
        '{"brush": [1, true, 3, [5, 5, 5]]}',
        '{"brush": [1, true, 3, [NaN, 5]]}',
        '{"brush": [1, true, 3, []]}',
    ],
)
def test_what_the_page_cannot_mean_is_refused(actions, image, order):
    found = actions.find(None, image, {})

    answer = actions.change(found.token, order, found.ticks[1], image, {})

    assert "rh-error" in answer.note
    assert answer.view is None


def test_a_part_that_moved_loses_its_repair_on_the_page_too(actions, image):
    found = actions.find(None, image, {})
    done = actions.refine(found.token, image, found.ticks[1], {})
    first, second = done.boxes.splitlines()

    fewer = actions.apply_boxes(done.token, second, done.ticks[1], image, {})
    none = actions.apply_boxes(done.token, "", [], image, {})

    assert kept(fewer) == {1: True}
    assert fates(fewer) == ["refined"]
    assert (np.asarray(fewer.result) != np.asarray(image)).any()
    np.testing.assert_array_equal(np.asarray(fewer.result)[:, :190], np.asarray(image)[:, :190])
    assert first
    assert none.after == ""


def test_an_interrupt_keeps_the_parts_that_are_done_and_says_so(actions, image):
    class StopAtTheSecond:
        def work_on(self, names, done, total):
            if done:
                raise Interrupted

        def begin(self, stage, total):
            pass

        def step(self, count=1):
            pass

    found = actions.find(None, image, {})

    done = actions.refine(found.token, image, found.ticks[1], {"max_batch": 1}, StopAtTheSecond())

    assert kept(done) == {1: True, 2: None}
    assert "1 of 2 parts refined" in done.note
    assert "what was done before is kept" in done.note
    assert "not painted before the run was stopped" in fates(done)[1]


@pytest.fixture
def tried(engine_of, flat_hand, trained_pack, says, image):
    """Actions with a trained pack on one hand, and what Refine answers for two tries."""
    engine, network = engine_of([flat_hand(210, 160, 100)], packs=(trained_pack,)), says(0.9, 0.1)
    engine.models().judge = lambda *_: network
    actions = Actions(bind_to(engine), nullcontext, written)
    found = actions.find(None, image, {"gate": False})
    values = {"gate": False, "judge": False, "tries": 2}
    return actions, actions.refine(found.token, image, found.ticks[1], values)


def test_all_tries_are_shown_and_another_one_can_be_picked(tried, image):
    actions, done = tried
    tries = seen(done)["parts"][0]["tries"]
    assert [one["name"] for one in tries] == ["seed 3", "seed 4"]
    assert sum(one["chosen"] for one in tries) == 1
    other = next(at for at, one in enumerate(tries) if not one["chosen"])

    picked = actions.change(
        done.token, f'{{"pick": [1, {other}]}}', done.ticks[1], image, {"gate": False}
    )

    assert [one["chosen"] for one in seen(picked)["parts"][0]["tries"]] == [
        at == other for at in (0, 1)
    ]
    assert (np.asarray(picked.result) != np.asarray(done.result)).any()
    back = actions.change(done.token, '{"undo": true}', done.ticks[1], image, {"gate": False})
    np.testing.assert_array_equal(back.result, done.result)


def test_a_later_run_with_another_seed_adds_its_try(tried, image):
    actions, done = tried

    again = actions.refine(
        done.token, image, done.ticks[1], {"gate": False, "judge": False, "seed": 9}
    )

    tries = seen(again)["parts"][0]["tries"]
    assert [one["name"] for one in tries] == ["seed 3", "seed 4", "seed 9"]
    assert [one["chosen"] for one in tries] == [False, False, True]


def test_what_the_judge_refused_is_shown_with_its_reason_and_can_be_taken(
    engine_of, flat_hand, trained_pack, says, image
):
    engine = engine_of([flat_hand(210, 160, 100)], packs=(trained_pack,))
    engine.models().judge = lambda *_: says(0.2, 0.9)
    actions = Actions(bind_to(engine), nullcontext, written)
    found = actions.find(None, image, {"gate": False})

    done = actions.refine(found.token, image, found.ticks[1], {"gate": False})

    (one,) = seen(done)["parts"][0]["tries"]
    assert kept(done) == {1: None}
    assert one["reason"]
    assert one["reason"] in fates(done)[0]
    taken = actions.change(done.token, '{"pick": [1, 0]}', done.ticks[1], image, {"gate": False})
    assert kept(taken) == {1: True}
    assert (np.asarray(taken.result) != np.asarray(image)).any()


def test_a_try_that_is_not_there_is_refused(tried, image):
    actions, done = tried

    for order in ('{"pick": [1, 7]}', '{"pick": [2, 0]}', '{"pick": [1, -1]}'):
        answer = actions.change(done.token, order, done.ticks[1], image, {})
        assert "tries; reload the page" in answer.note


@pytest.fixture
def brushed(actions, image):
    """What the page shows after a find, and after a stroke that adds to the first hand's m_d."""
    found = actions.find(None, image, {"dilate": 8})
    order = '{"brush": [1, true, 6, [50, 110, 54, 130]]}'
    return found, actions.change(found.token, order, found.ticks[1], image, {"dilate": 8})


def covered(update, actions, place):
    """Whether a place of the picture, x and y, may change with the first part."""
    one = actions.benches.get(update.token).prepared[0]
    ((x, y),) = one.crop.to_crop(np.array([place], float)).astype(int)
    return bool(one.masks.m_d[y, x])


def test_the_brush_adds_to_a_part_and_is_remembered_with_it(brushed, actions, image):
    found, drawn = brushed

    assert seen(drawn)["parts"][0]["outer"] != seen(found)["parts"][0]["outer"]
    assert [part["brushed"] for part in seen(drawn)["parts"]] == [True, False]
    assert covered(drawn, actions, (52, 120))
    actions.redraw(found.token, found.ticks[1], {"dilate": 12})
    assert covered(drawn, actions, (52, 120))
    actions.redraw(found.token, found.ticks[1], {"dilate": 12, "margin": 4.0})
    assert covered(drawn, actions, (52, 120))
    lines = drawn.boxes.splitlines()
    actions.apply_boxes(found.token, lines[0], found.ticks[1], image, {"dilate": 8})
    assert covered(drawn, actions, (52, 120))


def test_what_the_brush_added_is_repainted_and_what_it_took_is_not(brushed, actions, image):
    found, drawn = brushed
    actions.change(
        found.token, '{"brush": [1, false, 9, [100, 160]]}', found.ticks[1], image, {"dilate": 8}
    )

    done = actions.refine(drawn.token, image, ["1 right hand"], {"dilate": 8, "paste": "radial"})

    changed = (np.asarray(done.result) != np.asarray(image)).any(axis=2)
    assert changed[116:124, 48:56].any()
    assert not changed[156:164, 96:104].any()


def test_strokes_are_taken_back_one_by_one_or_all_at_once(brushed, actions, image):
    found, drawn = brushed
    ticked = found.ticks[1]

    cleared = actions.change(found.token, '{"brush": [1]}', ticked, image, {"dilate": 8})
    again = actions.change(found.token, '{"undo": true}', ticked, image, {"dilate": 8})
    first = actions.change(found.token, '{"undo": true}', ticked, image, {"dilate": 8})

    outer = [seen(one)["parts"][0]["outer"] for one in (found, drawn, cleared, again, first)]
    assert outer == [outer[0], outer[1], outer[0], outer[1], outer[0]]
    assert outer[0] != outer[1]
