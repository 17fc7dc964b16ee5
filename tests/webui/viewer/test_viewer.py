"""What a user does in the viewer: look, compare, tick, keep, and draw boxes."""

from __future__ import annotations

import pytest

HANDS = ["1 right hand", "2 right hand"]


def names(viewer):
    return viewer.page.locator(".rh-name").all_inner_texts()


def chosen(viewer):
    return viewer.page.locator(".rh-part.rh-chosen .rh-name").all_inner_texts()


def scale(viewer):
    return viewer.page.evaluate("realishuman.viewer.frame.scale")


def on_screen(viewer, x, y):
    """Where a place of the picture is seen."""
    return viewer.page.evaluate(
        """([x, y]) => {
            const {frame, canvas} = realishuman.viewer;
            const place = canvas.getBoundingClientRect();
            const [left, top] = [place.left + frame.left, place.top + frame.top];
            return [left + x * frame.scale, top + y * frame.scale];
        }""",
        [x, y],
    )


def drag(viewer, start, end, button="left"):
    """From one place of the picture to another."""
    mouse = viewer.page.mouse
    mouse.move(*on_screen(viewer, *start))
    ends = on_screen(viewer, *end)
    mouse.down(button=button)
    mouse.move(*ends, steps=4)
    mouse.up(button=button)


def lines(viewer):
    return viewer.page.evaluate("realishuman.byName('boxes').firstElementChild.value").split("\n")


@pytest.fixture
def refined(viewer):
    viewer.press("refine")
    return viewer


def test_a_click_in_the_list_shows_a_part_large(viewer):
    whole = scale(viewer)

    viewer.page.click(".rh-name >> nth=1")

    assert names(viewer) == HANDS
    assert chosen(viewer) == HANDS[1:]
    assert scale(viewer) > 1.2 * whole
    crop = viewer.page.evaluate("realishuman.viewer.part.crop")
    seen = viewer.page.locator(".rh-canvas").bounding_box()
    left, top = on_screen(viewer, max(crop[0], 0), max(crop[1], 0))
    right, bottom = on_screen(viewer, min(crop[2], 420), min(crop[3], 300))
    assert seen["x"] - 1 <= left < right <= seen["x"] + seen["width"] + 1
    assert seen["y"] - 1 <= top < bottom <= seen["y"] + seen["height"] + 1


def test_the_wheel_zooms_where_the_pointer_is(viewer):
    place = on_screen(viewer, 300, 100)
    before = scale(viewer)
    viewer.page.mouse.move(*place)

    viewer.page.mouse.wheel(0, -600)
    viewer.page.wait_for_function("s => realishuman.viewer.frame.scale > 2 * s", arg=before)

    assert on_screen(viewer, 300, 100) == pytest.approx(place, abs=1)
    viewer.page.mouse.wheel(0, 3000)
    viewer.page.wait_for_function("realishuman.viewer.frame.isWhole")


def test_a_drag_moves_the_picture_while_one_looks(viewer):
    viewer.page.click(".rh-name >> nth=0")
    viewer.page.click("button:text-is('Look')")
    place = on_screen(viewer, 110, 160)

    drag(viewer, (110, 160), (100, 160))

    assert on_screen(viewer, 110, 160)[0] == pytest.approx(place[0] - 10 * scale(viewer), abs=1)
    assert viewer.asked == ["find"]


def test_arrows_go_through_the_parts_and_round(viewer):
    viewer.page.focus(".rh-canvas")
    seen = []
    for key in ("ArrowRight", "ArrowDown", "ArrowRight", "ArrowLeft"):
        viewer.page.keyboard.press(key)
        seen += chosen(viewer)

    assert seen == [HANDS[0], HANDS[1], HANDS[0], HANDS[1]]
    assert "2 right hand" in viewer.page.inner_text(".rh-unseen")  # read aloud


def test_meshes_and_rings_can_be_switched_and_belong_to_ticked_parts(viewer):
    page = viewer.page

    def drawn():
        meshes = page.locator(".rh-mesh:visible").count()
        return [page.locator(f".rh-drawing .rh-{name}").count() for name in ("outer", "box")] + [
            meshes
        ]

    assert drawn() == [2, 2, 2]
    page.click("button:text-is('Mesh')")
    assert drawn() == [2, 2, 0]
    page.click("button:text-is('Ring')")
    assert drawn() == [0, 2, 0]
    page.click("button:text-is('Ring')")
    page.click("button:text-is('Mesh')")
    page.get_by_label("Refine: 1 right hand").uncheck()
    assert drawn() == [1, 2, 1]
    ticked = page.evaluate(
        "Array.from(realishuman.byName('ticks').querySelectorAll('input'), (one) => one.checked)"
    )
    assert ticked == [False, True]


