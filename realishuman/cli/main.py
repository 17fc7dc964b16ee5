"""The command line: realishuman refine | inspect | models | setup | convert | train | evaluate |
doctor.

Exit codes: 0 done (also when a picture shows no part), 1 some pictures could not be refined,
2 an option cannot be used, 3 a model, pack or checkpoint is missing or damaged, 130 stopped by
Ctrl-C. Files are written whole or not at all.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from realishuman import __version__
from realishuman.advice import naming
from realishuman.cli import convert, evaluate, inspect, models, refine, setup, train
from realishuman.cli.options import BAD_MODEL, BAD_OPTION, OK, SOME_FAILED, STOPPED
from realishuman.errors import ModelError, PackError, RealisHumanError, SettingsError

MODELS = "REALISHUMAN_MODELS"  # as packs.store, which imports torch


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    parser = _parser()
    given = sys.argv[1:] if arguments is None else arguments
    options = parser.parse_args(refine.with_suffix_joined(given))
    try:
        with _terminated_like_ctrl_c(), _models_in(options.models_dir):
            code = int(options.run(options))
            sys.stdout.flush()  # a closed pipe shows here, not when Python has ended
            return code
    except BrokenPipeError:  # `realishuman doctor | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept.", file=sys.stderr)
        return STOPPED
    except RealisHumanError as error:
        print(f"realishuman: {error}", file=sys.stderr)
        if isinstance(error, SettingsError):
            return BAD_OPTION
        return BAD_MODEL if isinstance(error, (PackError, ModelError)) else SOME_FAILED


@contextmanager
def _terminated_like_ctrl_c() -> Iterator[None]:
    """Let SIGTERM unwind the run as Ctrl-C does, so that no partial or temporary file stays."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _models_in(folder: str | None) -> Iterator[None]:
    """Let packs and model files lie in this folder, for this command."""
    if not folder:
        yield
        return
    before = os.environ.get(MODELS)
    os.environ[MODELS] = os.path.abspath(folder)  # noqa: PTH100 - follows no link
    try:
        with naming(Path(os.environ[MODELS])):
            yield
    finally:
        os.environ.pop(MODELS, None)
        if before is not None:
            os.environ[MODELS] = before


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="realishuman",
        description="Repair malformed hands and faces in generated pictures.",
        epilog="Exit codes: 0 done, 1 some pictures failed, 2 bad option, 3 model or pack missing "
        "or damaged, 130 stopped.",
    )
    parser.add_argument("--version", action="version", version=f"realishuman {__version__}")
    parser.add_argument(
        "--models-dir",
        metavar="DIR",
        help=f"folder of packs and model files (default: ${MODELS}, else "
        "~/.local/share/realishuman); a WebUI's is models/realishuman in the WebUI's folder",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for one in (
        refine,
        inspect,
        convert,
        train,
        evaluate,
        models,
        setup,
    ):
        one.add_parser(commands)
    command = commands.add_parser("doctor", help="say what works here and what is missing")
    command.set_defaults(run=_doctor)
    return parser


def _doctor(_options: argparse.Namespace) -> int:
    from realishuman.doctor import report

    lines, healthy = report()
    print("\n".join(lines))
    return OK if healthy else BAD_MODEL


if __name__ == "__main__":
    sys.exit(main())
