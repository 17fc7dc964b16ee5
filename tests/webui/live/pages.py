"""What a user does on the page of a running WebUI, in gradio 3 and 4 alike."""

from __future__ import annotations

from realishuman.webui.generation.groups import GROUPS
from tests.webui.live.conftest import ADDRESS, PACK, PATIENCE

WAIT = PATIENCE * 1000  # ms for what the host computes
OPEN = 120_000  # ms for the page itself; more is a fault, and its reason is wanted
NOT_OURS = "recalculate_prompts_inpaint is not defined"  # AUTOMATIC1111's, wherever it sends there


def opened(browser, search=False):
    """A fresh page with our tab in front; what goes wrong in it is gathered in page.errors.

    search  whether it looks for parts by itself.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.errors = []
    page.on("pageerror", lambda error: NOT_OURS in str(error) or page.errors.append(str(error)))
    page.set_default_timeout(60_000)
    if not search:
        page.add_init_script("localStorage.setItem('realishuman_search', 'no')")
    page.goto(ADDRESS, wait_until="domcontentloaded", timeout=OPEN)
    page.wait_for_function("typeof switch_to_realishuman === 'function'", timeout=OPEN)
    page.wait_for_selector("#realishuman_find", state="attached", timeout=OPEN)
    page.wait_for_timeout(2000)
    page.evaluate("switch_to_realishuman()")
    page.wait_for_selector("#realishuman_find", state="visible")
    return page


def load(page, file):
    page.set_input_files("#realishuman_image input[type=file]", file)
    page.wait_for_selector("#realishuman_image img")
    page.wait_for_timeout(1500)


def find(page):
    page.click("#realishuman_find")
    page.wait_for_selector("#realishuman_view .rh-data", state="attached", timeout=WAIT)
    page.wait_for_timeout(500)


VIEW = "(document.querySelector('#realishuman_view .rh-data') || {dataset: {}}).dataset.json"


def answered(page, before):
    """Wait until the page shows other parts or rings than these, or says what is wrong."""
    page.wait_for_function(
        f"s => {VIEW} !== s || Array.from(document.querySelectorAll('.rh-error')).some("
        "(one) => one.offsetParent)",
        arg=before,
        timeout=WAIT,
    )
    page.wait_for_timeout(500)


def refine(page):
    """Press Refine and wait for a result; an error on the page ends the wait, not patience."""
    before = page.evaluate(VIEW)
    page.click("#realishuman_refine")
    answered(page, before)
    note = page.inner_text("#realishuman_note >> nth=0")
    result = page.locator(".rh-after").get_attribute("src")
    assert result, f"{note}; errors of the page: {page.errors}"
    return note


def boxes(page):
    return page.input_value("#realishuman_boxes textarea")


def to_setting(page, name, within="realishuman"):
    """Unfold the settings, if need be, and turn to the page on which one stands."""
    place = page.locator(f"#{within}_{name}").first
    if place.is_visible():
        return
    nav = page.locator(f"#{within}_pages > .tab-nav")
    if not nav.is_visible():
        page.locator(f"#{within}_fold > .label-wrap").click()
        nav.wait_for(state="visible")
    title = next((title for title, names in GROUPS if name in names), "More")
    nav.get_by_role("button", name=title, exact=True).or_(
        nav.get_by_role("tab", name=title, exact=True)
    ).click()
    place.wait_for(state="visible")


def two_steps(page, within="realishuman"):
    to_setting(page, "steps", within)
    number = page.locator(f"#{within}_steps input[type=number]")
    number.fill("2")
    number.blur()


def choose(page, field, choice, attempts=10):
    """Choose from a dropdown as a user does, who clicks again if the choice is not there yet."""
    # typing would find longer names, too; gradio listens to the press
    option = page.locator(f'ul.options li[aria-label="{choice}"]').locator("visible=true")
    for _ in range(attempts):
        field.click()
        page.wait_for_timeout(500)
        if option.count():
            option.first.dispatch_event("mousedown")
            page.wait_for_timeout(500)
            break
        field.blur()
    assert field.input_value() == choice


def choose_pack(page, within="realishuman", pack=PACK):
    to_setting(page, "hand_pack", within)
    choose(page, page.locator(f"#{within}_hand_pack input").first, pack)


def tick_all(page):
    """Also those that look right to the gate, as the hands of a photograph do."""
    for tick in page.locator(".rh-parts input[data-at^=tick]").all():
        tick.check()
    page.wait_for_timeout(1500)


def keep_whatever_comes(page):
    """The demo pack's repair of a photograph is one that the judge refuses."""
    tick_all(page)
    to_setting(page, "judge")
    choose(page, page.locator("#realishuman_judge input").first, "off")