def test_space_compares_and_the_border_moves_by_keys(refined):
    page = refined.page
    assert page.get_attribute(".rh-viewer", "data-picture") == "swipe"
    page.focus(".rh-swipe")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute(".rh-swipe", "aria-valuenow") == "52"

    page.focus(".rh-canvas")
    shown = []
    for _ in range(2):
        page.keyboard.press(" ")
        shown.append(page.get_attribute(".rh-viewer", "data-picture"))

    assert shown == ["after", "before"]
    assert page.locator(".rh-after").is_hidden()


def test_a_repair_is_discarded_and_taken_back(refined):
    page = refined.page
    assert chosen(refined) == HANDS[:1]  # the first result is shown at once
    after = page.get_attribute(".rh-after", "src")

    page.focus(".rh-canvas")
    page.keyboard.press("k")
    page.wait_for_function("s => document.querySelector('.rh-after').src !== s", arg=after)
    assert not page.get_by_label("Keep the repair: 1 right hand").is_checked()

    page.keyboard.press("Control+z")
    page.wait_for_function("s => document.querySelector('.rh-after').src === s", arg=after)
    assert page.get_by_label("Keep the repair: 1 right hand").is_checked()


def test_a_box_is_drawn_named_and_becomes_the_chosen_part(viewer):
    viewer.page.select_option(".rh-group select", "left hand")

    drag(viewer, (170, 60), (230, 130))
    viewer.page.wait_for_selector(".rh-name >> nth=2")

    assert lines(viewer)[2] == "3: left hand 170,60,230,130"
    assert chosen(viewer) == ["3 left hand"]
    assert lines(viewer)[:2] == [
        "1: right hand 75,114,124,208",
        "2: right hand 275,114,324,208",
    ]


@pytest.mark.parametrize(
    ("start", "end", "box"),
    [((124, 150), (140, 150), "75,114,140,208"), ((100, 160), (110, 150), "85,104,134,198")],
)
def test_an_edge_or_a_whole_box_is_dragged(viewer, start, end, box):
    drag(viewer, start, end)
    viewer.page.wait_for_selector(".rh-rubber", state="detached")

    assert [line.split()[-1] for line in lines(viewer)] == [box, "275,114,324,208"]


def test_a_short_drag_is_a_click_that_selects(viewer):
    drag(viewer, (100, 160), (101, 160))

    assert chosen(viewer) == HANDS[:1]
    drag(viewer, (200, 40), (200, 40))
    assert chosen(viewer) == []
    assert viewer.asked == ["find"]


