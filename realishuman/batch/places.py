"""Which pictures a command is about, and where its results go."""

from __future__ import annotations

import glob
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from realishuman.errors import SettingsError
from realishuman.files.whole import fitting_name
from realishuman.imaging.drawn import is_drawn
from realishuman.imaging.formats import readable, result_extension, writable

Reason = tuple[str, str]  # why something was passed over: what one is called, and several
DRAWN = ("comparison or sheet made by realishuman", "comparisons or sheets made by realishuman")
HIDDEN = ("hidden file or folder", "hidden files or folders")
LINKED = ("linked folder", "linked folders")
OTHER = ("file of another kind", "files of other kinds")
RESULT = ("result of an earlier run", "results of earlier runs")
OUTPUT = ("folder of this run's outputs", "folders of this run's outputs")


@dataclass(frozen=True)
class Arranged:
    """Each picture's file and where its result goes.

    passed_over  a sentence on what else was found; empty if nothing was.
    """

    pairs: tuple[tuple[Path, Path], ...]
    passed_over: str = ""


@dataclass(frozen=True)
class Source:
    """A picture's file, and its path below the folder that was named, or its file's own name."""

    path: Path
    name: Path


@dataclass
class _Search:
    """What was found so far: pictures by their absolute path, and how much was passed over."""

    apart_from: frozenset[Path]
    sources: dict[str, Source] = field(default_factory=dict)
    passed_over: Counter[Reason] = field(default_factory=Counter)

    def look_at(self, path: Path, name: Path) -> None:
        """Take a file that was found, or pass it over."""
        if path.name.startswith("."):
            self.passed_over[HIDDEN] += 1
        elif path.suffix.lower() not in readable():
            self.passed_over[OTHER] += 1
        else:
            self.take(path, name)

    def take(self, path: Path, name: Path) -> None:
        """Take a picture, unless it is one that we drew."""
        if is_drawn(path):
            self.passed_over[DRAWN] += 1
        else:
            self.sources.setdefault(_absolute(path), Source(path, name))


def arrange(
    names: Sequence[str],
    output: str,
    *,
    form: str | None = None,
    suffix: str = "",
    apart_from: Iterable[Path] = (),
) -> Arranged:
    """Find the pictures that these names stand for, and name their results.

    A folder is searched with all below it, and its tree stands again in the output; what globs
    match and files go into the output side by side, or keep the folders that tell them apart. Of a
    folder or glob, hidden files, links to folders, pictures that we drew and `output` are passed
    over. The output's folder is made, and it is tried whether it can be written to.
    output      a file for one picture, else a folder.
    form        extension of the results, as in "png"; each picture's own if not given.
    suffix      comes behind the names of results in a folder. Where they lie beside the pictures,
                those of an earlier run are passed over.
    apart_from  folders besides `output` in which this run writes.
    Raises      SettingsError if nothing is found or the output cannot be used. A file that is
                missing is kept: loading it says so, and the others still run.
    """
    search = _Search(frozenset(one.resolve() for one in (Path(output), *apart_from)))
    for name in names:
        _find(name, search)
    sources = _tell_apart(list(search.sources.values()))
    ending = None if form is None else f".{form}"
    if _names_file(len(sources), output):
        pairs = [(sources[0].path, _only(len(sources), Path(output), ending, suffix))]
    else:
        pairs = _into(Path(output), sources, ending, suffix, search)
    passed_over = _sentence(search.passed_over)
    if not pairs:
        raise SettingsError(
            f"{' '.join(names)} contains no picture that can be read "
            f"({', '.join(sorted(readable()))}). {passed_over}".strip()
        )
    try_folder(pairs[0][1].parent if len(pairs) == 1 else Path(output))
    return Arranged(tuple(pairs), passed_over)


def _find(name: str, search: _Search) -> None:
    """Look at what one name stands for. Raises SettingsError if that is nothing."""
    if not name:
        raise SettingsError('a picture has the empty name ""; write . for the current folder.')
    path = Path(name)
    if path.is_dir():
        _walk(path, search)
    elif glob.has_magic(name) and not path.exists():
        _match(name, search)
    else:
        search.take(path, Path(path.name))


def _walk(top: Path, search: _Search) -> None:
    """Look at the files of a folder and all below it."""
    for here, folders, files in os.walk(top):
        folder = Path(here)
        folders[:] = sorted(name for name in folders if _descends(folder / name, search))
        for path in (folder / file for file in sorted(files)):
            search.look_at(path, path.relative_to(top))


def _descends(folder: Path, search: _Search) -> bool:
    """Whether the search goes into a folder below the one that was named."""
    why = None
    if folder.name.startswith("."):
        why = HIDDEN
    elif folder.is_symlink():
        why = LINKED
    elif folder.resolve() in search.apart_from:
        why = OUTPUT
    if why is not None:
        search.passed_over[why] += 1
    return why is None


