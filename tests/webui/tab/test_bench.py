from __future__ import annotations

from dataclasses import replace

import numpy as np

from realishuman.webui.tab.bench import (
    digest_of,
    open_picture,
    paste_kept,
    redraw_ring,
    refine_parts,
)
from realishuman.webui.tab.benches import Benches
from tests.webui.plain_engine import FAST


def allowed(bench, numbers):
    """Where the picture may change: in the crops' m_d."""
    place = np.zeros(bench.rgb.shape[:2], bool)
    rows, columns = np.indices(place.shape)
    centres = np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5])
    for one in bench.prepared:
        if one.number in numbers:
            x, y = np.floor(one.crop.to_crop(centres)).astype(int).T
            inside = (x >= 0) & (y >= 0) & (x < one.crop.size) & (y < one.crop.size)
            hit = np.zeros(len(centres), bool)
            hit[inside] = one.masks.m_d[y[inside], x[inside]]
            place |= hit.reshape(place.shape)
    return place


def test_a_discarded_part_leaves_the_picture_bit_for_bit_and_samples_nothing(two):
    engine, bench = two
    done = refine_parts(bench, engine, FAST, [1, 2])

    first = paste_kept(done, [1])

    assert len(engine.runs) == 1
    np.testing.assert_array_equal(paste_kept(done, [1, 2]), done.result.image)
    np.testing.assert_array_equal(paste_kept(done, []), bench.rgb)
    changed = (first != bench.rgb).any(axis=2)
    assert changed.any()
    assert not changed[~allowed(bench, [1])].any()
    np.testing.assert_array_equal(
        first[allowed(bench, [1])], done.result.image[allowed(bench, [1])]
    )


def test_refining_one_part_keeps_what_was_made_of_the_other(two):
    engine, bench = two
    both = refine_parts(bench, engine, FAST, [1, 2])

    again = refine_parts(both, engine, replace(FAST, seed=9), [2])

    assert again.refined == [1, 2]
    old, new = paste_kept(both, [1, 2]), paste_kept(again, [1, 2])
    second = allowed(bench, [2])
    np.testing.assert_array_equal(old[~second], new[~second])
    assert (old[second] != new[second]).any()


def test_alpha_stays(picture, engine_of, flat_hand):
    alpha = np.arange(300 * 420, dtype=np.uint32).reshape(300, 420).astype(np.uint8)
    engine = engine_of([flat_hand(210, 160, 100)])
    bench = refine_parts(open_picture(np.dstack([picture, alpha]), engine, FAST), engine, FAST, [1])

    np.testing.assert_array_equal(paste_kept(bench, [1])[..., 3], alpha)


def test_a_ticked_part_is_refined_although_it_would_be_left_alone(picture, engine_of, flat_hand):
    engine, strict = engine_of([flat_hand(210, 160, 100)]), replace(FAST, min_size=500)
    bench = open_picture(picture, engine, strict)

    assert bench.fit == []
    assert refine_parts(bench, engine, strict, [1]).refined == [1]


def test_sliders_give_the_ring_that_a_fresh_search_would_without_searching(two, picture):
    engine, bench = two
    wide = replace(FAST, dilate=60, erode=12)
    searches = len(engine.searches)

    moved = redraw_ring(bench, engine, wide)

    assert len(engine.searches) == searches
    fresh = open_picture(picture, engine, wide)
    for one, other in zip(moved.prepared, fresh.prepared, strict=True):
        np.testing.assert_array_equal(one.masks.m_d, other.masks.m_d)
        np.testing.assert_array_equal(one.masks.m_e, other.masks.m_e)


def test_each_tab_has_its_own_bench_and_the_oldest_is_let_go(two):
    _, bench = two
    benches = Benches(limit=2)
    a, b, _ = (benches.begin(replace(bench, digest=name)).token for name in "abc")

    assert benches.get(a) is None
    assert benches.get(b).digest == "b"
    assert benches.get(None) is None
    assert benches.move(None, forth=False) is None


def test_a_new_step_ends_what_was_taken_back(two):
    _, bench = two
    benches = Benches()
    token = benches.begin(bench).token
    other, third = (replace(bench, digest=name) for name in "ab")
    benches.add(token, other)
    assert benches.move(token, forth=False).bench is bench
    assert benches.add_after(token, other, third) is None  # that is not where the tab stands

    now = benches.add_after(token, bench, third)

    assert (now.bench, now.undo, now.redo) == (third, 1, 0)


def test_the_digest_tells_pictures_of_the_same_bytes_but_another_shape_apart():
    pixels = np.arange(24, dtype=np.uint8)

    assert digest_of(pixels.reshape(2, 4, 3)) != digest_of(pixels.reshape(4, 2, 3))
    assert digest_of(pixels) == digest_of(pixels.copy())
