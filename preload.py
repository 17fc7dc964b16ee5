"""Adds our options to the WebUI's command line."""

import argparse
import contextlib


def preload(parser: argparse.ArgumentParser) -> None:
    """Called by the WebUI before it reads its command line."""
    with contextlib.suppress(argparse.ArgumentError):  # a second copy of the extension has it
        parser.add_argument(
            "--realishuman-models-dir",
            type=str,
            default=None,
            help="folder of RealisHuman's packs and other model files",
        )
