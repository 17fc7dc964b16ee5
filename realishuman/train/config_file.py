"""Reads a training run's configuration from a TOML file, which may hold nothing unknown.

What the file may say, and what holds where it says nothing, stands in config.py.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realishuman.errors import SettingsError
from realishuman.tables import build
from realishuman.train.config import TrainConfig
from realishuman.train.ranges import check_ranges, stages

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_config(path: str | Path) -> TrainConfig:
    """Read a TOML file; relative folders in it are relative to where the command runs.

    Raises SettingsError, naming the file and the field, on what is unknown, missing or impossible.
    """
    path = Path(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the configuration {path} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:  # tomllib's own, and what is no UTF-8
        raise SettingsError(f"{path} is not TOML: {error}") from error
    return parse_config(raw, str(path))


def parse_config(raw: Mapping[str, Any], where: str) -> TrainConfig:
    """Build a configuration from nested mappings; raises as read_config."""
    config: TrainConfig = build(TrainConfig, raw, where)
    check_ranges(config, where)
    _check(config, where)
    return config


def _check(config: TrainConfig, where: str) -> None:
    """Refuse what could only fail later."""
    factor, resolution = config.networks.factor, config.pack.resolution
    levels = max(len(config.networks.unet.channels), len(config.networks.stage_two_unet.channels))
    smallest = factor * 2 ** (levels - 1)
    problems = [
        (resolution % smallest > 0, f"pack.resolution must be a multiple of {smallest}"),
        (
            2 ** (len(config.networks.pose) - 1) != factor,
            f"networks.pose must have {len(config.networks.vae.channels)} widths, as the "
            "autoencoder has levels",
        ),
        (
            config.schedule.prediction == "epsilon"
            and config.schedule.spacing == "trailing"
            and config.schedule.zero_snr,
            "schedule: epsilon cannot be sampled from zero SNR with trailing spacing; choose "
            "prediction v_prediction or spacing leading",
        ),
        (
            config.stage_one.groups and config.data.variants > 2,
            "data.variants must be at most 2 with stage_one.groups: two pictures of a group must "
            "not be recoloured differently",
        ),
    ]
    for name, stage in stages(config).items():
        problems += [
            (
                stage.batch % stage.accumulate > 0,
                f"{name}.batch must be a multiple of accumulate",
            ),
            (
                stage.min_snr is not None
                and config.schedule.zero_snr
                and config.schedule.prediction == "v_prediction",
                f"{name}.min_snr gives v_prediction no weight where zero SNR starts sampling, so "
                "that step would not be trained; leave it out",
            ),
        ]
    for wrong, sentence in problems:
        if wrong:
            raise SettingsError(f"{where}: {sentence}")
