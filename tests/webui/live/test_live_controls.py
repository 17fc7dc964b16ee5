"""Every control of ours on the page of a running WebUI is used once, and answers."""

from __future__ import annotations

import re

import pytest

from realishuman.webui.components import NAMED
from realishuman.webui.fields import FIELDS
from realishuman.webui.generation.groups import BY_CHECKPOINT, IMG2IMG_ONLY
from realishuman.webui.tab.layout import NOT_HERE
from tests.webui.live.pages import (
    WAIT,
    choose,
    choose_pack,
    find,
    keep_whatever_comes,
    load,
    opened,
    refine,
    to_setting,
    two_steps,
)

SCRIPT = "script_img2img_realishuman"  # where no field is hidden
EXTRAS = "extras_realishuman"
TAB = "realishuman"
NOWHERE = "/there/is/no/such/folder"
IN_TAB = [one for one in FIELDS if one.name not in NOT_HERE]


@pytest.fixture(scope="module")
def shared(browser):
    """One page for the controls that leave it as it was."""
    made = opened(browser)
    yield made
    assert made.errors == []
    made.close()


def turn_over(box):
    """Click a checkbox; it must change."""
    before = box.is_checked()
    box.click()
    assert box.is_checked() is not before


def slide(page, root, step):
    """Type a number, then move the slider by a key: each must follow the other."""
    number, slider = (
        page.locator(f"{root} input[type={kind}]").first for kind in ("number", "range")
    )
    low, high = (float(slider.get_attribute(name)) for name in ("min", "max"))
    middle = low + round((high - low) / 2 / step) * step
    number.fill(f"{middle:g}")
    number.blur()
    assert float(slider.input_value()) == pytest.approx(middle, abs=step)
    before = float(number.input_value())
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert float(number.input_value()) < before


def leave(page, root):
    """A number that was set is left to the pack again by its button."""
    box = page.locator(f"{root}_number")
    assert "rh-own" in box.get_attribute("class")
    page.locator(f"{root}_back").click()
    page.locator(f"{root}_back").wait_for(state="hidden")
    assert "rh-own" not in box.get_attribute("class")
    number = page.locator(f"{root} input[type=number]")
    assert float(number.input_value()) >= float(number.get_attribute("min"))


def use(page, one, root):
    """Use the control of a field by mouse or keyboard, and see it change."""
    prefix = root.removeprefix("#").removesuffix(f"_{one.name}")
    if one.name in BY_CHECKPOINT:
        page.locator(f"#{prefix}_engine input[value=checkpoint]").click()
        page.locator(root).first.wait_for(state="visible")
    to_setting(page, one.name, prefix)
    page.locator(root).first.scroll_into_view_if_needed()
    if one.is_number:
        slide(page, root, one.step)
        if one.is_left:
            leave(page, root)
        return
    if one.name in NAMED:
        for choice in one.choices[::-1]:
            page.locator(f"{root} input[value={choice}]").click()
            assert page.locator(f"{root} input[value={choice}]").is_checked()
        return
    if one.kind in ("bool", "names"):
        for box in page.locator(f"{root} input[type=checkbox]").all():
            turn_over(box)
            turn_over(box)
        return
    if one.kind == "prose":
        text = page.locator(f"{root} textarea, {root} input").first
        before = text.input_value()
        for words in ("a hand", before):
            text.fill(words)
            assert text.input_value() == words
        return
    field = page.locator(f"{root} input").first
    before = field.input_value()
    field.click()
    page.wait_for_timeout(500)
    listed = page.locator("ul.options li").locator("visible=true").all()
    offered = [item.get_attribute("aria-label") for item in listed]
    assert before in offered
    field.blur()
    page.wait_for_timeout(300)
    for choice in (offered[-1], before):
        choose(page, field, choice)


def in_accordion(page, prefix, opener):
    page.locator("#tabs button", has_text=re.compile(opener, re.I)).first.click()
    page.wait_for_timeout(500)
    if not page.locator(f"#{prefix}_parts").first.is_visible():
        page.locator(f"#{prefix}_enabled > .label-wrap").click()  # opens it and ticks its box
        page.wait_for_timeout(1500)


