"""The training loop of all stages: steps, checkpoints, curve, samples; resumable at any step.

Under accelerate: one process, several with torchrun, or FSDP. Everything random comes with the
batch, which depends on the step alone, so a resumed run continues as if it had never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realishuman.errors import SettingsError, TrainingError
from realishuman.train.config import Stage
from realishuman.train.crops import Pixels
from realishuman.train.ema import Average
from realishuman.train.folder import RunFolder

FLUSH_EVERY = 20  # steps between lines reaching the curve's file
MIXED = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
# What may change when a run is resumed; anything else would make it another run.
MAY_CHANGE = ("steps", "save_every", "sample_every", "accumulate", "gradient_checkpointing")


@dataclass(frozen=True)
class Trainee:
    """What is trained.

    module   its forward takes a batch and returns the loss.
    batch    makes the batch of these sample numbers, on the CPU.
    tensors  the module's weights, named as in a pack.
    preview  paints a picture that shows how good it is, or None.
    note     further metadata of the weights' file, measured when it is written.
    """

    name: str
    module: nn.Module
    batch: Callable[[Sequence[int]], Any]
    tensors: Callable[[], dict[str, Tensor]]
    preview: Callable[[], Pixels | None] = lambda: None
    note: Callable[[], dict[str, str]] = dict


def train(
    trainee: Trainee, stage: Stage, folder: RunFolder, say: Callable[[str], None] = lambda _: None
) -> int:
    """Train until stage.steps, from the folder's checkpoint if there is one.

    Returns the last step. Raises TrainingError when the loss is no number; the checkpoint before
    it is kept. Raises SettingsError if the folder is in use or holds another run.
    """
    accelerator = _accelerator(stage)
    main = accelerator.is_main_process
    with folder.locked() if main else nullcontext():
        return _Run(trainee, stage, folder, accelerator, say if main else lambda _: None).go()


def learning_rate(stage: Stage, step: int) -> float:
    """Of step `step`, counted from 0: linear warm-up, constant, cosine to 0 at the end."""
    rate = stage.learning_rate * min(1.0, (step + 1) / stage.warmup if stage.warmup else 1.0)
    falling = round(stage.decay * stage.steps)
    if falling and step >= stage.steps - falling:
        rate *= 0.5 + 0.5 * math.cos(math.pi * (step - stage.steps + falling) / falling)
    return rate


def attention(stage: Stage, device: torch.device) -> AbstractContextManager[None]:
    """How attention is computed: CPUs are slow at the gradient of fused bfloat16 attention.

    Plain products and softmax instead make a step of the demo's stage one 1.35 times as fast.
    """
    if device.type != "cpu" or stage.precision != "bfloat16":
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(SDPBackend.MATH)


def _accelerator(stage: Stage) -> Any:
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs

    if stage.precision == "float16" and not torch.cuda.is_available():
        raise SettingsError("float16 needs CUDA for its loss scaling: use bfloat16 or float32")
    # what follows the reference's last features has no gradient
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    return Accelerator(
        mixed_precision=MIXED[stage.precision],
        cpu=not torch.cuda.is_available(),  # else several processes on a CPU do not join
        kwargs_handlers=[unused],
    )


class _Run:
    """One run, between its start and its end."""

    def __init__(
        self,
        trainee: Trainee,
        stage: Stage,
        folder: RunFolder,
        accelerator: Any,
        say: Callable[[str], None],
    ) -> None:
        self.trainee, self.stage, self.folder = trainee, stage, folder
        self.accelerator, self.say = accelerator, say
        live = [p for p in trainee.module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(live, lr=stage.learning_rate, weight_decay=stage.weight_decay)
        self.module, self.optimizer = accelerator.prepare(trainee.module, optimizer)
        self.plain = accelerator.unwrap_model(self.module)
        self.average = Average(self.plain, stage.ema)
        self.step = self._resume()

    def go(self) -> int:
        """Take the steps that are left."""
        began, first = time.perf_counter(), self.step
        while self.step < self.stage.steps:
            start = time.perf_counter()
            loss, norm, rate = self._take_step()
            self.step += 1
            self.folder.record(self.step, loss, rate, norm, round(time.perf_counter() - start, 4))
            if self.step % FLUSH_EVERY == 0 and self.accelerator.is_main_process:
                self.folder.flush_curve()
            if self.step % 100 == 0:
                speed = (self.step - first) * self.stage.batch / (time.perf_counter() - began)
                self.say(
                    f"{self.trainee.name}: step {self.step} of {self.stage.steps}, loss "
                    f"{loss:.4f}, {speed:.1f} samples/s"
                )
            last = self.step == self.stage.steps
            if last or self.step % self.stage.save_every == 0:
                self._save()
            if last or self.step % self.stage.sample_every == 0:
                self._show()
        return self.step

    def _take_step(self) -> tuple[float, float, float]:
        stage, batch = self.stage, self.stage.batch
        rate = learning_rate(stage, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        numbers = np.arange(self.step * batch, (self.step + 1) * batch)
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        total = torch.zeros((), device=self.accelerator.device)
        for index in range(stage.accumulate):
            own = numbers[index :: stage.accumulate][rank::world].tolist()
            data = _moved(self.trainee.batch(own), self.accelerator.device)
            quiet = index < stage.accumulate - 1
            with self.accelerator.no_sync(self.module) if quiet else nullcontext():
                with self.accelerator.autocast(), attention(stage, self.accelerator.device):
                    loss = self.module(data) / stage.accumulate
                self.accelerator.backward(loss)
            total = total + loss.detach()
        mean = float(self.accelerator.reduce(total, "mean"))
        norm = float(self.accelerator.clip_grad_norm_(self.module.parameters(), stage.clip))
        scaled = stage.precision == "float16"  # there, an infinite norm only skips the step
        if not math.isfinite(mean) or not (scaled or math.isfinite(norm)):
            self._stop(mean, norm, numbers)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.step + 1)
        return mean, norm, rate

    def _stop(self, loss: float, norm: float, numbers: Any) -> None:
        if self.accelerator.is_main_process:
            self.folder.flush_curve()
        kept = self.folder.checkpoint_path
        raise TrainingError(
            f"{self.trainee.name}: step {self.step + 1} has the loss {loss} and the gradient norm "
            f"{norm}; its batch are samples {numbers[0]} to {numbers[-1]}. "
            + (f"{kept} is from before. " if kept.exists() else "Nothing was saved yet. ")
            + "Lower the learning rate or use float32, and start again."
        )

    def _save(self) -> None:
        state, averages = self._state()
        if self.accelerator.is_main_process:
            self.folder.flush_curve()
            self.folder.save_checkpoint(
                {
                    "step": self.step,
                    "stage": asdict(self.stage),
                    "module": state[0],
                    "optimizer": state[1],
                    "average": averages,
                }
            )
            with self.average.applied():
                note = {"step": str(self.step), **self.trainee.note()}
                self.folder.save_weights(self.trainee.tensors(), note)

    def _state(self) -> tuple[tuple[Any, Any], Any]:
        return (self.plain.state_dict(), self.optimizer.state_dict()), self.average.state()

    def _show(self) -> None:
        if self.accelerator.is_main_process:
            with self.average.applied(), torch.no_grad():
                picture = self.trainee.preview()
            if picture is not None:
                import cv2

                samples = self.folder.path / "samples"
                samples.mkdir(exist_ok=True)
                cv2.imwrite(str(samples / f"{self.step:07d}.png"), picture[..., ::-1])

    def _resume(self) -> int:
        state = self.folder.load_checkpoint()
        if state is None:
            if self.accelerator.is_main_process:
                self.folder.cut_curve(0)
            return 0
        now, then = asdict(self.stage), state["stage"]
        if wrong := [k for k in now if k not in MAY_CHANGE and now[k] != then.get(k)]:
            changes = [f"{k} was {then.get(k)!r} and is {now[k]!r}" for k in wrong]
            raise SettingsError(
                f"{self.folder.path} holds a run with other settings ({', '.join(changes)}): "
                "restore them or choose another output."
            )
        self.plain.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load(state["average"])
        step = int(state["step"])
        if self.accelerator.is_main_process:
            self.folder.cut_curve(step)
        self.say(f"{self.trainee.name}: goes on from step {step}")
        return step


def _moved(data: Any, device: torch.device) -> Any:
    """A batch's tensors on the device; a batch is a dataclass or a tuple of tensors."""
    if isinstance(data, tuple):
        return tuple(each.to(device) for each in data)
    return type(data)(**{name: value.to(device) for name, value in vars(data).items()})
