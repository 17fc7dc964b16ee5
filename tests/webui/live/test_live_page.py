"""The page of a running WebUI, in Chromium."""

from __future__ import annotations

import re

import pytest

from tests.webui.live.pages import (
    VIEW,
    WAIT,
    answered,
    boxes,
    choose_pack,
    find,
    keep_whatever_comes,
    load,
    opened,
    refine,
    tick_all,
    two_steps,
)

NUMBERS = ("steps", "margin")


def test_find_draw_refine_keep_and_save(page, file):
    load(page, file)
    find(page)
    first = boxes(page)
    assert re.match(r"1: (left |right )?(hand|face) -?\d+,", first)

    tick_all(page)
    ring = page.get_attribute(".rh-outer >> nth=0", "d")
    number = page.locator("#realishuman_dilate input[type=number]")
    number.fill("30")
    number.dispatch_event("input")
    page.wait_for_function(
        "s => document.querySelector('.rh-outer').getAttribute('d') !== s", arg=ring
    )
    assert boxes(page) == first

    two_steps(page)
    choose_pack(page)
    keep_whatever_comes(page)
    assert "parts refined" in refine(page)

    after = page.get_attribute(".rh-after", "src")
    page.locator(".rh-parts input[data-at^=keep]").first.click()
    page.wait_for_function("s => document.querySelector('.rh-after').src !== s", arg=after)
    page.click("button[aria-label=Undo]")
    page.wait_for_function("s => document.querySelector('.rh-after').src === s", arg=after)

    page.focus(".rh-swipe")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute(".rh-swipe", "aria-valuenow") == "52"
    page.focus(".rh-canvas")
    page.keyboard.press(" ")
    assert page.get_attribute(".rh-viewer", "data-picture") == "after"

    page.click("#realishuman_save")
    page.wait_for_function(
        "document.querySelector('#realishuman_note').innerText.includes('Saved')", timeout=WAIT
    )


def use_these(page):
    """Press "Use these boxes" and wait for what becomes of them."""
    before = page.evaluate(VIEW)
    page.click("#realishuman_apply")
    answered(page, before)


def test_parts_are_looked_for_as_a_picture_comes_unless_its_user_unticks_that(browser, file):
    page = opened(browser, search=True)
    page.evaluate("document.querySelector('#realishuman_image').scrollIntoView()")
    load(page, file)
    page.wait_for_selector(".rh-part", timeout=WAIT)

    page.locator("#realishuman_search input").uncheck()

    assert page.evaluate("localStorage.getItem('realishuman_search')") == "no"
    page.close()


def test_a_drawn_box_adds_a_line(page, file):
    load(page, file)
    find(page)
    page.get_by_text("Boxes as text", exact=True).locator("visible=true").first.click()
    page.fill("#realishuman_boxes textarea", "")
    use_these(page)
    assert page.locator(".rh-part").count() == 0
    page.locator(".rh-canvas").evaluate("canvas => canvas.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(500)
    place = page.locator(".rh-world").bounding_box()
    before = page.evaluate(VIEW)

    page.mouse.move(place["x"] + 5, place["y"] + 5)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 5, place["y"] + place["height"] - 5, steps=4)
    page.mouse.up()

    answered(page, before)
    note = page.inner_text("#realishuman_note >> nth=0")
    assert re.match(r"1: (left |right )?hand -?\d+,", boxes(page)), note  # it is the user's word


def test_another_picture_takes_the_old_preview_away(page, file):
    load(page, file)
    find(page)

    named = ["lear", "emove"]  # Clear in gradio 3, Remove Image in gradio 4
    page.locator(", ".join(f"#realishuman_image [aria-label*={n}]" for n in named)).first.click()

    page.wait_for_selector(".rh-part", state="detached")
    assert page.is_visible(".rh-hint")
    assert boxes(page) == ""


