"""An inpaint mask: only parts that it touches are refined, unless all are wanted."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.parts.found import number_parts
from realishuman.webui.generation.inpainting import UNTOUCHED, mark_untouched, mask_of

SIZE = (420, 300)


@pytest.fixture
def found(flat_hand):
    """A hand at the left and one at the right, each about 80 pixels tall."""
    picture = np.zeros((300, 420, 3), np.uint8)
    parts = [flat_hand(90, 150, 80), flat_hand(320, 150, 80)]
    meshes = EmbeddedHand().regress(picture, parts)
    return number_parts([(part, "") for part in parts], meshes)


class Processing:
    """What the hosts' init leaves behind: the mask as the user drew it, and as it is applied."""

    def __init__(self, mask, overlay=None):
        self.image_mask, self.mask_for_overlay = mask, overlay or mask


def drawn(x0, y0, x1, y1, size=SIZE):
    mask = Image.new("L", size, 0)
    mask.paste(255, (x0, y0, x1, y1))
    return mask


def kept(found, mask, size=SIZE):
    marked = mark_untouched(found, mask_of(Processing(mask), size))
    return [one.reason for one in marked.parts]


def test_parts_that_the_mask_touches_are_refined_and_the_others_say_why_not(found):
    assert kept(found, drawn(60, 100, 120, 180)) == ["", UNTOUCHED]
    assert kept(found, drawn(0, 0, 420, 300)) == ["", ""]
    assert kept(found, drawn(180, 10, 240, 60)) == [UNTOUCHED, UNTOUCHED]  # a hat


def test_a_reason_that_was_there_before_stays(found):
    small = found.give_reasons({1: "too small"})

    assert kept(small, drawn(180, 10, 240, 60)) == ["too small", UNTOUCHED]


def test_a_mask_in_the_corner_of_a_parts_box_does_not_touch_it(found):
    box = found.parts[0].part.box
    x, y = int(box.x0), int(box.y0)  # above the thumb

    assert kept(found, drawn(x, y, x + 4, y + 4)) == [UNTOUCHED, UNTOUCHED]


def test_what_is_blurred_counts_where_it_was_drawn_and_not_where_it_fades(found):
    left = found.parts[0].mesh.vertices[:, 0].min()
    beside = drawn(0, 100, int(left) - 16, 180)

    assert kept(found, beside.filter(ImageFilter.GaussianBlur(8))) == [UNTOUCHED, UNTOUCHED]
    thin = drawn(88, 100, 91, 200).filter(ImageFilter.GaussianBlur(16))
    assert np.asarray(thin).max() < 30
    assert kept(found, thin) == ["", UNTOUCHED]


def test_an_inverted_mask_leaves_what_was_drawn_alone(found):
    assert kept(found, ImageOps.invert(drawn(0, 0, 200, 300))) == [UNTOUCHED, ""]


def test_a_mask_of_another_size_than_the_finished_picture_is_laid_over_it(found):
    assert kept(found, drawn(30, 50, 60, 90, size=(210, 150))) == ["", UNTOUCHED]


def test_an_empty_mask_touches_nothing(found):
    assert kept(found, drawn(0, 0, 0, 0)) == [UNTOUCHED, UNTOUCHED]


@pytest.mark.parametrize("p", [object(), Processing(None, drawn(0, 0, 9, 9)), Processing(None)])
def test_without_inpainting_there_is_no_mask(p):
    """The second is what an earlier run of the same p left behind."""
    assert mask_of(p, SIZE) is None


@pytest.mark.parametrize(("choice", "searches"), [("masked", 1), ("all", 0)])
def test_the_script_asks_for_the_masked_parts_unless_all_are_wanted(
    choice, searches, host, generation, painting, found
):
    painting.found = found
    p = generation(0, batch_size=1, n_iter=1)
    p.arguments = [{"enabled": True, "inpaint_parts": choice}]
    p.image_mask = p.mask_for_overlay = drawn(0, 0, 32, 64, size=(64, 64))
    host.process_images(p)

    assert painting.searches == searches
    [given] = painting.founds
    reasons = [one.reason for one in given.parts] if given else None
    assert reasons == {"masked": [UNTOUCHED, UNTOUCHED], "all": None}[choice]


def test_the_choice_is_shown_in_img2img_only(ours):
    index = [one.elem_id for one in ours.components].index(
        "script_txt2img_realishuman_inpaint_parts"
    )

    assert ours.components[index].visible is False
    assert ours.ui(True)[index].visible is not False
