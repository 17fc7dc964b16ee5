from __future__ import annotations

import json
from dataclasses import replace

import pytest
from PIL import Image

from realishuman.cli.main import main
from realishuman.evaluate.scorer import EXTRACTOR
from realishuman.packs.pack import Pack
from realishuman.packs.pack_writer import Entry, write_pack
from realishuman.presets import PRESETS
from realishuman.synthetic.malform import KINDS
from realishuman.synthetic.sample import sample


def command(task, folder, pack, *more):
    return [
        "evaluate", task, "-o", str(folder), "--pack", str(pack), "--count", "1", "--guidance", "1",
        "--device", "cpu", "--quiet", *more,
    ]  # fmt: skip


def test_pairs_are_reported_with_both_poses_and_as_random(hand_pack, few_pairs, tmp_path, capsys):
    code = main(command("pairs", tmp_path, hand_pack, "--steps", "1", "--side", "96"))

    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    overall = [row for row in content["rows"] if row["group"] == "all kinds"]
    assert code == 0
    assert [(row["method"], row["pose"]) for row in overall] == [
        ("malformed input", ""), ("clean picture", ""), ("repaired", "true"),
        ("repaired", "estimated"),
    ]  # fmt: skip
    assert all(row["most"] == 0 for row in content["rows"])
    assert content["facts"]["pairs"] == "seeds 1000000000 to 1000000000, side 96"
    assert [each["method"] for each in content["distances"]] == [
        "malformed input", "repaired, true pose", "repaired, estimated pose",
    ]  # fmt: skip
    assert {each["extractor"] for each in content["distances"]} == {EXTRACTOR}  # encoder: random
    assert any("image encoder" in note for note in content["notes"])
    assert "RANDOM" in capsys.readouterr().err
    assert "RANDOM" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_each_engine_that_is_asked_for_has_a_row(hand_pack, few_pairs, tmp_path):
    more = ("--steps", "1", "--side", "96", "--poses", "true", "--no-harm", "--no-judge")
    engines = ("--engine", "transplant", "--engine", "pack")

    assert main(command("pairs", tmp_path, hand_pack, *more, *engines)) == 0

    rows = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["rows"]
    overall = [row for row in rows if row["group"] == "all kinds"]
    assert [row["method"] for row in overall][2:] == ["repaired by transplant", "repaired by pack"]


def test_handrefiner_is_not_measured_without_what_it_needs(tmp_path, capsys):
    given = ["evaluate", "pairs", "-o", str(tmp_path / "report"), "--engine", "handrefiner"]

    assert main(given) == 2

    assert "--controlnet" in capsys.readouterr().err


def test_ablations_have_every_row_with_every_number(hand_pack, few_pairs, tmp_path, monkeypatch):
    quick = {name: replace(preset, steps=1, guidance=1.0) for name, preset in PRESETS.items()}
    monkeypatch.setattr("realishuman.packs.own_numbers.PRESETS", quick)

    pack, other = Pack.open(hand_pack), tmp_path / "other.safetensors"
    tensors = [
        Entry(name, (*one.shape,), lambda one=one: one) for name, one in pack.tensors("").items()
    ]
    write_pack(other, replace(pack.header, pose="depth"), tensors)

    code = main(command("ablations", tmp_path, hand_pack, "--steps", "1,2", "--versus", str(other)))

    rows = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["rows"]
    overall = [row for row in rows if row["group"] == "all kinds"]
    assert code == 0
    assert len(overall) == 2 + 10 + 1
    assert overall[-1]["method"] == "pack other, depth pose, RANDOM weights"
    for row in overall[1:]:
        missing = {name for name, value in row["values"].items() if value is None}
        baseline = {"asked", "mesh_error"} if row["method"] == "clean picture" else set()
        assert missing <= {"worse", "keypoints"} | baseline, row["method"]