def test_a_box_is_moved_by_keys_alone(viewer):
    page = viewer.page
    page.focus(".rh-canvas")
    for key in ("ArrowRight", "e", "ArrowUp", "Shift+ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_function("!realishuman.viewer.editor.rubber")

    left, top, right, bottom = (int(side) for side in lines(viewer)[0].split()[-1].split(","))
    assert (left, right > 124, top < 114) == (75, True, True)
    assert bottom - top == 94
    page.keyboard.press("e")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Escape")
    assert viewer.asked == ["find", "apply"]


def test_a_new_box_by_keys(viewer):
    page = viewer.page
    page.focus(".rh-canvas")
    for key in ("n", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    page.wait_for_selector(".rh-name >> nth=2")

    assert len(lines(viewer)) == 3


def test_kind_and_side_are_chosen_from_a_menu_and_parts_removed(viewer):
    page = viewer.page
    page.click(".rh-name >> nth=0")
    page.select_option(".rh-more select", "left hand")
    page.wait_for_function(
        "realishuman.byName('boxes').firstElementChild.value.includes('1: left hand')"
    )

    page.focus(".rh-canvas")
    page.keyboard.press("Delete")
    page.wait_for_function("document.querySelectorAll('.rh-name').length === 1")
    assert lines(viewer) == ["1: right hand 275,114,324,208"]


def test_the_focus_stays_where_it_was_when_the_answer_comes(viewer):
    page = viewer.page
    page.get_by_label("Refine: 2 right hand").focus()
    page.keyboard.press(" ")
    assert page.evaluate("document.activeElement.dataset.at") == "tick-2"

    page.focus(".rh-name >> nth=0")
    page.keyboard.press("ArrowDown")

    assert page.evaluate("document.activeElement.textContent") == HANDS[1]


def test_a_slider_keeps_place_and_choice(viewer):
    viewer.page.click(".rh-name >> nth=1")
    before = scale(viewer)
    viewer.values = {"dilate": 12}
    ring = viewer.page.get_attribute(".rh-outer >> nth=1", "d")

    viewer.press("redraw")

    assert viewer.page.get_attribute(".rh-outer >> nth=1", "d") != ring
    assert scale(viewer) == before
    assert chosen(viewer) == HANDS[1:]


def test_two_orders_at_once_are_both_heard(refined):
    page = refined.page
    page.get_by_label("Keep the repair: 1 right hand").uncheck()
    page.get_by_label("Keep the repair: 2 right hand").uncheck()

    page.wait_for_function("realishuman.viewer.data.undo === 3")
    assert refined.asked == ["find", "refine", "obey", "obey"]
    assert [part["kept"] for part in page.evaluate("realishuman.viewer.parts")] == [False, False]


def test_while_parts_are_refined_their_stage_stands_in_the_list_and_previews_in_their_place(
    viewer,
):
    page = viewer.page
    page.evaluate(
        """() => {
            const {work} = realishuman.viewer;
            work.tell("RealisHuman: 2 right hand: part 2 of 2, stage one 3/20, about 14 s left");
            const paper = Object.assign(document.createElement("canvas"), {width: 8, height: 8});
            const image = new Image();
            image.src = paper.toDataURL();
            work.previews.append(image);
        }"""
    )
    page.wait_for_selector(".rh-previews > div", state="attached")

    fates = page.locator(".rh-fate").all_inner_texts()
    assert fates == [
        "will be refined if ticked",
        "part 2 of 2, stage one 3/20, about 14 s left",
    ]
    place = page.locator(".rh-previews > div").bounding_box()
    crop = page.evaluate("realishuman.viewer.parts[1].crop")
    assert place["width"] == pytest.approx((crop[2] - crop[0]) * scale(viewer), abs=1)
    assert place["x"] == pytest.approx(on_screen(viewer, crop[0], 0)[0], abs=1)
    page.evaluate("realishuman.viewer.work.end()")
    assert page.locator(".rh-previews > div").count() == 0
    assert page.locator(".rh-fate").all_inner_texts() == ["will be refined if ticked"] * 2


def test_tries_stand_side_by_side_and_a_click_takes_one(refined):
    page = refined.page
    refined.values = {"seed": 8}
    refined.press("refine")
    page.wait_for_selector(".rh-tries button >> nth=1")
    after = page.get_attribute(".rh-after", "src")
    first = page.locator("[data-at=try-1-0]")
    assert first.get_attribute("aria-pressed") == "false"

    first.click()

    page.wait_for_function("s => document.querySelector('.rh-after').src !== s", arg=after)
    assert page.get_attribute("[data-at=try-1-0]", "aria-pressed") == "true"
    assert page.locator(".rh-tries >> nth=0").locator("button").all_inner_texts() == [
        "seed 3",
        "seed 8",
    ]


def test_the_brush_adds_to_the_ring_of_the_chosen_part_and_takes_away(viewer):
    page = viewer.page
    page.click(".rh-name >> nth=0")
    page.click("button:text-is('Brush')")
    ring = page.get_attribute(".rh-outer >> nth=0", "d")

    drag(viewer, (40, 150), (75, 150))

    page.wait_for_function("realishuman.viewer.parts[0].brushed")
    more = page.get_attribute(".rh-outer >> nth=0", "d")
    assert more != ring
    assert page.locator(".rh-stroke").count() == 0
    page.click("button:text-is('Take away')")
    drag(viewer, (100, 160), (102, 160))
    page.wait_for_function(
        "s => document.querySelector('.rh-outer').getAttribute('d') !== s", arg=more
    )
    page.click("button:text-is('Clear')")
    page.wait_for_function(
        "s => document.querySelector('.rh-outer').getAttribute('d') === s", arg=ring
    )
