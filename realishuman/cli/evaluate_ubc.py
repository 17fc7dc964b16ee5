"""realishuman evaluate ubc: the paper's Table 1 on folders that the user names."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.cli.evaluate_folders import add_measures, extractors_from, kinds_from
from realishuman.errors import PictureError, SettingsError

if TYPE_CHECKING:
    from realishuman.evaluate.clips import Clip
    from realishuman.evaluate.ubc import Row

OK, SOME_FAILED = 0, 1
NO_SPLIT = "All videos in the folders were used: no --split was named."


def add_task(tasks: Any) -> None:
    """Add `ubc` to evaluate's tasks."""
    command = tasks.add_parser(
        "ubc", help="the paper's Table 1 on UBC Fashion, or another set of videos"
    )
    command.add_argument(
        "--real", required=True, type=Path, help="folder of the real videos of the test split"
    )
    command.add_argument(
        "--method",
        required=True,
        nargs=3,
        action="append",
        metavar=("NAME", "BEFORE", "AFTER"),
        help="a method's name, and the folders of its videos as generated and as refined, with the "
        "real ones' names; may be repeated",
    )
    command.add_argument(
        "--split",
        type=Path,
        help="text file with the names or addresses of the test videos, a line each",
    )
    command.add_argument(
        "--every", type=int, default=10, help="use every Nth frame of a video (default: 10)"
    )
    add_measures(command)
    command.set_defaults(run=_ubc)


def _ubc(options: argparse.Namespace) -> int:
    from realishuman.batch.places import try_folder
    from realishuman.detect.embedded import EmbeddedDetector
    from realishuman.evaluate.clips import clips
    from realishuman.evaluate.folders import FolderRun, add_real, compare
    from realishuman.evaluate.ubc import in_split, read_split, rows_of, share_real
    from realishuman.terminal import Bar

    kinds = kinds_from(options)
    split = read_split(options.split) if options.split else None
    real = in_split(clips(options.real, options.every), split, options.real)
    methods = _methods(options, split)
    try_folder(options.output)
    extractors, remarks = extractors_from(options)
    notes = [*remarks, *([] if split else [NO_SPLIT]), *_missing(methods, real, split)]
    detector, rows, left = EmbeddedDetector("cpu"), list["Row"](), 0
    with Bar(options.quiet) as bar:
        truth = FolderRun(extractors, shown=0, say=bar.say)
        add_real(truth, list(real.values()), kinds, detector, bar)
        for name, pairs in methods.items():
            bar.say(name)
            run = FolderRun(extractors, shown=0, say=bar.say)
            share_real(run, truth)
            compare(run, pairs, kinds, detector, bar)
            rows += rows_of(name, run, kinds)
            left += len(run.left)
            bar.say("\n".join(map(str, _write(options, rows, kinds, extractors, notes))))
    return SOME_FAILED if left or truth.left else OK


def _methods(
    options: argparse.Namespace, split: frozenset[str] | None
) -> dict[str, list[tuple[Clip, Clip]]]:
    """The pairs of each method's videos. Raises SettingsError, before anything is measured."""
    from realishuman.evaluate.clips import partners
    from realishuman.evaluate.ubc import in_split

    found: dict[str, list[tuple[Clip, Clip]]] = {}
    for name, before, after in options.method:
        if name in found:
            raise SettingsError(f"--method names {name} twice: give each a name of its own.")
        pairs = partners(Path(before), Path(after), options.every)
        chosen = in_split({first.name: first for first, _ in pairs}, split, Path(before))
        found[name] = [pair for pair in pairs if pair[0].name in chosen]
    return found


def _missing(
    methods: dict[str, list[tuple[Clip, Clip]]],
    real: dict[str, Clip],
    split: frozenset[str] | None,
) -> list[str]:
    """Sentences on videos of the split that are not there."""
    wanted = split or frozenset(real)
    there = {"the real videos": set(real)} | {
        name: {first.name for first, _ in pairs} for name, pairs in methods.items()
    }
    return [
        f"Of the {len(wanted)} videos of the split, {len(wanted - names)} are missing in {which}, "
        f"{min(wanted - names)} for one."
        for which, names in there.items()
        if wanted - names
    ]


def _write(
    options: argparse.Namespace,
    rows: list[Row],
    kinds: list[str],
    extractors: list[Any],
    notes: list[str],
) -> list[Path]:
    """Write the table as it stands after each method, so that a stop keeps what is measured."""
    from realishuman.evaluate.report import write
    from realishuman.evaluate.ubc import table_one, to_csv, ubc_report
    from realishuman.files.whole import whole_file

    table = table_one(rows, kinds, [one.terms for one in extractors])
    facts = {
        "real": str(options.real),
        "split": str(options.split or "-"),
        "every": options.every,
        **{name: f"{before}, refined: {after}" for name, before, after in options.method},
        "detector": "the embedded one: MediaPipe's networks",
        "features": "; ".join(one.name for one in extractors) or "-",
    }
    paths = write(ubc_report(rows, table, facts, notes), options.output)
    path = options.output / "table1.csv"
    try:
        with whole_file(path) as file:
            file.write(to_csv(table).encode())
    except OSError as error:
        raise PictureError(f"{path} cannot be written: {error.strerror or error}.") from error
    return [*paths, path]
