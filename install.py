"""Run by the WebUI at each start: installs the packages that are missing, and nothing else.

A start with everything in place looks for four modules, imports none, and ends: milliseconds, no
network. What is installed is never moved: pip gets every installed version as a constraint. Of
onnxruntime's variants, which share one import name, at most one may ever be there.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata, util
from pathlib import Path

# import name -> distributions that provide it, the one to install last with its lowest version
NEEDED = {
    "cv2": (
        "opencv-python",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
        "opencv-python-headless>=4.8",
    ),
    "kornia": ("kornia>=0.6.7",),
    "safetensors": ("safetensors>=0.4",),
}
ONNX = "onnxruntime"
Pip = Callable[[str, str], None]


def installed() -> dict[str, str]:
    """Versions of all installed distributions by normalised name."""
    found: dict[str, str] = {}
    for one in metadata.distributions():
        name, version = one.metadata["Name"], one.version
        if name and version:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), version)
    return found


def wanted(packages: Mapping[str, str], importable: Callable[[str], bool]) -> list[str]:
    """What has to be installed, as pip wants it.

    importable  whether a module is there whose distribution bears an unknown name.
    """
    missing = []
    for module, distributions in NEEDED.items():
        names = [re.split("[<>=]", one)[0] for one in distributions]
        if not any(name in packages for name in names) and not importable(module):
            missing.append(distributions[-1])
    if not any(name.startswith(ONNX) for name in packages) and not importable(ONNX):
        missing.append(onnxruntime_for(packages))
    return missing


def onnxruntime_for(packages: Mapping[str, str]) -> str:
    """The build of onnxruntime that can work beside the installed torch.

    From 1.19 the GPU build on PyPI needs CUDA 12 and cuDNN 9, which torch brings from 2.4; builds
    up to 1.18 need CUDA 11.8 and cuDNN 8. With anything else it would fall back to the CPU in
    silence, so the smaller CPU build is taken then.
    """
    torch = packages.get("torch", "")
    numbers = [int(n) for n in re.findall(r"\d+", torch.split("+")[0])[:2]]
    cuda = re.search(r"\+cu(\d+)", torch)
    toolkit = cuda.group(1) if cuda else ""
    if not toolkit and "nvidia-cudnn-cu12" in packages:
        toolkit = "12"  # torch's wheels on PyPI bear no mark
    cudnn = packages.get("nvidia-cudnn-cu12", "9" if numbers >= [2, 4] else "8")
    if toolkit.startswith("12") and int(cudnn.split(".")[0]) >= 9 and numbers >= [2, 4]:
        return "onnxruntime-gpu>=1.19"
    if toolkit == "118" and numbers < [2, 4]:
        return "onnxruntime-gpu>=1.17,<1.19"
    return "onnxruntime>=1.17"


def main(
    packages: Mapping[str, str] | None = None,
    importable: Callable[[str], bool] = lambda name: util.find_spec(name) is not None,
    pip: Pip | None = None,
) -> None:
    """Install what is missing; a failure is told in a sentence and stops nothing."""
    try:
        if all(importable(module) for module in (*NEEDED, ONNX)):
            return
        there = installed() if packages is None else packages
        missing = wanted(there, importable)
        if not missing or "--skip-install" in os.environ.get("COMMANDLINE_ARGS", "").split():
            return
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / "constraints.txt"
            lines = (f"{name}=={version}\n" for name, version in there.items())
            constraints.write_text("".join(lines), encoding="utf-8")
            for requirement in missing:
                one = f'install "{requirement}" -c "{constraints}"'
                (pip or host_pip())(one, f"{requirement} for RealisHuman")
    except Exception as error:  # noqa: BLE001 - the WebUI must start whatever happens here
        print(f"RealisHuman: packages could not be installed, so it may not work: {error}")  # noqa: T201


def host_pip() -> Pip:
    """The WebUI's own way to run pip, which knows its index and --skip-install."""
    try:
        from launch import run_pip
    except ImportError:
        return _plain_pip
    return run_pip  # type: ignore[no-any-return]


def _plain_pip(command: str, _name: str) -> None:
    # the quotes in `command` are there because the WebUI's own pip goes through a shell
    words = [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', command)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)  # noqa: S603 - our words


if __name__ == "__main__":
    main()
