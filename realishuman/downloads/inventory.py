"""What of the listed files is on this machine, whether it is right, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from realishuman.advice import command
from realishuman.downloads.fetch import by_hand
from realishuman.downloads.manifest import Feature, KnownFile, manifest
from realishuman.downloads.partial import Partial
from realishuman.errors import ModelError
from realishuman.files.fingerprint import digest, read_record
from realishuman.progress import Progress

Status = Literal["there", "unchecked", "missing", "partial", "wrong"]


@dataclass(frozen=True)
class State:
    """One listed file here.

    status  "there": as it should be; "unchecked": there, but its hash was not compared;
            "partial": a download was interrupted; "missing"; "wrong".
    size    bytes on the disk, of a partial download so far.
    sha256  of its content, empty if it was not hashed.
    note    a sentence on what is wrong or could not be checked, else empty.
    """

    file: KnownFile
    path: Path
    status: Status
    size: int = 0
    sha256: str = ""
    note: str = ""

    @property
    def folder(self) -> Path:
        """The models folder it was looked for in."""
        return self.path.parents[self.file.name.count("/")]

    @property
    def present(self) -> bool:
        """Whether there is something to work with."""
        return self.status in ("there", "unchecked")


@dataclass(frozen=True)
class FeatureState:
    """One feature here.

    ready    whether what runs is there.
    missing  its files that are missing, partial or wrong; without those that are made here.
    steps    what is left to do, in order; empty if ready.
    """

    feature: Feature
    ready: bool
    missing: tuple[State, ...]
    steps: tuple[str, ...]

    @property
    def next_step(self) -> str:
        """The first step, and how many there are."""
        count = len(self.steps)
        return f"{self.steps[0]}{f' (step 1 of {count})' if count > 1 else ''}" if count else ""


def state(
    file: KnownFile, folder: Path, *, hashed: bool = False, progress: Progress | None = None
) -> State:
    """Look at one file.

    hashed  read all of it and compare its hash; otherwise only its size is compared.
    """
    path = file.path(folder)
    if not path.is_file():
        so_far = Partial(path).length()
        return State(file, path, "partial" if so_far else "missing", so_far)
    size = path.stat().st_size
    if file.bytes not in (None, size):
        return State(file, path, "wrong", size, note=f"{size} bytes, expected {file.bytes}")
    if file.how == "made":
        return State(file, path, "there", size)
    if not hashed:
        return State(file, path, "unchecked", size)
    try:
        found = digest(path, progress)
    except OSError as error:
        return State(file, path, "wrong", size, note=f"it cannot be read ({error.strerror})")
    expected = file.sha256 or read_record(path)
    if expected is None:
        note = "nobody published a hash, and it was not downloaded by us: compare it yourself"
        return State(file, path, "unchecked", size, found, note)
    if found != expected:
        return State(file, path, "wrong", size, found, f"SHA-256 {found}, expected {expected}")
    note = "" if file.sha256 else "as at its first download; nobody published a hash"
    return State(file, path, "there", size, found, note)


def states(
    folder: Path, *, hashed: bool = False, progress: Progress | None = None
) -> dict[str, State]:
    """All listed files by name."""
    return {
        file.name: state(file, folder, hashed=hashed, progress=progress)
        for file in manifest().files.values()
    }


def features(found: dict[str, State]) -> list[FeatureState]:
    """Which features work with the files that were found."""
    result = []
    for feature in manifest().features.values():
        files = [found[file.name] for file in manifest().of(feature.name)]
        made = [one for one in files if one.file.how == "made"]
        sources = [one for one in files if one.file.how != "made"]
        missing = tuple(one for one in sources if not one.present)
        ready = all(one.present for one in made or sources)
        result.append(
            FeatureState(
                feature,
                ready,
                missing,
                () if ready else _list_steps(feature, missing, files[0].folder),
            )
        )
    return result


def matching(name: str) -> list[KnownFile]:
    """The files meant by a file's name, the end of its path, or a feature's name.

    Raises ModelError that lists what there is.
    """
    listed = manifest()
    if name in listed.features:
        return listed.of(name)
    ending = [file for file in listed.files.values() if f"/{file.name}".endswith(f"/{name}")]
    if len(ending) == 1:
        return ending
    if ending:
        raise ModelError(f"{name} may be {' or '.join(one.name for one in ending)}: name one.")
    raise ModelError(
        f"no model file or feature is called {name!r}. Features are "
        f"{', '.join(listed.features)}; files are {', '.join(listed.files)}."
    )


def advice(found: State, folder: Path) -> str:
    """What to do about one file, empty if nothing."""
    file = found.file
    if found.present:
        return ""
    if file.how == "made":
        maker = _made_by(manifest().features[file.features[0]], folder)
        return f"It is made here by `{maker}` from the other files of {file.features[0]}."
    if file.how == "user":
        return by_hand(file, folder)
    again = {"partial": " resumes it", "wrong": " fetches it again"}.get(found.status, "")
    line = _line(folder, "models", "fetch", file.name)
    return f"`{line}`{again}. By hand: {by_hand(file, folder)}"


def total(files: Iterable[KnownFile]) -> int:
    """Their size in bytes, as far as it is known."""
    return sum(file.size for file in files)


def _line(folder: Path, *words: str) -> str:
    """The command line to paste."""
    from realishuman.packs.store import models_dir  # needs torch, which lists do not

    return command(*words, folder=models_dir(folder))


def _made_by(feature: Feature, folder: Path) -> str:
    """The line that makes what a feature runs from."""
    return _line(folder, *feature.made_by.split()[1:])


def _list_steps(feature: Feature, missing: tuple[State, ...], folder: Path) -> tuple[str, ...]:
    """Everything that is left to do, in order."""
    steps = []
    auto = [one.file for one in missing if one.file.how == "auto"]
    if auto:
        size = f"{total(auto) / 1e6:.0f} MB"
        line = _line(folder, "models", "fetch", feature.name)
        steps.append(f"`{line}` ({size})")
    user = [one.file.name for one in missing if one.file.how == "user"]
    if user:
        lines = (_line(folder, "models", "where", name) for name in user)
        how = " and ".join(f"`{line}`" for line in lines)
        steps.append(f"get {' and '.join(user)} yourself ({how})")
    if feature.made_by:
        steps.append(f"`{_made_by(feature, folder)}`")
    return tuple(steps)
