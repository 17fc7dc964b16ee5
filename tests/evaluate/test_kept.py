from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from realishuman.errors import SettingsError
from realishuman.evaluate.kept import Kept
from realishuman.evaluate.pairs import Method, do_nothing
from realishuman.evaluate.rendered import Rendered
from realishuman.evaluate.run import Run, Scope, evaluate
from realishuman.progress import Silent

FACTS = {"pack": "a", "first": 7}


class Mean:
    name = "mean colour"

    def __call__(self, crop):
        return crop.mean(axis=(0, 1), dtype=np.float32)


def run_with(store, detector, count, seen):
    def note(pairs):
        seen.extend(pair.kind for pair in pairs)
        return do_nothing(pairs)

    run = Run()
    scope = Scope([Method("noted", "true", note)], detector, Mean(), shown=2)
    evaluate(run, range(count), scope, side=96, progress=Silent(), store=store, at_once=2)
    return run


def test_a_run_goes_on_after_its_last_pair_and_ends_as_if_it_had_never_stopped(
    few_pairs, detector, tmp_path
):
    whole, first, second = [], [], []
    expected = run_with(None, detector, 5, whole)
    run_with(Kept(tmp_path, FACTS), detector, 3, first)
    found = run_with(Kept(tmp_path, FACTS), detector, 5, second)

    assert len(first) == 6  # each pair malformed and clean
    assert len(second) == 4
    assert found.measures == expected.measures
    assert found.features.keys() == expected.features.keys()
    for key, values in expected.features.items():
        np.testing.assert_array_equal(found.features[key], values)
    assert [name for name, _ in found.sheet[1]] == [name for name, _ in expected.sheet[1]]
    np.testing.assert_array_equal(found.sheet[1][0][1], expected.sheet[1][0][1])


def test_a_damaged_result_is_measured_again(few_pairs, detector, tmp_path):
    seen = []
    run_with(Kept(tmp_path, FACTS), detector, 2, [])
    damaged = next(tmp_path.rglob("000001.npz"))
    damaged.write_bytes(damaged.read_bytes()[:200])

    run_with(Kept(tmp_path, FACTS), detector, 2, seen)

    assert len(seen) == 2


def test_a_result_without_the_extractors_names_is_measured_again(few_pairs, detector, tmp_path):
    store, seen = Kept(tmp_path, FACTS), []
    run_with(store, detector, 2, [])
    kept = store.load(1)
    older = {(method, pose): value for (method, pose, _), value in kept.features.items()}
    store.save(1, replace(kept, features=older))

    run_with(store, detector, 2, seen)

    assert len(seen) == 2  # malformed and clean
    assert store.load(1).features.keys() == kept.features.keys()


def test_results_of_other_settings_are_refused_by_name(tmp_path):
    Kept(tmp_path, FACTS)

    with pytest.raises(SettingsError, match=r"pack was 'a'.*delete"):
        Kept(tmp_path, {**FACTS, "pack": "b"})


def test_a_pair_is_rendered_once_and_read_as_it_was(tmp_path, monkeypatch, pair):
    count = []
    monkeypatch.setattr(
        "realishuman.evaluate.rendered.sample", lambda *arguments: count.append(arguments) or pair
    )
    first = Rendered(tmp_path)(5, 96, pair.kind)
    again = Rendered(tmp_path)(5, 96, pair.kind)
    Rendered(tmp_path)(6, 96, pair.kind)

    assert count == [(5, 96, pair.kind), (6, 96, pair.kind)]
    assert first is pair
    for name in ("kind", "part", "fingers", "tone", "family"):
        assert getattr(again, name) == getattr(pair, name)
        assert type(getattr(again, name)) is type(getattr(pair, name))
    for name in ("clean", "malformed", "mask", "changed", "joints"):
        np.testing.assert_array_equal(getattr(again, name), getattr(pair, name))
    np.testing.assert_array_equal(again.mesh.vertices, pair.mesh.vertices)


def test_a_damaged_rendered_pair_is_made_again(tmp_path, monkeypatch, pair):
    monkeypatch.setattr("realishuman.evaluate.rendered.sample", lambda *_: pair)
    Rendered(tmp_path)(5, 96, pair.kind)
    next(tmp_path.rglob("5-96-*.npz")).write_bytes(b"nothing")

    assert Rendered(tmp_path)(5, 96, pair.kind) is pair
