"""The page of a running WebUI, in Chromium."""

from __future__ import annotations

import re

import pytest

from tests.webui.live.pages import (
    WAIT,
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


def test_find_draw_refine_keep_and_save(page, file):
    load(page, file)
    find(page)
    first = boxes(page)
    assert re.match(r"1: (left |right )?(hand|face) -?\d+,", first)

    tick_all(page)
    shown = page.get_attribute(".rh-stage img", "src")
    number = page.locator("#realishuman_dilate input[type=number]")
    number.fill("30")
    number.dispatch_event("input")
    page.wait_for_function("s => document.querySelector('.rh-stage img').src !== s", arg=shown)
    assert boxes(page) == first

    two_steps(page)
    page.get_by_text("Parts and packs", exact=True).locator("visible=true").first.click()
    choose_pack(page)
    keep_whatever_comes(page)
    assert "parts refined" in refine(page)

    after = page.get_attribute(".rh-compare .rh-after", "src")
    page.locator("#realishuman_kept input").first.click()
    page.wait_for_function("s => document.querySelector('.rh-after').src !== s", arg=after)

    page.focus(".rh-compare input")
    page.keyboard.press("ArrowRight")
    split = "getComputedStyle(document.querySelector('.rh-compare')).getPropertyValue('--rh-split')"
    assert page.evaluate(split).strip() != "50%"

    page.click("#realishuman_save")
    page.wait_for_function(
        "document.querySelector('#realishuman_note').innerText.includes('Saved')", timeout=WAIT
    )


def test_a_drawn_box_adds_a_line(page, file):
    load(page, file)
    find(page)
    page.fill("#realishuman_boxes textarea", "")
    page.click("#realishuman_apply")
    page.wait_for_function("document.querySelector('.rh-stage').dataset.boxes === '[]'")
    page.locator(".rh-stage").evaluate("stage => stage.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(500)
    place = page.locator(".rh-stage img").bounding_box()
    stamp = page.get_attribute(".rh-stage", "data-stamp")

    page.mouse.move(place["x"] + 5, place["y"] + 5)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 5, place["y"] + place["height"] - 5, steps=4)
    page.mouse.up()

    page.wait_for_function(
        "s => document.querySelector('.rh-stage').dataset.stamp !== s", arg=stamp, timeout=WAIT
    )
    page.wait_for_timeout(500)
    note = page.inner_text("#realishuman_note >> nth=0")
    assert re.match(r"1: (left |right )?hand -?\d+,", boxes(page)), note  # it is the user's word


def test_another_picture_takes_the_old_preview_away(page, file):
    load(page, file)
    find(page)

    named = ["lear", "emove"]  # Clear in gradio 3, Remove Image in gradio 4
    page.locator(", ".join(f"#realishuman_image [aria-label*={n}]" for n in named)).first.click()

    page.wait_for_selector(".rh-stage", state="detached")
    assert boxes(page) == ""


def test_two_browser_tabs_do_not_disturb_each_other(browser, file):
    one, two = opened(browser), opened(browser)
    for page in (one, two):
        load(page, file)
        find(page)
    both = boxes(two)

    one.fill("#realishuman_boxes textarea", "")
    one.click("#realishuman_apply")
    one.wait_for_function("document.querySelector('.rh-stage').dataset.boxes === '[]'")
    stamp = two.get_attribute(".rh-stage", "data-stamp")
    two.click("#realishuman_apply")
    two.wait_for_function("s => document.querySelector('.rh-stage').dataset.stamp !== s", arg=stamp)

    assert boxes(two) == both != ""
    one.close()
    two.close()


def test_the_models_page_lists_files_and_the_folder(page):
    page.evaluate("switch_to_realishuman_models()")

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
    page.locator("#extras_realishuman_sampling .label-wrap").click()
    number = page.locator("#extras_realishuman_steps input[type=number]")
    number.fill("2")
    number.blur()

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