@pytest.mark.parametrize("prefix", [SCRIPT, EXTRAS])
def test_the_accordions_box_says_what_will_happen(shared, prefix):
    shared.locator("#tabs button", has_text=re.compile(prefix.split("_")[-2], re.I)).first.click()
    box = shared.locator(f"#{prefix}_enabled-checkbox input, #{prefix}_enabled-visible-checkbox")
    said = shared.locator(f"#{prefix}_outlook .rh-outlook")

    for ticked in (True, False, True):
        box.locator("visible=true").first.click()
        said.first.wait_for(state="attached" if ticked else "detached")

    assert "picture's own skin" in said.first.inner_text()


@pytest.mark.parametrize("one", FIELDS[1:], ids=lambda one: one.name)
def test_the_accordion(shared, one):
    in_accordion(shared, SCRIPT, "img2img")

    use(shared, one, f"#{SCRIPT}_{one.name}")


def test_the_accordion_looks_for_packs_again(shared):
    in_accordion(shared, SCRIPT, "img2img")
    to_setting(shared, "refresh", SCRIPT)

    assert_asks(shared, f"#{SCRIPT}_refresh")


def assert_asks(page, button):
    """Press a button that may change nothing on the page: it must ask the WebUI, and no error."""
    asked = []
    page.on("websocket", lambda socket: asked.append(socket.url))
    page.on("request", lambda request: asked.append(request.url))
    page.locator(button).first.click()
    page.wait_for_timeout(3000)
    assert [url for url in asked if "queue/join" in url or "predict" in url]
    assert page.locator(".toast-body.error").count() == 0


def test_the_extras_accordion(shared):
    in_accordion(shared, EXTRAS, "extras")

    for one in FIELDS[1:]:
        if one.name not in IMG2IMG_ONLY:
            use(shared, one, f"#{EXTRAS}_{one.name}")


@pytest.mark.parametrize("one", IN_TAB, ids=lambda one: one.name)
def test_settings_of_the_tab(shared, one):
    shared.evaluate("switch_to_realishuman()")

    use(shared, one, f"#{TAB}_{one.name}")


def test_the_seed_can_be_typed(shared):
    shared.evaluate("switch_to_realishuman()")
    to_setting(shared, "steps")
    seed = shared.locator("#realishuman_seed input")
    seed.fill("12")
    seed.blur()
    assert seed.input_value() == "12"


@pytest.mark.parametrize("button", ["find", "refine", "apply", "save", "run_folder", "download"])
def test_buttons_are_off_until_there_is_what_they_need(browser, button):
    fresh = opened(browser)
    assert fresh.locator(f"#realishuman_{button}").first.evaluate(
        "one => one.disabled || !one.checkVisibility()"
    )
    fresh.close()


def test_an_empty_gallery_sends_nothing(shared):
    for source in ("txt2img", "img2img", "extras"):
        assert shared.locator(f"#{source}_send_to_realishuman").is_disabled()


def test_the_folder_page(shared):
    shared.evaluate("switch_to_realishuman()")
    shared.locator("#realishuman_tabs button", has_text="Folder").first.click()
    for name in ("source", "target"):
        shared.fill(f"#realishuman_{name} textarea, #realishuman_{name} input", NOWHERE)

    shared.click("#realishuman_run_folder")

    shared.wait_for_selector("#realishuman_folder_note .rh-error", timeout=WAIT)
    assert NOWHERE in shared.inner_text("#realishuman_folder_note >> nth=0")


@pytest.fixture(scope="module")
def ready(browser, file):
    """A page with a picture whose parts were found, for the demo pack, whatever comes of it."""
    made = opened(browser)
    load(made, file)
    find(made)
    two_steps(made)
    choose_pack(made, pack="demo")
    keep_whatever_comes(made)
    yield made
    assert made.errors == []
    made.close()


@pytest.mark.parametrize("button", ["interrupt", "skip"])
def test_a_run_is_stopped(ready, button):
    to_setting(ready, "steps")
    number = ready.locator("#realishuman_steps input[type=number]")
    number.fill("150")
    number.blur()
    assert not ready.is_visible(f"#realishuman_{button}")

    ready.click("#realishuman_refine")
    ready.wait_for_selector(f"#realishuman_{button}", state="visible")
    ready.wait_for_timeout(3000)
    ready.click(f"#realishuman_{button}")

    ready.wait_for_function(
        "document.querySelector('#realishuman_note').innerText.includes('nothing was changed')",
        timeout=WAIT,
    )
    ready.wait_for_selector(f"#realishuman_{button}", state="hidden")
    assert not ready.get_attribute(".rh-after", "src")


