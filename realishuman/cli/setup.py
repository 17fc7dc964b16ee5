"""realishuman setup official: makes what the paper's own pipeline runs from, out of its files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from realishuman.advice import command
from realishuman.errors import SettingsError
from realishuman.kinds import list_released

OK, STOPPED = 0, 130
FILES = (  # options that name a single file, and what it is
    ("mano", "MANO_RIGHT.pkl, from mano.is.tue.mpg.de"),
    ("bfm", "face_model.npy of 3DDFA-V3"),
    ("hamer", "hamer.ckpt"),
    ("net-recon", "net_recon.pth of 3DDFA-V3"),
    ("dinov2", "facebook/dinov2-large: model.safetensors"),
    ("vae", "stabilityai/sd-vae-ft-mse: diffusion_pytorch_model.safetensors"),
    ("vae-stage-two", "VAE of SD 1.5 inpainting (default: the same VAE)"),
    ("text-encoder", "SD 1.5 inpainting: text_encoder/model.safetensors"),
)


def add_parser(commands: Any) -> None:
    """Add `setup` to the command line's commands."""
    parser = commands.add_parser("setup", help="make the paper's own pipeline from official files")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="task")
    task = tasks.add_parser(
        "official",
        help="convert and export the official files once",
        description="Checks the official files, says what it costs, then makes packs and ONNX "
        "networks from them in the models folder. Afterwards `--pack official` "
        "runs them. A run that was stopped resumes. No code in a file is run; "
        "nothing is downloaded.",
    )
    task.add_argument(
        "--checkpoints",
        type=Path,
        metavar="DIR",
        help="folder with the official files; the models folder is searched as well",
    )
    for name, text in FILES:
        task.add_argument(f"--{name}", type=Path, metavar="FILE", help=text)
    task.add_argument(
        "--parts",
        default=",".join(list_released()),
        metavar="NAMES",
        help=f"kinds of part to set up (default: {','.join(list_released())})",
    )
    task.add_argument(
        "--dino-positions",
        choices=("old", "new"),
        default="old",
        help="how DINOv2's position table is resized: as transformers did when the weights were "
        "released, or as it does now (default: old)",
    )
    task.add_argument(
        "--shared-encoder",
        action="store_true",
        help="make one DINOv2 that the packs share, as ONNX, instead of one in each pack; it runs "
        "on the CPU in the WebUIs",
    )
    task.add_argument(
        "--accept-unknown",
        action="store_true",
        help="trust files whose published SHA-256 differs, if all names and shapes fit; no hash "
        "is computed then",
    )
    task.add_argument(
        "--replace", action="store_true", help="replace packs that this command did not make"
    )
    task.add_argument(
        "--dry-run", action="store_true", help="check and say what it costs, make nothing"
    )
    task.set_defaults(run=_official)


def _official(options: argparse.Namespace) -> int:
    from realishuman.official.setup import Wishes, setup_official
    from realishuman.official.setup_sources import GIVEN, find_sources
    from realishuman.packs.store import models_folder
    from realishuman.terminal import Bar

    kinds = [name.strip() for name in options.parts.split(",") if name.strip()]
    if not kinds or not set(kinds) <= set(list_released()):
        raise SettingsError(
            f"--parts must name {' or '.join(list_released())}, not {options.parts!r}"
        )
    values = vars(options)
    given = {file: values[name.replace("-", "_")] for name, file in GIVEN.items()}
    models = models_folder()
    sources = find_sources(models, options.checkpoints, {n: p for n, p in given.items() if p})
    wishes = Wishes(
        kinds=kinds,
        accept_unknown=options.accept_unknown,
        replace=options.replace,
        positions=options.dino_positions,
        only_plan=options.dry_run,
        shared_encoder=options.shared_encoder,
    )
    with Bar() as bar:
        try:
            ready = setup_official(models, sources, wishes, bar, bar.say)
        except KeyboardInterrupt:
            bar.say("\nStopped. What is finished is kept; run the same command to resume.")
            return STOPPED
        if any(feature.endswith("-pack") for feature in ready) and not options.dry_run:
            bar.say(f"`{command('refine', '--pack', 'official')}` runs it, and so do the WebUIs.")
    return OK
