"""Command lines to paste: they work on this machine, from any folder, in its own shell.

A line that we advise must run where the user reads it: in an environment where `realishuman` is
installed, in a clone, or in a WebUI that has us in its extensions folder and not among its
packages. So a line names what runs this process, by its whole path where a bare name would not do.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
SCRIPT = "realishuman"
EXTRAS: Mapping[str, tuple[str, ...]] = {  # as in pyproject.toml; a test compares
    "train": (
        "accelerate>=0.30",
        "onnx>=1.15",
        *(["tomli>=2"] if sys.version_info < (3, 11) else []),
    ),
    "official": ("onnx>=1.15",),
    "checkpoint": ("diffusers>=0.31", "transformers>=4.40"),
    "cluster": ("pyarrow>=14", "ray[data]>=2.44,<2.64"),
    "evaluate": ("torch-fidelity>=0.3",),
    "video": ("av>=17",),
}
KEPT = ("numpy", "protobuf")


_named: list[Path] = []  # the models folder that the command at work was given, if any


@contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Let every line advised meanwhile name this models folder, as the command at work does."""
    _named.append(folder)
    try:
        yield
    finally:
        _named.pop()


def command(*words: str | Path, folder: Path | None = None) -> str:
    """The line that runs `realishuman WORDS` here.

    folder  the models folder to name in it, where the command line's own would be another.
    """
    folders = [folder] if folder else _named[-1:]
    named = [word for one in folders for word in ("--models-dir", str(one))]
    return _line(*_realishuman(), *named, *words)


def extra(name: str) -> str:
    """The line that installs what an extra of ours needs, with `pip` of the Python we run in.

    It names the packages and not us: pip finds no `sd-webui-realishuman`, and inside a WebUI
    installing us would bring a second OpenCV. Packages around us that the newest of them would
    move are named in the version that is there.
    """
    return pip("install", *EXTRAS[name], *_list_kept())


def _list_kept() -> list[str]:
    """Requirements that keep what WebUIs pin and newer releases of our extras would replace."""
    kept = []
    for name in KEPT:
        try:
            major, minor, *_ = version(name).split(".")
        except (PackageNotFoundError, ValueError):
            continue
        kept.append(f"{name}=={major}.{minor}.*")
    return kept


def pip(*words: str) -> str:
    """The line that runs `pip WORDS`, or uv's pip where this Python has none of its own."""
    task, *rest = words
    if find_spec("pip") is None and shutil.which("uv"):
        return _line("uv", "pip", task, "--python", _python(), *rest)
    return _line(_python(), "-m", "pip", task, *rest)


def _realishuman() -> list[str]:
    """The script that was called, if one was, else this package's folder, run by our Python."""
    called = shutil.which(sys.argv[0]) if Path(sys.argv[0]).stem == SCRIPT else None
    if called is None:
        return [_python(), str(HERE.resolve())]
    found = shutil.which(SCRIPT)
    same = found is not None and Path(found).samefile(called)
    return [SCRIPT if same else str(Path(called).absolute())]


def _python() -> str:
    return sys.executable or "python"


def _line(*words: str | Path) -> str:
    return " ".join(_quote(str(word)) for word in words)


def _quote(word: str) -> str:
    """The word as the shell wants it: POSIX, or cmd on Windows."""
    safe = "%+,-./:=@_" + ("\\" if os.name == "nt" else "")
    if word and all(letter.isalnum() or letter in safe for letter in word):
        return word
    if os.name == "nt":
        return f'"{word}"'
    return "'" + word.replace("'", "'\"'\"'") + "'"