@pytest.mark.parametrize("target", ["txt2img", "img2img", "inpaint", "extras"])
def test_a_result_is_sent_on(ready, target):
    """To its tab, with the infotext where the tab has a prompt, else with the picture."""
    ready.evaluate("switch_to_realishuman()")
    if not ready.get_attribute(".rh-after", "src"):
        to_setting(ready, "steps")
        number = ready.locator("#realishuman_steps input[type=number]")
        number.fill("2")
        number.blur()
        refine(ready)

    ready.click(f"#realishuman_to_{target}")

    shown = "img2img" if target == "inpaint" else target
    place = {
        "img2img": "#img2img_image",
        "inpaint": "#img2maskimg",
        "extras": "#extras_image",
    }
    ready.wait_for_selector(f"#tab_{shown}", state="visible")
    if target == "txt2img":
        ready.wait_for_function(
            "document.querySelector('#txt2img_prompt textarea').value.includes('a hand')"
        )
    else:
        ready.locator(f"{place[target]} img, {place[target]} canvas").locator(
            "visible=true"
        ).first.wait_for()


@pytest.fixture(scope="module")
def models(browser):
    made = opened(browser)
    made.evaluate("switch_to_realishuman_models()")
    made.wait_for_selector(".rh-models", state="attached", timeout=WAIT)
    made.wait_for_timeout(1000)
    yield made
    assert made.errors == []
    made.close()


def test_the_models_page_begins_with_what_is_next(models):
    assert models.locator(".rh-next li").count() in (1, 2, 3, 4)
    assert models.locator("#realishuman_next_steps").first.inner_text().startswith("Now: ")
    assert not models.is_visible(".rh-models")


def unfold(page, box):
    """Open a fold of the Models page, unless it is."""
    label = page.locator(f"#realishuman_{box} > .label-wrap")
    if "open" not in (label.get_attribute("class") or ""):
        label.click()
        page.wait_for_timeout(400)


@pytest.mark.parametrize("button", ["refresh", "check"])
def test_the_list_of_models_is_made_anew(models, button):
    unfold(models, "files_box")
    assert_asks(models, f"#realishuman_{button}")
    assert models.locator(".rh-models tr").count() > 10


def test_doctor_reports(models):
    unfold(models, "files_box")
    models.click("#realishuman_doctor")
    models.wait_for_function(
        "document.querySelector('#realishuman_doctor_text textarea').value.includes('ok ')",
        timeout=WAIT,
    )


@pytest.mark.parametrize("name", ["making_trust", "making_replace"])
def test_boxes_of_the_models_page(models, name):
    unfold(models, "making_box")
    box = models.locator(f"#realishuman_{name} input")
    turn_over(box)
    turn_over(box)


@pytest.mark.parametrize("button", ["making_check", "making_make"])
def test_making_needs_a_folder_that_is_there(models, button):
    unfold(models, "making_box")
    models.fill(
        "#realishuman_making_folder textarea, #realishuman_making_folder input", NOWHERE + button
    )
    models.click(f"#realishuman_{button}")
    models.wait_for_function(
        "s => document.querySelector('#realishuman_download_state').innerText.includes(s)",
        arg=NOWHERE + button,
    )


def test_no_download_starts_before_its_licence_is_agreed_to(models):
    """Whichever download asks first; where everything is there, nothing is to be done."""
    unfold(models, "download_box")
    field = models.locator("#realishuman_wanted input").first
    field.click()
    models.wait_for_timeout(500)
    listed = models.locator("ul.options li").locator("visible=true").all()
    offered = [item.get_attribute("aria-label") for item in listed]
    field.blur()
    for choice in offered:
        choose(models, field, choice)
        models.wait_for_timeout(1500)
        assert "Licence: " in models.inner_text("#realishuman_licence >> nth=0")
        if models.is_visible("#realishuman_agree"):
            break
    else:
        pytest.skip("nothing on offer asks for agreement")

    models.click("#realishuman_download")

    models.wait_for_function(
        "document.querySelector('#realishuman_download_state').innerText.includes('tick the box')"
    )
    turn_over(models.locator("#realishuman_agree input"))