def _match(pattern: str, search: _Search) -> None:
    """Look at the files that a glob matches. Raises SettingsError if there are none."""
    hits = [Path(hit) for hit in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - a whole path
    files = [hit for hit in hits if not hit.is_dir()]
    if not files:
        raise SettingsError(f"{pattern} matches no file.")
    literal = pattern[: glob.escape(pattern).index("[")]
    start = Path(f"{literal}x").parent.resolve()
    apart_from = {one for one in search.apart_from if not start.is_relative_to(one)}
    for path in files:
        if apart_from & set(path.resolve().parents):
            search.passed_over[RESULT] += 1
        else:
            search.look_at(path, Path(path.name))


def _tell_apart(sources: Sequence[Source]) -> list[Source]:
    """The pictures; where two have one name, all are named from the folder that they share.

    Raises SettingsError where they share none.
    """
    if len({_fold_case(source.name) for source in sources}) == len(sources):
        return list(sources)
    paths = [Path(_absolute(source.path)) for source in sources]
    try:
        shared = os.path.commonpath([path.parent for path in paths])
    except ValueError as error:
        raise SettingsError(
            "pictures with the same name are on different drives; refine one drive at a time."
        ) from error
    named = [path.relative_to(shared) for path in paths]
    return [Source(source.path, name) for source, name in zip(sources, named, strict=True)]


def _names_file(pictures: int, output: str) -> bool:
    """Whether `output` is a file's name: it has an extension and is, or shall be, no folder."""
    path = Path(output)
    if not path.suffix or output.endswith(("/", os.sep)) or path.is_dir():
        return False
    return pictures == 1 or (pictures > 1 and path.suffix.lower() in writable())


def _only(pictures: int, path: Path, ending: str | None, suffix: str) -> Path:
    """The name of the only result. Raises SettingsError if it cannot be that."""
    if pictures > 1:
        raise SettingsError(
            f"{path} names one file, but there are {pictures} pictures; name a folder, or end "
            "it with / if it should become one."
        )
    allowed = sorted(writable()) if ending is None else [ending]
    if path.suffix.lower() not in allowed:
        raise SettingsError(
            f"{path} ends in {path.suffix}, not in {', '.join(allowed)}; end it with / if it "
            "should be a folder."
        )
    if suffix:
        raise SettingsError(f"--suffix is for results in a folder, but {path} names the file.")
    return path


def _into(
    folder: Path, sources: Sequence[Source], ending: str | None, suffix: str, search: _Search
) -> list[tuple[Path, Path]]:
    """Each picture and its result in a folder.

    Raises SettingsError if a result would be one of the pictures.
    """
    results = name_results(folder, sources, ending, suffix)
    paths = {source.path.resolve() for source in sources}
    clashing = {result.resolve(): result for result in results if result.resolve() in paths}
    if clashing and not suffix:
        raise SettingsError(
            f"{next(iter(clashing.values()))} is itself one of the pictures; name another folder "
            "with -o, or an ending for the results' names with --suffix."
        )
    search.passed_over[RESULT] += len(clashing)
    return [
        (source.path, result)
        for source, result in zip(sources, results, strict=True)
        if source.path.resolve() not in clashing
    ]


def name_results(
    folder: Path, sources: Sequence[Source], ending: str | None, suffix: str
) -> list[Path]:
    """The results' paths; where only extensions tell pictures apart, these stay in the names."""

    def named(name: Path, stem: str) -> Path:
        extension = ending or result_extension(name)
        return folder / name.with_name(fitting_name(stem + suffix, extension))

    results = [named(source.name, source.name.stem) for source in sources]
    count = Counter(map(_fold_case, results))
    return [
        result if count[_fold_case(result)] == 1 else named(source.name, source.name.name)
        for source, result in zip(sources, results, strict=True)
    ]


def _sentence(passed_over: Counter[Reason]) -> str:
    """What was passed over; empty if nothing was."""
    parts = [
        f"{count} {one if count == 1 else many}"
        for (one, many), count in passed_over.items()
        if count
    ]
    return f"Skipped: {', '.join(parts)}." if parts else ""


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - follows no link


def _fold_case(name: Path) -> str:
    """The name as file systems see it that do not tell capital letters from small ones."""
    return str(name).casefold()


def try_folder(folder: Path) -> None:
    """Make the folder, if it is missing, and a file in it: a look before hours of work.

    Raises SettingsError with what the system answered.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise SettingsError(f"{folder} should be a folder but is, or lies in, a file.") from error
    except OSError as error:
        raise SettingsError(
            f"nothing can be written to the folder {folder} ({error.strerror or error}); name "
            "another one."
        ) from error
