"""realishuman train synthesise | autoencoder | stage-one | stage-two | pack --config FILE."""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realishuman.errors import SettingsError

if TYPE_CHECKING:  # building the parser imports nothing slow
    from realishuman.train.config import Stage, TrainConfig

OK = 0
TIMED_STEPS = 3


def add_parser(commands: Any) -> None:
    """Add `train` to the command line's commands."""
    parser = commands.add_parser(
        "train", help="train the networks of a pack", description=(__doc__ or "").strip()
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="task")
    command = _task(tasks, "synthesise", "render the training crops", _synthesise)
    command.add_argument("--count", type=int, required=True, help="crops in all")
    command.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    for name, text in (
        ("autoencoder", "train the autoencoder"),
        ("stage-one", "train the networks that paint the part"),
        ("stage-two", "train the network that blends it in"),
    ):
        command = _task(tasks, name, text, _train)
        command.add_argument("--steps", type=int, help="in place of the configuration's")
        command.add_argument("--threads", type=int, help="of the CPU (default: all cores)")
        command.add_argument(
            "--dry-run",
            action="store_true",
            help="print parameters, memory, operations and the time of a step; keep nothing",
        )
    command = _task(tasks, "pack", "write a pack of what is trained so far", _pack)
    command.add_argument("-o", "--output", type=Path, required=True, help="the pack's file")


def _task(tasks: Any, name: str, text: str, run: Callable[[argparse.Namespace], int]) -> Any:
    command = tasks.add_parser(name, help=text)
    command.add_argument("--config", required=True, type=Path, help="TOML file")
    command.set_defaults(run=run)
    return command


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _synthesise(options: argparse.Namespace) -> int:
    from realishuman.train.config import read_config
    from realishuman.train.shards import synthesise

    if options.count < 1 or options.workers < 1:
        raise SettingsError("--count and --workers must be at least 1")
    config = read_config(options.config)
    made = synthesise(config, options.count, options.workers, _say)
    _say(f"{config.data.folder}: {made} new files, {options.count} crops.")
    return OK


def _train(options: argparse.Namespace) -> int:
    _needs_accelerate()
    import torch

    from realishuman.train.assemble import header
    from realishuman.train.config import read_config
    from realishuman.train.loop import train
    from realishuman.train.stages import run_folder, trainee

    if options.threads:
        torch.set_num_threads(options.threads)
    config = read_config(options.config)
    header(config)
    stage = stage_of(config, options.task)
    if options.steps is not None:
        stage = replace(stage, steps=options.steps)
    if stage.steps < 1:
        raise SettingsError(f"{options.config}: {options.task} has no steps to take")
    if options.dry_run:
        _say("\n".join(measure(config, options.task)))
        return OK
    from accelerate import PartialState

    with PartialState(
        cpu=not torch.cuda.is_available()
    ).local_main_process_first():  # the others find the latents made
        made = trainee(config, options.task, _say)
    last = train(made, stage, run_folder(config, options.task), _say)
    _say(f"{options.task}: {last} steps done, in {run_folder(config, options.task).path}")
    return OK


def _pack(options: argparse.Namespace) -> int:
    from realishuman.train.assemble import assemble
    from realishuman.train.config import read_config

    pack = assemble(read_config(options.config), options.output)
    _say(f"{pack.path}: {pack.path.stat().st_size / 1e6:.1f} MB")
    return OK


def stage_of(config: TrainConfig, task: str) -> Stage:
    """The configuration's part for a task."""
    stage: Stage = getattr(config, task.replace("-", "_"))
    return stage


def measure(config: TrainConfig, task: str) -> list[str]:
    """Lines that say how large a stage is and how fast it trains here; nothing is kept."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from realishuman.train.dry import random_batch, untrained

    stage, module = stage_of(config, task), untrained(config, task)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module.to(device)
    every, live = (
        sum(p.numel() for p in module.parameters() if p.requires_grad or not only)
        for only in (False, True)
    )
    batch = random_batch(config, task, stage.batch // stage.accumulate, device)
    with FlopCounterMode(display=False) as counter:
        module(batch).backward()
    seconds = min(_timed(module, batch, stage) for _ in range(TIMED_STEPS)) * stage.accumulate
    # weights, gradients, both moments of AdamW, average: 4 bytes each
    kept = 4 * (every + 4 * live)
    lines = [
        f"{task} on {device} with {torch.get_num_threads()} threads, {stage.precision}",
        f"parameters          {every / 1e6:.2f} M, {live / 1e6:.2f} M of them trained",
        f"memory for weights  {kept / 2**30:.2f} GiB (weights, gradients, AdamW, average)",
        f"operations          {counter.get_total_flops() / 1e9:.1f} GFLOP for "
        f"{stage.batch // stage.accumulate} samples, forward and backward",
        f"a step              {seconds:.3f} s, {stage.batch / seconds:.1f} samples/s",
        f"{stage.steps} steps".ljust(20) + _duration(stage.steps * seconds),
    ]
    if device.type == "cuda":
        lines.insert(3, f"memory at most      {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    return lines


def _timed(module: Any, batch: Any, stage: Stage) -> float:
    import torch

    from realishuman.train.loop import attention

    kind = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(stage.precision)
    device = next(module.parameters()).device
    start = time.perf_counter()
    with torch.autocast(device.type, kind, enabled=kind is not None), attention(stage, device):
        loss = module(batch)
    loss.backward()
    if not math.isfinite(float(loss.detach())):
        raise SettingsError("the loss of random data is no number: choose another precision")
    return time.perf_counter() - start


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.1f} min"


def _needs_accelerate() -> None:
    try:
        import accelerate  # noqa: F401
        import diffusers  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            f"{error.name} is not installed, and training needs it: "
            'pip install "sd-webui-realishuman[train]"'
        ) from error
