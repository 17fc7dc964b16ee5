"""Which part of onnxruntime shall run a network, and why it is not the GPU where it is not.

onnxruntime falls back to the CPU without an exception. Here the reason is worked out and becomes a
sentence with what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Any

from realishuman.advice import pip
from realishuman.errors import ModelError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
WHEELS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")
# A search for the fastest convolution at every new shape takes longer than it saves here, and the
# memory that is not needed belongs to the diffusion networks.
CUDA_OPTIONS = {
    "cudnn_conv_algo_search": "HEURISTIC",
    "arena_extend_strategy": "kSameAsRequested",
}


@dataclass(frozen=True)
class Wish:
    """What the caller wants to run a network.

    cuda    whether CUDA shall be tried.
    asked   whether the user asked for CUDA, so that a fallback is worth a sentence in any case.
    number  of the GPU.
    """

    cuda: bool
    asked: bool
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Wish:
        """Read "auto" (CUDA where it works, else CPU), "cpu", "cuda" or "cuda:1".

        Raises ModelError on anything else.
        """
        name, _, number = text.partition(":")
        if text in ("auto", "cpu"):
            return cls(cuda=text == "auto", asked=False)
        if name == "cuda" and (number.isdecimal() or text == "cuda"):
            return cls(cuda=True, asked=True, number=int(number or 0))
        raise ModelError(f"provider must be one of auto, cpu, cuda, cuda:1, not {text!r}")

    def providers(self, ort: Any) -> list[Any]:
        """What onnxruntime is to try, in this order."""
        if self.cuda and CUDA in ort.get_available_providers():
            _sees_gpu()  # torch brings the CUDA libraries that onnxruntime then finds
            return [(CUDA, {"device_id": self.number, **CUDA_OPTIONS}), CPU]
        return [CPU]

    def missed(self, ort: Any, really: str, file: str) -> str:
        """A sentence if CUDA was wanted and could be had, but something else runs `file`."""
        if not self.cuda or really == CUDA or not (self.asked or _sees_gpu()):
            return ""
        asked = "CUDA was asked for but" if self.asked else "There is a GPU but"
        return f"{asked} {file} runs on {really}: {reason(ort)}"


def reason(ort: Any) -> str:
    """Why this onnxruntime does not use CUDA, and what to do."""
    wheels = [name for name in WHEELS if _version(name)]
    if CUDA not in ort.get_available_providers():
        first = f"`{pip('uninstall', '-y', *wheels)}` and then " if wheels else ""
        step = f"run {first}`{pip('install', 'onnxruntime-gpu')}`."
        if "onnxruntime-gpu" in wheels and len(wheels) > 1:
            return (
                f"{' and '.join(wheels)} are both installed and have overwritten each other's "
                f"files; {step}"
            )
        found = " and ".join(wheels) or "the onnxruntime that is installed"
        return f"{found} was built without CUDA; {step}"
    built = getattr(ort, "cuda_version", "") or "of its own release"
    made = f"onnxruntime {ort.__version__} was built for CUDA {built}"
    if not _sees_gpu():
        return f"{made} but no GPU can be used, by torch neither; check the driver (`nvidia-smi`)."
    return (
        f"{made} but cannot load its CUDA or cuDNN libraries; torch brings {_torch_libraries()}. "
        "onnxruntime-gpu from 1.19 needs CUDA 12 and cuDNN 9 (torch 2.4 or newer for CUDA 12), "
        "up to 1.18 CUDA 11.8 and cuDNN 8: install the version that fits. onnxruntime's own "
        "message on the terminal names the library."
    )


def _version(wheel: str) -> str | None:
    try:
        return metadata.version(wheel)
    except metadata.PackageNotFoundError:
        return None


def _sees_gpu() -> bool:
    """Whether torch can use a GPU; torch is imported only where CUDA is wanted."""
    import torch

    return bool(torch.cuda.is_available())


def _torch_libraries() -> str:
    import torch

    try:
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    except RuntimeError:  # another cuDNN was loaded than torch was built for
        return f"CUDA {torch.version.cuda or 'none'} and a cuDNN that does not fit it"
    # 90100 is 9.1.0, 8902 is 8.9.2.
    major = None if cudnn is None else cudnn // (10000 if cudnn >= 10000 else 1000)
    return f"CUDA {torch.version.cuda or 'none'} and cuDNN {major or 'none'}"
