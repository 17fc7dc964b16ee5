"""realishuman evaluate judge: how far the built-in judge and the scorer can be trusted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from realishuman.errors import SettingsError

OK = 0


def add_task(tasks: Any) -> None:
    """Add `judge` to evaluate's tasks."""
    command = tasks.add_parser("judge", help="how well malformed hands are told from good ones")
    command.add_argument("-o", "--output", required=True, type=Path, help="folder for the report")
    command.add_argument("--judge", type=Path, help="another judge (default: the built-in one)")
    command.add_argument("--scorer", type=Path, help="another scorer (default: the built-in one)")
    command.add_argument("--count", type=int, default=500, help="pairs (default: 500)")
    command.add_argument(
        "--first", type=int, help="first seed; training uses seeds from 0 up (default: 10^9)"
    )
    command.add_argument(
        "--side", type=int, default=256, help="side of the pictures, in pixels (default: 256)"
    )
    command.add_argument("--quiet", action="store_true", help="show no progress bars")
    command.set_defaults(run=_judge)


def _judge(options: argparse.Namespace) -> int:
    from realishuman.batch.places import try_folder
    from realishuman.detect.embedded import EmbeddedDetector
    from realishuman.evaluate.judges import Hearing, hear, judges_report
    from realishuman.evaluate.pairs import FIRST_SEED, HAND
    from realishuman.evaluate.report import write
    from realishuman.evaluate.scorer import FILE, Scorer
    from realishuman.judge.network import FOLDER, JudgeNetwork
    from realishuman.packs.store import models_folder
    from realishuman.pipeline.regressors import AUTO, CORRECTED, choose, open_regressor
    from realishuman.terminal import Bar

    first = FIRST_SEED if options.first is None else options.first
    if options.count < 1 or first < 0:
        raise SettingsError(
            f"--count must be at least 1 and --first 0 or more, not {options.count} and {first}"
        )
    try_folder(options.output)
    judge = JudgeNetwork(options.judge or FOLDER / "hand.onnx")
    scorer, hearing = Scorer(options.scorer or FILE), Hearing()
    folder = models_folder()
    choice = choose(HAND, AUTO, CORRECTED, folder)  # as the packs ask for that have this judge
    networks = {"judge": judge.malformed, "scorer": lambda *one: scorer(*one).malformed}
    with Bar(options.quiet) as bar:
        try:
            hear(
                hearing,
                range(first, first + options.count),
                networks,
                lambda *one: scorer(*one).fingers,
                EmbeddedDetector("cpu"),
                open_regressor(HAND, choice, folder, "cpu"),
                side=options.side,
                progress=bar,
            )
        finally:
            if hearing.seen:
                facts = {
                    "seeds": f"{first} to {first + options.count - 1}",
                    "pairs": len({one.seed for one in hearing.seen}),
                    "side": options.side,
                    "estimated meshes": choice.name,
                }
                report = judges_report(hearing, facts)
                bar.say("\n".join(map(str, write(report, options.output))))
    return OK
