"""realishuman train synthesise | prepare | autoencoder | stage-one | ... --config FILE."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.advice import extra
from realishuman.errors import SettingsError
from realishuman.train.gpus import gpus

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.train.config import Stage, TrainConfig

OK, SOME_FAILED, STOPPED = 0, 1, 130


def add_parser(commands: Any) -> None:
    """Add `train` to the command line's commands."""
    parser = commands.add_parser(
        "train", help="train the networks of a pack", description=(__doc__ or "").strip()
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="task")
    command = _task(tasks, "synthesise", "render the training crops", _synthesise)
    command.add_argument("--count", type=int, required=True, help="crops in all")
    _add_workers(command)
    command = _task(tasks, "prepare", "cut training crops out of real pictures", _prepare)
    command.add_argument(
        "folder", type=Path, help="folder of pictures, searched with its subfolders"
    )
    _add_workers(command)
    command.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    command.add_argument(
        "--confidence", type=float, default=0.5, help="lowest detection score (default: 0.5)"
    )
    command.add_argument(
        "--min-size",
        type=int,
        help="skip parts smaller than this, in pixels (default: a quarter of the resolution)",
    )
    for name, text in (
        ("autoencoder", "train the autoencoder"),
        ("stage-one", "train the networks that paint the part"),
        ("stage-two", "train the network that blends it in"),
    ):
        command = _task(tasks, name, text, _train)
        command.add_argument("--steps", type=int, help="instead of the configuration's")
        command.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
        command.add_argument(
            "--dry-run",
            action="store_true",
            help="print parameters, memory, operations and the time of a step; keep nothing",
        )
        command.add_argument(
            "--gpu",
            type=str.upper,
            choices=tuple(gpus()),
            help=(
                "with --dry-run: estimate what this GPU would need, instead of measuring this "
                "machine"
            ),
        )
    for name, text in (
        ("judge", "train the network that decides whether a repair is kept"),
        ("scorer", "train evaluation's judge and finger counter"),
    ):
        command = _task(tasks, name, text, _critic)
        command.add_argument("--steps", type=int, help="instead of the configuration's")
        command.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    command = _task(tasks, "corrector", "train the network that corrects landmarks", _corrector)
    command.add_argument("--steps", type=int, help="instead of the configuration's")
    _add_workers(command)
    command = _task(tasks, "pack", "write a pack of what is trained so far", _pack)
    command.add_argument("-o", "--output", type=Path, required=True, help="the pack's file")


def _task(tasks: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]) -> Any:
    command = tasks.add_parser(name, help=text)
    command.add_argument("--config", required=True, type=Path, help="TOML file")
    command.set_defaults(run=run)
    return command


