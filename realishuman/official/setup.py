"""`setup official`: from the official files to what `--pack official` runs, in one go.

First everything is checked, then said what it will cost, and only then made, step by step. Every
file is written whole or not at all and noted once it is, so that a run that was stopped goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout

from realishuman.advice import command, extra
from realishuman.downloads.manifest import find_known, manifest
from realishuman.errors import ModelError, RealisHumanError
from realishuman.memory import memory_left
from realishuman.official.setup_record import is_done, remember, strangers
from realishuman.official.setup_sources import ENCODER, Sources, Words, check_hash, features_of
from realishuman.official.setup_steps import Making, Step, step, variant
from realishuman.packs.convert import RELEASED, Assumed
from realishuman.packs.store import models_dir
from realishuman.progress import Progress

HASHED, WRITTEN = 300e6, 60e6  # bytes per second of a slow machine: what the estimate assumes
SPARE = 50_000_000  # bytes that stay free on the disk
EXPORTED = ("hamer", "face3d", ENCODER)  # become ONNX, for which a package is needed
COMMAND_LINE = Words()

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What the user asked for.

    kinds           of part.
    accept_unknown  take files whose published hash differs, if names and shapes fit.
    replace         replace products that setup did not make.
    positions       how DINOv2's position table is resized; see packs.convert.
    assumed         what the checkpoints' shapes do not tell.
    only_plan       check and say what would be made, but make nothing.
    shared_encoder  make one image encoder that the packs share, instead of one in each.
    words           how messages name what the user may do.
    """

    kinds: Sequence[str]
    accept_unknown: bool = False
    replace: bool = False
    positions: str = "old"
    assumed: Assumed = RELEASED
    only_plan: bool = False
    shared_encoder: bool = False
    words: Words = COMMAND_LINE


def setup_official(
    models: Path, sources: Sources, wishes: Wishes, progress: Progress, say: Say
) -> list[str]:
    """Make what is missing.

    models   the models folder; made if it is not there.
    say      gets lines for the user.
    Returns  the features that are ready now.
    Raises   ModelError that names every file that cannot be used, before anything is written; when
             nothing can be made; when the disk is too small. PackError as packs.convert.
    """
    with _alone(models), TemporaryDirectory(prefix="realishuman-setup-") as scratch:
        making = Making(
            models, Path(scratch), wishes.positions, wishes.assumed, wishes.shared_encoder
        )
        ready, steps = _todo(sources, making, wishes, say)
        sizes = _check_steps(steps, models, wishes)
        _say_what_it_costs(steps, sizes, models, wishes, say)
        if wishes.only_plan:
            return ready
        if not wishes.accept_unknown:
            _check_hashes(steps, progress, wishes.words)
        for one in steps:
            remark = one.make(progress)
            remember(models, one.feature, one.products, one.sources, one.variant)
            say(f"{one.feature}: made {', '.join(one.products)} ({remark}).")
            ready.append(one.feature)
    return ready


def _todo(
    sources: Sources, making: Making, wishes: Wishes, say: Say
) -> tuple[list[str], list[Step]]:
    """Features that are there already, and the steps for the others that can be made."""
    ready, steps = [], []
    for feature, files in features_of(wishes.kinds, wishes.shared_encoder).items():
        found = {name: sources.paths[name] for name in files if name in sources.paths}
        how = variant(feature, wishes.positions, wishes.shared_encoder)
        if is_done(making.models, feature, found, how):
            say(f"{feature}: there already.")
            ready.append(feature)
            continue
        if missing := sources.missing(files):
            listed = ", ".join(file.name for file in missing)
            folder = models_dir(making.models)
            line = command("models", "where", missing[0].name, folder=folder)
            say(f"{feature}: left out, {_without(feature)}. Missing: {listed} (`{line}`).")
            continue
        if feature in EXPORTED and find_spec("onnx") is None:
            say(
                f"{feature}: left out, {_without(feature)}. It needs the package onnx: "
                f"`{extra('official')}`"
            )
            continue
        steps.append(step(feature, found, making))
    if not steps and not ready:
        raise ModelError(
            f"nothing can be made: no feature has all its files. They are looked for in "
            f"{making.models}, and {wishes.words.folder}."
        )
    return ready, steps


def _without(feature: str) -> str:
    """What happens as long as a feature is missing."""
    known = manifest().features.get(feature)
    return known.without if known else "packs that share it do not run"


def _check_steps(steps: Sequence[Step], models: Path, wishes: Wishes) -> list[int]:
    """Sizes of what each step makes. Raises ModelError with a line for each thing that is wrong."""
    wrong, sizes = [], []
    for one in steps:
        if not wishes.replace:
            wrong += [
                f"{path} is there but was not made here: delete it, move it away, or "
                f"{wishes.words.replace}"
                for path in strangers(models, one.feature, one.products)
            ]
        try:
            sizes.append(one.check())
        except RealisHumanError as error:
            wrong.append(str(error))
    if wrong:
        lines = "\n".join(f"- {line}" for line in dict.fromkeys(wrong))
        raise ModelError(f"nothing was made, because this cannot be used:\n{lines}")
    return sizes


def _say_what_it_costs(
    steps: Sequence[Step], sizes: Sequence[int], models: Path, wishes: Wishes, say: Say
) -> None:
    """Raises ModelError when the disk is too small; a small memory is only said."""
    if not steps:
        return
    for one, size in zip(steps, sizes, strict=True):
        say(
            f"{one.feature}: {_gb(_sum(one))} of official files become {_gb(size)} in "
            f"{', '.join(one.products)}."
        )
    needed, free = sum(sizes), shutil.disk_usage(models).free
    memory, left = max(one.memory() for one in steps), memory_left()
    hashed = 0 if wishes.accept_unknown else sum(map(_sum, steps))
    minutes = (hashed / HASHED + needed / WRITTEN) / 60
    say(
        f"In all {_gb(needed)} on the disk ({_gb(free)} free), at most {_gb(memory)} of memory"
        f"{f' ({_gb(left.free)} free)' if left else ''}, about {max(1, round(minutes))} min."
    )
    if left and memory > left.free:
        say("That is more memory than is free: close other programs, or it will be slow or stop.")
    if needed + SPARE > free:
        raise ModelError(
            f"{models} has {_gb(free)} left but {_gb(needed)} are needed: free some space, or name "
            "another models folder in REALISHUMAN_MODELS."
        )


def _check_hashes(steps: Sequence[Step], progress: Progress, words: Words) -> None:
    """Raises ModelError with a line for each file that is not the published one."""
    wrong = []
    for name, path in dict(item for one in steps for item in one.sources.items()).items():
        try:
            check_hash(find_known(name), path, progress, words)
        except ModelError as error:
            wrong.append(str(error))
    if wrong:
        lines = "\n".join(f"- {line}" for line in wrong)
        raise ModelError(f"nothing was made, because these are not the official files:\n{lines}")


@contextmanager
def _alone(models: Path) -> Iterator[None]:
    """The models folder, made if need be, and no other setup at work in it."""
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / ".setup-official.lock", timeout=0):
            yield
    except Timeout as error:
        raise ModelError(f"another `setup official` is at work in {models}: wait for it") from error
    except OSError as error:
        raise ModelError(
            f"the models folder {models} cannot be written to ({error.strerror or error}): name "
            "another one in REALISHUMAN_MODELS."
        ) from error


def _sum(one: Step) -> int:
    return _bytes(one.sources.values())


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
