"""Refuses numbers of a configuration that no run can have, before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from realishuman.errors import SettingsError
from realishuman.tables import Range
from realishuman.train.config import Stage, TrainConfig

STAGES = ("autoencoder", "stage_one", "stage_two")
SEEDED = ("judge", "scorer", "corrector")


SHARE, COUNT, ANY_COUNT = Range(0, 1), Range(1), Range(0)
STAGE: Mapping[str, Range] = {
    "steps": ANY_COUNT,
    "batch": COUNT,
    "accumulate": COUNT,
    "learning_rate": Range(0, 1, above=True),
    "warmup": ANY_COUNT,
    "decay": SHARE,
    "weight_decay": Range(0),
    "clip": Range(0, above=True),
    "min_snr": Range(0, above=True),
    "visited": COUNT,
    "seed": Range(0, 2**63 - 1),
    "save_every": COUNT,
    "sample_every": COUNT,
}
# a crop's sides and kernels are those a user may choose when refining
DATA: Mapping[str, Range] = {
    "side": Range(64, 4096),
    "margin": Range(1.2, 6),
    "shift": SHARE,
    "erode": Range(0, 256),
    "pose_noise": Range(0),
    "pose_exact": SHARE,
    "estimated": SHARE,
    "held_out": ANY_COUNT,
}
NETWORKS: Mapping[str, Range] = {"pose": COUNT, "prompt": COUNT}
NETWORK: Mapping[str, Range] = {
    "first": ANY_COUNT,
    "count": COUNT,
    "estimated": COUNT,
    "widths": COUNT,
}


def check_ranges(config: TrainConfig, where: str) -> None:
    """Raise SettingsError on the first number that is out of its range."""
    for name, value, allowed in _numbers(config):
        for one in value if isinstance(value, tuple) else (value,):
            if not allowed.holds(one):
                raise SettingsError(f"{where}: {name} must be {allowed}, not {one!r}")
    for name in ("margin", "erode"):
        pair = getattr(config.data, name)
        if pair is not None and pair[0] > pair[1]:
            raise SettingsError(
                f"{where}: data.{name} is a range from {pair[0]!r} to {pair[1]!r}: put the smaller "
                "one first"
            )


def stages(config: TrainConfig) -> dict[str, Stage]:
    """How each network is trained, by the name of its table."""
    plain = {name: getattr(config, name) for name in STAGES}
    return plain | {f"{name}.stage": getattr(config, name).stage for name in SEEDED}


def _numbers(config: TrainConfig) -> Iterator[tuple[str, Any, Range]]:
    """Name, value and range of every number that has one; None is none."""
    tables: list[tuple[str, object, Mapping[str, Range]]] = [
        ("data", config.data, DATA),
        ("networks", config.networks, NETWORKS),
    ]
    tables += [(name, getattr(config, name), NETWORK) for name in SEEDED]
    tables += [(name, stage, STAGE) for name, stage in stages(config).items()]
    for table, holder, ranges in tables:
        for name, allowed in ranges.items():
            value = getattr(holder, name, None)  # a corrector has no `estimated`
            if value is not None:
                yield f"{table}.{name}", value, allowed
