"""realishuman models [list | fetch NAME | verify | where]: packs and other model files here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.advice import command
from realishuman.errors import ModelError
from realishuman.kinds import plural
from realishuman.pipeline.engines import engine_of
from realishuman.settings import AUTO, PART_KINDS

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.downloads.inventory import State
    from realishuman.downloads.manifest import KnownFile, Licence

OK, BAD_MODEL, STOPPED = 0, 3, 130
OWN_SKIN = "No trained pack for {} is installed: they are repaired with the picture's own skin."
NAMES = "a file or feature from the list, for example dwpose"


def add_parser(commands: Any) -> None:
    """Add `models` to the command line's commands."""
    parser = commands.add_parser(
        "models",
        help="list, download and check packs and model files",
        description="Without a task: list.",
    )
    parser.set_defaults(run=_list)
    tasks = parser.add_subparsers(dest="task", metavar="task")
    task = tasks.add_parser("list", help="list what is there, what is missing, and what it is for")
    task.set_defaults(run=_list)
    task = tasks.add_parser("fetch", help="download files, or resume a download")
    task.add_argument("names", nargs="+", metavar="NAME", help=NAMES)
    task.add_argument(
        "--accept-licence",
        action="append",
        default=[],
        metavar="LICENCE",
        help="agree to this licence without being asked, for scripts; `models list` names it",
    )
    task.add_argument(
        "--offline",
        action="store_true",
        help="download nothing and say what to do by hand, as with REALISHUMAN_OFFLINE=1",
    )
    task.set_defaults(run=_fetch)
    task = tasks.add_parser(
        "verify", help="check the hashes of everything that is there, or of the files named"
    )
    task.add_argument("names", nargs="*", metavar="NAME", help=NAMES)
    task.set_defaults(run=_verify)
    task = tasks.add_parser(
        "where", help="print the models folder, or where a file belongs and how to get it"
    )
    task.add_argument("name", nargs="?", metavar="NAME", help="a file of the list")
    task.set_defaults(run=_where)