def _add_workers(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _config(options: argparse.Namespace) -> TrainConfig:
    from realishuman.train.assemble import header
    from realishuman.train.config_file import read_config

    config = read_config(options.config)
    header(config)
    return config


def _use_threads(options: argparse.Namespace) -> None:
    import torch

    if options.threads is None:
        return
    if options.threads < 1:
        raise SettingsError(f"--threads must be at least 1, not {options.threads}")
    torch.set_num_threads(options.threads)


def _synthesise(options: argparse.Namespace) -> int:
    from realishuman.train.shards import synthesise

    if options.count < 1 or options.workers < 1:
        raise SettingsError("--count and --workers must be at least 1")
    config = _config(options)
    try:
        made = synthesise(config, options.count, options.workers, _say)
    except KeyboardInterrupt:
        return _report_stop(
            "Stopped; finished files of crops are kept. Run the same command to resume."
        )
    _say(f"{config.data.folder}: {made} new files, {options.count} crops.")
    return OK


def _prepare(options: argparse.Namespace) -> int:
    from realishuman.train.collect import collect

    if options.workers < 1:
        raise SettingsError("--workers must be at least 1")
    config = _config(options)
    try:
        done = collect(
            options.folder,
            config,
            options.workers,
            seed=options.seed,
            confidence=options.confidence,
            min_size=options.min_size,
            say=_say,
        )
    except KeyboardInterrupt:
        return _report_stop("Stopped; what was cut is kept. Run the same command to resume.")
    _say(
        f"{config.data.folder}: {done.crops} crops of {done.pictures} pictures; {done.bad} "
        "pictures could not be used. pictures.jsonl says what became of each."
    )
    return SOME_FAILED if done.bad or not done.crops else OK


def _train(options: argparse.Namespace) -> int:
    _needs_accelerate()
    from realishuman.batch.places import try_folder
    from realishuman.train.dry import measure, stage_of
    from realishuman.train.on_paper import estimate

    if options.gpu is not None and not options.dry_run:
        raise SettingsError(
            f"--gpu {options.gpu} goes with --dry-run only, which estimates what that GPU would "
            "need; training itself runs on what this machine has"
        )
    _use_threads(options)
    config = _config(options)
    stage = stage_of(config, options.task)
    if options.steps is not None:
        stage = replace(stage, steps=options.steps)
    if options.dry_run:
        if options.gpu is None:
            lines = measure(config, options.task, stage)
        else:
            lines = estimate(config, options.task, stage, gpus()[options.gpu])
        _say("\n".join(lines))
        return OK
    try_folder(Path(config.output))
    try:
        return _run(config, options.task, stage)
    except KeyboardInterrupt as stop:
        return _report_stop(
            str(stop)
            or f"{options.task}: stopped at once. Checkpoints and latents made so far are "
            "kept; run the same command to resume from the last checkpoint."
        )


def _critic(options: argparse.Namespace) -> int:
    _needs_accelerate()
    from realishuman.batch.places import try_folder
    from realishuman.train.config import Critic
    from realishuman.train.critics import train_critic

    _use_threads(options)
    config = _config(options)
    critic: Critic = getattr(config, options.task)
    if options.steps is not None:
        critic = replace(critic, stage=replace(critic.stage, steps=options.steps))
    try_folder(Path(config.output))
    try:
        path = train_critic(config, options.task, critic, _say)
    except KeyboardInterrupt as stop:
        return _report_stop(
            str(stop) or f"{options.task}: stopped; run the same command to resume."
        )
    _say(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    return OK


def _corrector(options: argparse.Namespace) -> int:
    _needs_accelerate()
    from realishuman.batch.places import try_folder
    from realishuman.train.corrector import train_corrector

    if options.workers < 1:
        raise SettingsError("--workers must be at least 1")
    config = _config(options)
    corrector = config.corrector
    if options.steps is not None:
        corrector = replace(corrector, stage=replace(corrector.stage, steps=options.steps))
    try_folder(Path(config.output))
    try:
        path = train_corrector(config, corrector, options.workers, _say)
    except KeyboardInterrupt as stop:
        return _report_stop(
            str(stop) or f"{options.task}: stopped; run the same command to resume."
        )
    _say(f"{path}: {path.stat().st_size / 1e6:.2f} MB")
    return OK


def _run(config: TrainConfig, task: str, stage: Stage) -> int:
    """Put a stage together and train it."""
    import torch
    from accelerate import PartialState

    from realishuman.train.loop import train
    from realishuman.train.stages import keep_autoencoder, run_folder, trainee

    if stage.steps == 0 and task == "autoencoder" and stage.initial:
        _say(f"{task}: kept as it is, in {keep_autoencoder(config)}")
        return OK
    if stage.steps < 1:
        raise SettingsError(
            f"{task} has no steps to take; the configuration or --steps says how many"
        )
    with PartialState(
        cpu=not torch.cuda.is_available()
    ).local_main_process_first():  # the others find the latents made
        made = trainee(config, task, _say)
    last = train(made, stage, run_folder(config, task), _say)
    _say(f"{task}: {last} steps done, in {run_folder(config, task).path}")
    return OK


def _report_stop(text: str) -> int:
    _say(f"\n{text}")
    return STOPPED


def _pack(options: argparse.Namespace) -> int:
    from realishuman.train.assemble import assemble

    pack = assemble(_config(options), options.output)
    _say(f"{pack.path}: {pack.path.stat().st_size / 1e6:.1f} MB")
    return OK


def _needs_accelerate() -> None:
    try:
        import accelerate  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            f"{error.name} is not installed, and training needs it: `{extra('train')}`"
        ) from error