def test_two_browser_tabs_do_not_disturb_each_other(browser, file):
    one, two = opened(browser), opened(browser)
    for page in (one, two):
        load(page, file)
        find(page)
    both = boxes(two)

    for page in (one, two):
        page.get_by_text("Boxes as text", exact=True).locator("visible=true").first.click()
    one.fill("#realishuman_boxes textarea", "")
    use_these(one)
    assert one.locator(".rh-part").count() == 0
    use_these(two)

    assert boxes(two) == both != ""
    one.close()
    two.close()


def test_the_models_page_lists_files_and_the_folder(page):
    page.evaluate("switch_to_realishuman_models()")

    page.wait_for_selector(".rh-next", timeout=WAIT)
    page.click("#realishuman_files_box > .label-wrap")
    page.wait_for_selector(".rh-models", timeout=WAIT)
    text = page.inner_text("#realishuman_models >> nth=0")
    for part in ("palm_detection_full.onnx", "Apache-2.0", "Models folder", "Detector runs on"):
        assert part in text


def test_extras_refine_a_picture_that_is_there_already(page, file):
    page.locator("#tabs button", has_text="Extras").first.click()
    page.set_input_files("#extras_image input[type=file]", file)
    page.wait_for_selector("#extras_image img")
    page.wait_for_timeout(1500)
    page.locator("#extras_realishuman_enabled > .label-wrap").click()  # opens it and ticks its box
    choose_pack(page, "extras_realishuman")
    two_steps(page, "extras_realishuman")

    page.click("#extras_generate")
    page.wait_for_selector("#extras_gallery img", timeout=WAIT)
    page.wait_for_function(
        "document.querySelector('#html_info_x_extras').innerText.includes('RealisHuman result')"
    )

    text = page.inner_text("#html_info_x_extras")
    assert re.search(r"RealisHuman result: \"?\d of \d parts refined", text), text
    assert "RealisHuman steps: 2" in text


def test_pasted_parameters_come_back_into_the_accordion(page):
    page.locator("#tabs button", has_text=re.compile("txt2img", re.I)).first.click()
    text = "a hand\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5, Size: 512x512, "
    ours = "RealisHuman enabled: True, RealisHuman steps: 12, RealisHuman parts: hand"
    page.fill("#txt2img_prompt textarea", text + ours)

    page.click("#paste")

    page.wait_for_function(
        "document.querySelector('#script_txt2img_realishuman_steps input').value == '12'",
        timeout=WAIT,
    )
    ticked = page.locator("#script_txt2img_realishuman_enabled-checkbox input")
    assert ticked.evaluate("one => one.checked")
    steps, margin = (page.locator(f"#script_txt2img_realishuman_{n}_number") for n in NUMBERS)
    assert "rh-own" in steps.get_attribute("class")
    assert "rh-own" not in margin.get_attribute("class")
    assert margin.locator("input[type=number]").input_value() == "2"


def test_no_page_is_wider_than_a_window_of_1280_pixels(page):
    for switch in ("switch_to_realishuman_models()", "switch_to_realishuman()"):
        page.evaluate(switch)
        page.wait_for_timeout(1000)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_there_is_a_button_beside_the_hosts_own(page):
    for source in ("txt2img", "img2img", "extras"):
        assert page.locator(f"#{source}_send_to_realishuman").count() == 1


@pytest.mark.parametrize("time", [1, 2, 3])
def test_the_tab_is_there_after_the_ui_was_reloaded(browser, client, time):
    """The page stays open, as a user's would: it loads itself anew once the host is back."""
    page = opened(browser)
    page.evaluate("window.before_reload = true")
    page.evaluate(
        "Array.from(document.querySelectorAll('button'))"
        ".find((b) => b.textContent.trim() === 'Reload UI').click()"
    )
    page.wait_for_function("window.before_reload === undefined", timeout=WAIT)
    page.close()

    again = opened(browser)

    again.close()
    assert client.get("/realishuman/v1/version")[0] == 200