class Bytes:
    """A progress bar that counts bytes, on stderr; a context manager."""

    def __init__(self) -> None:
        self._bar: Any = None

    def begin(self, stage: str, total: int) -> None:
        """Close the running bar and start the next."""
        from tqdm import tqdm

        self.close()
        self._bar = tqdm(
            desc=stage,
            total=total or None,
            unit="B",
            unit_scale=True,
            file=sys.stderr,
            leave=False,
            delay=0.5,
            disable=None,  # where stderr is no terminal
        )

    def step(self, count: int = 1) -> None:
        """Advance the running bar."""
        self._bar.update(count)

    def close(self) -> None:
        """The running bar is over."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Bytes:
        return self

    def __exit__(self, *_reason: object) -> None:
        self.close()


def _list(_options: argparse.Namespace) -> int:
    from realishuman.downloads.inventory import features, states
    from realishuman.packs.store import models_folder

    code, folder = _packs(), models_folder()
    found = states(folder)
    print(f"\nModel files in {folder}")
    print("(auto: downloaded when you ask; user: you fetch it yourself; made: made here)")
    listed: set[str] = set()
    for one in features(found):
        files = [line for line in found.values() if one.feature.name in line.file.features]
        print(f"\n{one.feature.name}: {one.feature.gives}.")
        for line in files:
            if line.file.name not in listed:
                print(f"  {_line(line)}")
        if again := sum(line.file.name in listed for line in files):
            print(f"  and {again} of the files above")
        if not one.ready:
            print(f"  Until then {one.feature.without}. Next: {', then '.join(one.steps)}.")
        listed |= {line.file.name for line in files}
    return code


def _line(one: State) -> str:
    file, size = one.file, one.size or one.file.size
    about = "~" if not one.size and file.bytes is None else " "
    shown = f"{about}{size / 1e6:.1f} MB" if size else "? MB"
    return f"{one.status:9} {file.how:4} {shown:>11}  {file.name}  [{file.licence.name}]"


def _packs(thorough: bool = False) -> int:
    """Print the packs."""
    from realishuman.packs.store import find_installed, models_folder

    there = find_installed(thorough=thorough)
    print(f"Packs in {models_folder()}, and shipped ones:")
    for pack in there.packs:
        header, size = pack.header, pack.path.stat().st_size / 1e6
        print(
            f"  {pack.path.name:32} {header.kind:6} {header.weights:8} {size:8.1f} MB  "
            f"{header.licence}"
        )
    for fault in there.faults:
        print(f"  {fault.path.name:32} BROKEN: {fault.why}")
    for kind in PART_KINDS:
        if not (lacking := there.without([kind])):
            continue
        print(f"  {OWN_SKIN.format(plural(kind)) if engine_of(kind, AUTO, False) else lacking}")
    return BAD_MODEL if there.faults else OK


def _fetch(options: argparse.Namespace) -> int:
    from realishuman.downloads.fetch import fetch, offline
    from realishuman.packs.store import models_folder

    folder = models_folder()
    files = _find_files(options.names)
    _check_licences(options.accept_licence)
    agreed = set(options.accept_licence)
    if offline(options.offline):
        _all_by_hand(files, folder)
    try:
        for file in files:
            _agree(file, folder, agreed)
        for file in files:
            with Bytes() as progress:
                fetched = fetch(
                    file, folder, agreed=agreed, no_network=options.offline, progress=progress
                )
            print(f"{fetched.path} {'is downloaded' if fetched.new else 'is there'}.")
            print(fetched.note or "Its SHA-256 is the published one.")
    except KeyboardInterrupt:
        _say("\nStopped. What has arrived is kept; run the same command to resume.")
        return STOPPED
    _say_what_is_left(options.names, folder)
    return OK


def _find_files(names: Sequence[str]) -> list[KnownFile]:
    """The files to download. Of a feature those that may be; a file that is named must be one."""
    from realishuman.downloads.inventory import matching
    from realishuman.downloads.manifest import manifest

    files: list[KnownFile] = []
    for name in names:
        found = matching(name)
        if name in manifest().features:
            found = [file for file in found if file.how == "auto"]
            if not found:
                raise ModelError(
                    f"nothing of {name} may be downloaded for you; `{command('models', 'list')}` "
                    "shows its files, `models where NAME` how to get one."
                )
        files += [file for file in found if file not in files]
    return files


def _all_by_hand(files: Sequence[KnownFile], folder: Path) -> None:
    """Raise ModelError that says of every missing file how to get it without us."""
    from realishuman.downloads.fetch import OFFLINE, by_hand
    from realishuman.downloads.inventory import state

    if missing := [file for file in files if not state(file, folder).present]:
        steps = "\n".join(f"- {by_hand(file, folder)}" for file in missing)
        raise ModelError(
            f"downloads are switched off (--offline or {OFFLINE}). On a machine with a network:\n"
            f"{steps}"
        )


def _check_licences(names: Sequence[str]) -> None:
    from realishuman.downloads.manifest import manifest

    known = {file.licence.name for file in manifest().files.values()}
    if unknown := sorted(set(names) - known):
        raise ModelError(
            f"no licence is called {', '.join(unknown)}; known are {', '.join(sorted(known))}"
        )


def _agree(file: KnownFile, folder: Path, agreed: set[str]) -> None:
    """Before anything is downloaded: ask for agreement where a licence wants it.

    Raises ModelError if it is refused, or nobody is there to ask.
    """
    from realishuman.downloads.fetch import check_allowed
    from realishuman.downloads.inventory import state

    if file.how != "auto" or state(file, folder).present:
        return
    if file.licence.ask and file.licence.name not in agreed and _somebody_there():
        _show(file.licence, file)
        if input("Do you agree? [y/N] ").strip().lower() not in ("y", "yes"):
            raise ModelError(f"without your agreement {file.name} is not downloaded.")
        agreed.add(file.licence.name)
    check_allowed(file, folder, agreed)


def _somebody_there() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _show(licence: Licence, file: KnownFile) -> None:
    _say(f"{file.name} comes under {licence.title}: {licence.says}.\nRead it: {licence.url}")


def _say_what_is_left(names: Collection[str], folder: Path) -> None:
    """The next steps of the features that were asked for."""
    from realishuman.downloads.inventory import features, states

    for one in features(states(folder)):
        if one.feature.name in names and not one.ready:
            _say(f"Next for {one.feature.name}: {one.next_step}.")


def _verify(options: argparse.Namespace) -> int:
    from realishuman.downloads.inventory import advice, matching, state
    from realishuman.downloads.manifest import manifest
    from realishuman.packs.store import models_folder

    folder, code = models_folder(), OK
    files = [file for name in options.names for file in matching(name)]
    for file in files or manifest().files.values():
        if not options.names and not file.path(folder).is_file():
            continue
        with Bytes() as progress:
            found = state(file, folder, hashed=True, progress=progress)
        note = f": {found.note}" if found.note else ""
        print(f"{found.status:9} {file.name}{note}")
        if found.sha256 and found.status == "unchecked":
            print(f"          its SHA-256 is {found.sha256}")
        if not found.present:
            code = BAD_MODEL
            print(f"          {advice(found, folder)}")
    return max(code, 0 if options.names else _packs(thorough=True))


def _where(options: argparse.Namespace) -> int:
    from realishuman.downloads.inventory import advice, matching, state
    from realishuman.packs.store import models_folder

    folder = models_folder()
    if options.name is None:
        print(folder)
        return OK
    code = OK
    for file in matching(options.name):
        found = state(file, folder)
        print(found.path)
        if not found.present:
            code = BAD_MODEL
            _say(f"It is {found.status}. {advice(found, folder)}")
            _show(file.licence, file)
    return code


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
