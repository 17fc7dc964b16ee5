"""What judges and counts for reports, and how its own skill is reported."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from realishuman.cli.main import main
from realishuman.evaluate import summary
from realishuman.evaluate.judges import Hearing, hear, judges_report
from realishuman.evaluate.measures import CLEAN
from realishuman.evaluate.metrics import auc, auc_interval
from realishuman.evaluate.pairs import true_part
from realishuman.evaluate.run import Run, Scope, evaluate
from realishuman.evaluate.scorer import EXTRACTOR, FILE, FINGERS, Score, Scorer
from realishuman.evaluate.tables import pairs_report
from realishuman.mesh.embedded_hand import EmbeddedHand
from realishuman.onnx_files.session import CPU
from realishuman.pipeline.regressors import CORRECTING
from realishuman.progress import Silent
from realishuman.synthetic.malform import KINDS


def knows(pair):
    """A scorer that compares with the truth."""

    def score(picture, part, mesh):
        good = np.array_equal(picture, pair.clean)
        features = np.array([float(good), picture.mean()], np.float32)
        return Score(0.1 if good else 0.8, 5 if good else pair.fingers, features)

    return score


@pytest.mark.parametrize(
    ("bad", "good", "expected"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1.0),
        ([0.1, 0.2], [0.9, 0.8], 0.0),
        ([0.5, 0.5], [0.5], 0.5),
        ([0.9, 0.1], [0.5, 0.0], 0.75),
    ],
)
def test_auc_is_the_share_of_pairs_in_the_right_order(bad, good, expected):
    assert auc(bad, good) == expected
    interval = auc_interval(bad, good)
    assert interval.low <= interval.mean == expected <= interval.high


def test_auc_of_nothing_is_nothing():
    assert auc_interval([], [0.1]) is None


def test_judged_and_counted_stand_in_every_row_and_the_scorers_skill_beside_them(
    few_pairs, detector, pair
):
    run = Run()
    scope = Scope([], detector, scorer=knows(pair))
    evaluate(run, range(len(KINDS)), scope, side=96, progress=Silent())

    first, truth = summary.rows(run.measures, "all")
    assert (first.values["judged"].mean, first.values["five"].mean) == (100, 0)
    assert (truth.values["judged"].mean, truth.values["five"].mean) == (0, 100)
    skills = {skill.group: skill for skill in summary.skills(run.measures)}
    assert skills["all kinds"].auc.mean == 1
    assert skills["missing finger"].counted.mean == 100
    assert skills["missing finger"].clean.mean == 100
    assert skills["melted"].counted is None
    assert all(m.fingers == (5 if m.kind == CLEAN else 4) for m in run.measures)


def test_distances_are_measured_on_the_scorers_features_of_every_method(
    few_pairs, detector, pair, monkeypatch
):
    monkeypatch.setattr(summary, "distance", lambda first, second: (list(first), list(second)))
    run = Run()
    evaluate(run, range(3), Scope([], detector, scorer=knows(pair)), side=96, progress=Silent())

    (key,) = found = summary.distances(run)
    assert key == ("malformed input", "", EXTRACTOR)
    bad, good = ([features[0] for features in side] for side in found[key])
    assert (bad, good) == ([0, 0, 0], [1, 1, 1])


def test_each_extractor_has_its_own_table_of_distances_under_its_name(few_pairs, detector, pair):
    class Mean:
        name = "mean colour"

        def __call__(self, crop):
            return crop.mean(axis=(0, 1), dtype=np.float32)

    run = Run()
    scope = Scope([], detector, Mean(), scorer=knows(pair))
    evaluate(run, range(1), scope, side=96, progress=Silent())

    report = pairs_report("Hands", run, "demo", {})

    tables = [table for table in report.tables if table.title.startswith("Distance")]
    assert [table.title.split(", by ")[1] for table in tables] == [EXTRACTOR, Mean.name]
    assert [[row[0] for row in table.cells] for table in tables] == [["malformed input"]] * 2
    assert [each["extractor"] for each in report.data["distances"]] == [EXTRACTOR, Mean.name]
    assert not any("FID" in table.title or "FID" in table.columns for table in tables)


def test_the_built_in_scorers_features_tell_a_malformed_hand_from_the_clean_one(pair):
    scorer = Scorer()
    clean, again, bad = (
        scorer(picture, true_part(pair), pair.mesh)
        for picture in (pair.clean, pair.clean.copy(), pair.malformed)
    )

    np.testing.assert_array_equal(clean.features, again.features)
    assert not np.allclose(clean.features, bad.features, atol=0.1)


def test_without_a_scorer_nothing_is_claimed(few_pairs, detector):
    run = Run()
    evaluate(run, range(1), Scope([], detector), side=96, progress=Silent())

    assert summary.skills(run.measures) == []
    assert summary.rows(run.measures, "all")[0].values["judged"] is None
    assert summary.distances(run) == {}


def test_the_built_in_scorer_opens_and_answers(pair):
    score = Scorer()(pair.clean, true_part(pair), pair.mesh)

    assert 0 <= score.malformed <= 1
    assert score.fingers in FINGERS
    assert (score.features.shape, score.features.dtype) == ((257,), np.float32)
    assert FILE.stat().st_size < 2e6
    assert Scorer()._session.provider == CPU


def test_every_network_is_asked_about_both_pictures_as_they_came_and_softened(
    monkeypatch, pair, detector
):
    monkeypatch.setattr(
        "realishuman.evaluate.judges.sample", lambda _seed, _side, kind: replace(pair, kind=kind)
    )
    score, hearing = knows(pair), Hearing()
    networks = {"knows": lambda *one: score(*one).malformed}

    regressor = EmbeddedHand()
    hear(
        hearing, range(2), networks, lambda *one: score(*one).fingers, detector, regressor,
        side=96, progress=Silent(),
    )  # fmt: skip
    report = judges_report(hearing, {})

    assert len(hearing.seen) == 2 * 2 * 2 * 3
    assert hearing.missed == 0
    rows = {(row[1], row[2], row[3]): row for row in report.tables[0].cells}
    plain = rows["true", "as they came", "all kinds"]
    assert (plain[4].mean, plain[5].mean) == (1, 100)  # AUC, and the clean one is preferred
    assert (plain[6].mean, plain[7].mean) == (100, 0)
    soft = rows["true", "softened", "all kinds"]  # which is not the clean picture
    assert (soft[4].mean, soft[5].mean, soft[7].mean) == (0.5, 0, 100)
    counts = {row[0]: row[1:] for row in report.tables[1].cells}
    assert [each.mean for each in counts["missing finger"]] == [100, 100]


def test_the_command_reports_judge_and_scorer(tmp_path, few_pairs, monkeypatch, pair):
    monkeypatch.setattr(
        "realishuman.evaluate.judges.sample", lambda _seed, _side, kind: replace(pair, kind=kind)
    )
    opened = []

    def open_regressor(kind, choice, *_):
        opened.append((kind, choice.name))
        return EmbeddedHand()

    monkeypatch.setattr("realishuman.pipeline.regressors.open_regressor", open_regressor)

    code = main(["evaluate", "judge", "-o", str(tmp_path), "--count", "1", "--quiet"])

    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert code == 0
    assert {one["network"] for one in content["seen"]} == {"judge", "scorer"}
    assert content["facts"]["seeds"] == "1000000000 to 1000000000"
    assert opened == [("hand", CORRECTING)]
    assert content["facts"]["estimated meshes"] == CORRECTING


def test_a_count_of_0_is_refused(tmp_path, capsys):
    assert main(["evaluate", "judge", "-o", str(tmp_path), "--count", "0"]) == 2
    assert "--count must be at least 1" in capsys.readouterr().err
