"""The Ray cluster of a run: one that is there, or one that Ray starts on this machine."""

from __future__ import annotations

import logging
import os
import socket
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from realishuman.advice import extra
from realishuman.errors import RealisHumanError, SettingsError
from realishuman.packs.store import models_folder

HERE = "local"  # what Ray calls a cluster of its own on this machine
PATIENCE = 10.0  # seconds for an address to answer
STORE = 500 * 2**20  # bytes of shared memory on this machine; what passes through it is small
MODELS = "REALISHUMAN_MODELS"


@dataclass(frozen=True)
class Workers:
    """How many actors there may be, and what each gets.

    most   actors at once; None for as many as the cluster has room for when the run begins.
    cores  for each actor.
    """

    most: int | None = None
    cores: int = 1


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module ray, connected to a cluster for as long as the block runs.

    address  "host:port", "ray://host:port" or "auto"; "" for the cluster in RAY_ADDRESS, as a
             submitted job has it, or else one that Ray starts here and that ends with the block.
    Raises   SettingsError if ray is not installed, or the cluster cannot be reached;
             RealisHumanError in place of what Ray raises within the block.
    """
    ray = _import_ray()
    address = HERE if is_own(address) else address or "auto"
    _knock(address)
    options: dict[str, Any] = {}
    if address == HERE:
        options = {"include_dashboard": False, "object_store_memory": STORE}
    for name in ("ray", "ray.data"):  # we say ourselves what failed
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            runtime_env={"env_vars": {MODELS: str(models_folder())}},
            **options,
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise SettingsError(_unreachable(address, _first_line(error))) from error
    try:
        yield ray
    except ray.exceptions.RayError as error:
        raise RealisHumanError(
            f"the Ray cluster failed ({_first_line(error)}): see `ray status` there, then run the "
            "same command again; it goes on where it stopped."
        ) from error
    finally:
        ray.shutdown()


def is_own(address: str) -> bool:
    """Whether Ray starts on this machine for the run."""
    return not address and not os.environ.get("RAY_ADDRESS")


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise SettingsError(
            f"--ray needs Ray Data, which is not installed ({error}): `{extra('cluster')}`."
        ) from error
    return ray


def _knock(address: str) -> None:
    """Raise SettingsError unless something answers there: Ray itself would try for minutes."""
    place = urllib.parse.urlsplit(address if "://" in address else f"//{address}")
    if address in (HERE, "auto"):
        return
    try:
        if not place.hostname or not place.port:
            raise ValueError("no port")
    except ValueError as error:
        raise SettingsError(
            f"--ray takes the address of a cluster, as in 10.0.0.1:6379, ray://10.0.0.1:10001 or "
            f"auto, not {address!r}; without one Ray starts on this machine. Name pictures before "
            "it."
        ) from error
    try:
        socket.create_connection((place.hostname, place.port), PATIENCE).close()
    except OSError as error:
        raise SettingsError(_unreachable(address, error.strerror or str(error))) from error


def _unreachable(address: str, why: str) -> str:
    if address == HERE:
        return f"Ray cannot start on this machine ({why}): try --workers instead of --ray."
    return (
        f"no Ray cluster answers at {address} ({why}): is it running, with the same versions of "
        "Ray and Python? `ray status` there says so."
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
