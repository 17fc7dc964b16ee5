"""Runs on pictures and into folders that lie in stores: what there is, and the journal there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from realishuman.batch.job import Job
from realishuman.batch.journal import Entry, Journal
from realishuman.batch.outputs import Outputs
from realishuman.batch.picture import refine_file
from realishuman.batch.places import Arranged, Source, arrange, name_results, try_folder
from realishuman.distributed.address import (
    TAR,
    Address,
    fetch,
    forget,
    is_address,
    is_tar,
    list_files,
    list_members,
    publish,
    remove_folder,
)
from realishuman.errors import PictureError, SettingsError
from realishuman.files.whole import OURS
from realishuman.imaging.formats import readable
from realishuman.pipeline.models import Models
from realishuman.progress import Silent

OFTEN = 30.0  # seconds after which new lines of a journal are sent to the store


def place_of(name: str) -> Path:
    """What a name on the command line stands for."""
    if is_tar(name) and not is_address(name):
        return Address(f"file://{Path(name).absolute()}")
    return Address(name) if is_address(name) else Path(name)


def arrange_stored(
    names: Sequence[str], output: str, *, form: str | None = None, suffix: str = ""
) -> Arranged:
    """As batch.places.arrange, for one folder and an output of which one or both are addresses.

    Raises SettingsError if nothing is found, or a store does not answer.
    """
    if len(names) > 1:
        raise SettingsError(
            f"{names[0]} and {names[1]} are more than one folder: refine one address at a time."
        )
    top, target = place_of(names[0]), place_of(output)
    if isinstance(top, Address):
        sources = [one for one in _find(top) if _is_wanted(one, target)]
        passed_over = ""
    else:
        with TemporaryDirectory() as nowhere:  # arrange() makes and tries its output
            arranged = arrange(names, f"{nowhere}/")
        sources = [
            Source(one, result.relative_to(nowhere).with_suffix(one.suffix))
            for one, result in arranged.pairs
        ]
        passed_over = arranged.passed_over
    if not sources:
        raise SettingsError(
            f"{names[0]} contains no picture that can be read ({', '.join(sorted(readable()))})."
        )
    if isinstance(target, Address):
        list_files(target, missing=True)
    else:
        try_folder(target)
    ending = None if form is None else f".{form}"
    results = name_results(target, sources, ending, suffix)
    pairs = zip((one.path for one in sources), results, strict=True)
    return Arranged(tuple(pairs), passed_over)


def _find(top: Address) -> Iterator[Source]:
    """All files below an address, also those in tars, with their names below it."""
    if top.suffix == TAR:
        yield from (Source(one, one.relative_to(top.parent)) for one in list_members(top))
        return
    for name in list_files(top):
        if name.endswith(TAR):
            yield from (Source(one, one.relative_to(top)) for one in list_members(top / name))
        else:
            yield Source(top / name, Path(name))


def _is_wanted(one: Source, output: Path) -> bool:
    """Whether it is a picture, not hidden, and no result of this run."""
    hidden = any(part.startswith(".") for part in one.name.parts)
    return not hidden and one.path.suffix.lower() in readable() and output not in one.path.parents


class StoreJournal(Journal):
    """A journal that lies in a store: in pieces, as nothing can be appended to a file there.

    What was not sent yet when a run is killed is done again, with the same result.
    """

    def __init__(self, folder: Address, name: str) -> None:
        self._pieces = folder / f"{OURS}{name}"
        self._scratch = TemporaryDirectory()
        here = Path(self._scratch.name)
        whole = here / f"{OURS}{name}.jsonl"
        for piece in list_files(self._pieces, missing=True):
            fetch(self._pieces / piece, here / "piece")
            with whole.open("ab") as file:
                file.write((here / "piece").read_bytes())
        super().__init__(here, name)
        self._local, self.path = self.path, self._pieces
        self._sent = self._local.stat().st_size
        self._last = time.monotonic()

    def add(self, one: Outputs, entry: Entry) -> None:
        """Note what became of a picture. Raises PictureError if the store refuses."""
        forget(one.target)
        super().add(one, entry)
        if time.monotonic() - self._last > OFTEN:
            self._send()

    def _send(self) -> None:
        with self._local.open("rb") as file:
            file.seek(self._sent)
            new = file.read()
        if new:
            publish(new, self._pieces / f"{time.time_ns():020}.jsonl")
        self._sent += len(new)
        self._last = time.monotonic()

    def __exit__(self, *reason: object) -> None:
        """Send the rest, or remove all pieces if the same command cannot go on with them."""
        try:
            if self.useless:
                remove_folder(self._pieces)
            else:
                self._send()
        finally:
            self.path = self._local
            super().__exit__(*reason)
            self._scratch.cleanup()


def refine_stored(to: Outputs, models: Models, job: Job) -> Entry:
    """As refine_file, for a picture or a result in a store; through copies on this machine."""
    with TemporaryDirectory(prefix="realishuman-") as folder:
        source, target = to.source, to.target
        try:
            if isinstance(source, Address):
                source = Path(folder) / f"in{source.suffix}"
                fetch(to.source, source)
            if isinstance(target, Address):
                target = Path(folder) / f"out{target.suffix}"
            entry = refine_file(Outputs(source, target), models, job, Silent())
            if "error" in entry:  # it names the copies
                text = entry["error"].replace(str(source), str(to.source))
                entry["error"] = text.replace(str(target), str(to.target))
            elif isinstance(to.target, Address):
                publish(target.read_bytes(), to.target)
        except PictureError as error:
            return {"error": str(error)}
        return entry