def test_a_stopped_run_keeps_its_report(hand_pack, few_pairs, tmp_path, monkeypatch, pair):
    def stop(_seed, _side, kind):
        if kind == KINDS[1]:
            raise KeyboardInterrupt
        return pair

    monkeypatch.setattr("realishuman.evaluate.rendered.sample", stop)
    options = ("--steps", "1", "--poses", "true", "--count", "2", "--at-once", "1")

    code = main(command("pairs", tmp_path, hand_pack, *options))

    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert code == 130
    assert content["facts"]["pairs measured"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--poses", "guessed"), "--poses must name"),
        (("--count", "0"), "--count must be at least 1"),
        (("--first", "-1"), "--first must be at least 0"),
        (("--steps", "many"), "--steps must look like"),
        (("--versus", "a/x.safetensors", "--versus", "b/x.safetensors"), "have one name"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, said, hand_pack, tmp_path, capsys):
    assert main(command("ablations", tmp_path, hand_pack, *options)) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--inception", "--pack"])
def test_features_without_real_pictures_to_compare_with_are_refused(option, tmp_path, capsys):
    where = ["--before", str(tmp_path), "--after", str(tmp_path), "-o", str(tmp_path / "r")]

    assert main(["evaluate", "folders", *where, option, "x"]) == 2
    assert f"{option} is for distances to real pictures" in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_folders_of_the_same_pictures_report_no_change(pair, tmp_path, capsys):
    import cv2

    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a" / "x.png"), pair.clean[..., ::-1])
    code = main(
        ["evaluate", "folders", "--before", str(tmp_path / "a"), "--after", str(tmp_path / "a"),
         "-o", str(tmp_path / "r"), "--real", str(tmp_path / "a"), "--save-crops", "--quiet"]
    )  # fmt: skip

    content = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert code == 0
    assert {part["changed"] for part in content["parts"]} == {0}
    assert any("image encoder" in note for note in content["notes"])
    assert "report.html" in capsys.readouterr().err


def test_a_damaged_first_picture_does_not_end_the_comparison(pair, tmp_path, capsys):
    import cv2

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(b"\x89PNG nothing")
    cv2.imwrite(str(tmp_path / "a" / "x.png"), pair.clean[..., ::-1])
    where = ["--before", str(tmp_path / "a"), "--after", str(tmp_path / "a")]

    code = main(["evaluate", "folders", *where, "-o", str(tmp_path / "r"), "--quiet"])

    content = json.loads((tmp_path / "r" / "report.json").read_text(encoding="utf-8"))
    assert code == 1
    assert (content["facts"]["frames"], content["facts"]["left out"]) == (1, 1)
    assert "left out: " in (said := capsys.readouterr().err)
    assert "0.png is not a picture" in said
    (tmp_path / "a" / "x.png").write_bytes(b"")
    assert main(["evaluate", "folders", *where, "-o", str(tmp_path / "s"), "--quiet"]) == 1
    assert "nothing could be compared" in capsys.readouterr().err
    assert not (tmp_path / "s" / "report.json").exists()


def test_photographs_made_malformed_are_repaired_without_a_pack(tmp_path, monkeypatch):
    """A rendered good hand stands in for a photograph of one."""
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    picture = sample(1_000_000_019, 256, "bent finger").clean
    Image.fromarray(picture).save(photographs / "hand.png")

    code = main(
        ["evaluate", "pairs", "-o", str(tmp_path / "report"), "--photographs", str(photographs),
         "--count", "1", "--poses", "true", "--no-gate", "--no-judge", "--no-harm", "--device",
         "cpu", "--quiet"]
    )  # fmt: skip

    content = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf-8"))
    assert code == 0
    assert content["facts"]["pack"] == "none"
    assert content["facts"]["pairs"] == "of photographs, 1"
    assert content["weights"] == "none"


def test_a_pack_that_is_asked_for_and_not_there_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path / "models"))

    code = main(["evaluate", "pairs", "-o", str(tmp_path / "report"), "--engine", "pack"])

    assert code == 3
    assert "no trained pack for hands is installed" in capsys.readouterr().err
