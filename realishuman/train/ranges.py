"""Refuses numbers and choices of a configuration that no run can have, before any work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from realishuman.allowed import Allowed
from realishuman.errors import SettingsError
from realishuman.packs.convert import DINO_POSITIONS
from realishuman.packs.header import MESHES
from realishuman.settings import PART_KINDS
from realishuman.train.config import Stage, TrainConfig

STAGES = ("autoencoder", "stage_one", "stage_two")
SEEDED = ("judge", "scorer", "corrector")


PRECISIONS = ("float32", "bfloat16", "float16")
SHARE, COUNT, ANY_COUNT = Allowed(float, 0, 1), Allowed(int, 1), Allowed(int, 0)
ANY, POSITIVE = Allowed(float, 0), Allowed(float, 0, above=True)
DECAY = Allowed(float, 0, 1, below=True)
STAGE: Mapping[str, Allowed] = {
    "steps": ANY_COUNT,
    "batch": COUNT,
    "accumulate": COUNT,
    "learning_rate": Allowed(float, 0, 1, above=True),
    "warmup": ANY_COUNT,
    "decay": SHARE,
    "weight_decay": ANY,
    "clip": POSITIVE,
    "ema": DECAY,
    "drop": DECAY,
    "min_snr": POSITIVE,
    "visited": COUNT,
    "precision": Allowed(str, choices=PRECISIONS),
    "dino_positions": Allowed(str, choices=DINO_POSITIONS),
    "seed": Allowed(int, 0, 2**63 - 1),
    "save_every": COUNT,
    "sample_every": COUNT,
}
# a crop's sides and kernels are those a user may choose when refining
DATA: Mapping[str, Allowed] = {
    "side": Allowed(int, 64, 4096),
    "margin": Allowed(float, 1.2, 6),
    "shift": SHARE,
    "erode": Allowed(int, 0, 256),
    "pose_noise": ANY,
    "pose_exact": SHARE,
    "estimated": SHARE,
    "repainted": SHARE,
    "variants": COUNT,
    "held_out": ANY_COUNT,
}
PACK: Mapping[str, Allowed] = {
    "kind": Allowed(str, choices=PART_KINDS),
    "mesh": Allowed(str, choices=MESHES),
}
NETWORKS: Mapping[str, Allowed] = {"pose": COUNT, "prompt": COUNT}
NETWORK: Mapping[str, Allowed] = {
    "first": ANY_COUNT,
    "count": COUNT,
    "estimated": COUNT,
    "widths": COUNT,
}


def check_ranges(config: TrainConfig, where: str) -> None:
    """Raise SettingsError on the first value that is out of its range or none of its choices."""
    for name, value, allowed in _list_limits(config):
        for one in value if isinstance(value, tuple) else (value,):
            allowed.check(f"{where}: {name}", one)
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


def _list_limits(config: TrainConfig) -> Iterator[tuple[str, Any, Allowed]]:
    """Name, value and what is allowed of every value that is limited; None is none."""
    tables: list[tuple[str, object, Mapping[str, Allowed]]] = [
        ("pack", config.pack, PACK),
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
