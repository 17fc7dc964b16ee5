from __future__ import annotations

import builtins

import pytest

from realishuman.advice import command
from realishuman.cli import main as cli
from realishuman.cli import models as cli_models
from realishuman.downloads.fetch import OFFLINE
from realishuman.packs import store


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch, served):
    """The models folder."""
    monkeypatch.setenv("REALISHUMAN_MODELS", str(tmp_path))
    monkeypatch.setattr(store, "EMBEDDED", tmp_path / "none")
    return tmp_path


def run(*arguments):
    return cli.main(["models", *map(str, arguments)])


@pytest.fixture
def answer(monkeypatch):
    """A function: somebody sits at the terminal and answers so."""

    def sit(text):
        monkeypatch.setattr(cli_models, "_somebody_there", lambda: True)
        monkeypatch.setattr(builtins, "input", lambda _prompt: text)

    return sit


def test_the_list_says_what_is_missing_what_for_and_what_next(models, capsys):
    assert run() == run("list") == cli.OK

    text = capsys.readouterr().out
    for part in (str(models), "net: a net finds them.", "Until then nothing finds them.",
                 f"`{command('models', 'fetch', 'net')}`", "missing   auto", "[Rail]",
                 "get mesh/own.pkl yourself"):  # fmt: skip
        assert part in text, part


def test_a_feature_is_fetched_and_then_ready(models, served, capsys):
    assert run("fetch", "net") == cli.OK

    assert (models / "net/net.onnx").read_bytes() == served.content
    assert "SHA-256 is the published one" in capsys.readouterr().out
    assert run("fetch", "net/net.onnx") == cli.OK
    assert "is there" in capsys.readouterr().out
    assert len(served.asked) == 1


def test_a_script_must_name_the_licence(served, capsys):
    assert run("fetch", "mesh") == cli.BAD_MODEL
    assert "--accept-licence Rail" in capsys.readouterr().err
    assert served.asked == []

    assert run("fetch", "mesh", "--accept-licence", "Rail") == cli.OK
    captured = capsys.readouterr()
    assert "Nobody published a hash of mesh/a.pth" in captured.out
    assert "Next for mesh: get mesh/own.pkl yourself" in captured.err


def test_a_missing_agreement_is_noticed_before_the_first_download(served):
    assert run("fetch", "net", "mesh") == cli.BAD_MODEL
    assert served.asked == []


@pytest.mark.parametrize(("text", "code"), [("y", cli.OK), ("", cli.BAD_MODEL), ("n", 3)])
def test_whoever_sits_at_the_terminal_is_asked(text, code, answer, served, capsys):
    answer(text)

    assert run("fetch", "mesh") == code
    assert "Rail licence: no harm" in capsys.readouterr().err
    assert len(served.asked) == (code == cli.OK)


def test_a_free_licence_is_not_asked_for(answer, monkeypatch):
    answer("n")

    assert run("fetch", "net") == cli.OK


def test_a_licence_nobody_knows_is_an_error(capsys):
    assert run("fetch", "net", "--accept-licence", "GPL") == cli.BAD_MODEL
    assert "known are MIT, Rail" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--offline"], []])
def test_offline_says_of_every_file_what_to_do_by_hand(flags, models, served, monkeypatch, capsys):
    if not flags:
        monkeypatch.setenv(OFFLINE, "1")

    assert run("fetch", "net", "mesh", *flags) == cli.BAD_MODEL
    text = capsys.readouterr().err
    assert f"Download {served.url('/net')} and put it at {models / 'net/net.onnx'}" in text
    assert f"Download {served.url('/a')}" in text
    assert served.asked == []


def test_a_file_the_user_must_fetch_comes_with_its_steps(models, capsys):
    assert run("fetch", "own.pkl") == cli.BAD_MODEL

    text = capsys.readouterr().err
    assert "Register at the page." in text
    assert str(models / "mesh/own.pkl") in text


def test_ctrl_c_keeps_what_came_and_says_so(monkeypatch, capsys):
    def stop(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("realishuman.downloads.fetch.fetch", stop)

    assert run("fetch", "net") == cli.STOPPED
    assert "run the same command to resume" in capsys.readouterr().err


def test_verify_finds_a_changed_file(models, served, capsys):
    run("fetch", "net")
    assert run("verify") == cli.OK
    assert "there     net/net.onnx" in capsys.readouterr().out

    (models / "net/net.onnx").write_bytes(served.content[:-1] + b"!")
    assert run("verify", "net") == cli.BAD_MODEL
    text = capsys.readouterr().out
    assert "wrong     net/net.onnx: SHA-256" in text
    assert "fetches it again" in text


def test_verify_of_a_missing_file_fails_only_when_it_is_named(capsys):
    assert run("verify") == cli.OK
    assert run("verify", "net") == cli.BAD_MODEL


def test_where_prints_the_folder_or_a_path_alone(models, capsys):
    assert run("where") == cli.OK
    assert capsys.readouterr().out == f"{models}\n"

    assert run("where", "own.pkl") == cli.BAD_MODEL
    captured = capsys.readouterr()
    assert captured.out == f"{models / 'mesh/own.pkl'}\n"
    assert "Register at the page." in captured.err


def test_the_doctor_names_the_next_step(models, served, monkeypatch, capsys):
    monkeypatch.undo()
    monkeypatch.setenv("REALISHUMAN_MODELS", str(models))

    assert cli.main(["doctor"]) == cli.OK

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 25
    assert "without  dwpose: the built-in detector finds them" in lines
    line = f"`{command('models', 'fetch', 'dwpose')}` (351 MB)"
    assert any(line in one for one in lines)
