"""The training loop of all stages: steps, checkpoints, curve, samples; resumable at any step.

Under accelerate: one process, or several with torchrun, which share each batch and, if told, the
weights. Everything random comes with the batch, which depends on the step alone, so a resumed run
continues as if it had never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realishuman.errors import SettingsError, TrainingError
from realishuman.files.guard import room
from realishuman.train.compute import accelerator_of, attention, channels_last, to_device
from realishuman.train.config import Stage
from realishuman.train.crops import Pixels
from realishuman.train.ema import Average
from realishuman.train.folder import RunFolder
from realishuman.train.sharding import local, share, shared_state, split, together, whole
from realishuman.train.stop import StopWish

FLUSH_EVERY = 20  # steps between lines reaching the curve's file
# What may change when a run is resumed; anything else would make it another run.
MAY_CHANGE = (
    *("steps", "save_every", "sample_every"),
    *("accumulate", "gradient_checkpointing", "shard", "cache_tokens"),
)


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

    Returns the last step. Raises TrainingError when the loss is no number or the memory is full;
    the checkpoint before it is kept. Raises SettingsError if the folder is in use or holds another
    run, KeyboardInterrupt with a sentence when stopped by Ctrl-C or SIGTERM.
    """
    accelerator = accelerator_of(stage)
    main = accelerator.is_main_process
    with folder.locked() if main else nullcontext():
        try:
            return _Run(trainee, stage, folder, accelerator, say if main else lambda _: None).go()
        except torch.cuda.OutOfMemoryError as error:
            raise TrainingError(
                f"{trainee.name}: the memory of the GPU is too small ({str(error).split('. ')[0]})"
                ": raise accumulate, set gradient_checkpointing, or use bfloat16."
            ) from error


def learning_rate(stage: Stage, step: int) -> float:
    """Of step `step`, counted from 0: linear warm-up, constant, cosine to 0 at the end."""
    rate = stage.learning_rate * min(1.0, (step + 1) / stage.warmup if stage.warmup else 1.0)
    falling = round(stage.decay * stage.steps)
    if falling and step >= stage.steps - falling:
        rate *= 0.5 + 0.5 * math.cos(math.pi * (step - stage.steps + falling) / falling)
    return rate


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
        sharded = stage.shard and accelerator.num_processes > 1
        if sharded:  # before the optimizer sees the parameters
            split(trainee.module, accelerator.device, accelerator.num_processes)
        live = [p for p in trainee.module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(live, lr=stage.learning_rate, weight_decay=stage.weight_decay)
        self.module, self.optimizer = trainee.module, optimizer
        if not sharded:
            channels_last(trainee.module)
            self.module, self.optimizer = accelerator.prepare(trainee.module, optimizer)
        self.plain, self.live = trainee.module, live
        self.average = Average(self.plain, stage.ema)
        self.wish = StopWish(self._say_stopping)
        self.step, self.loss = self._resume(), math.nan

    def go(self) -> int:
        """Take the steps that are left."""
        began, first = time.perf_counter(), self.step
        with self.wish:
            while self.step < self.stage.steps:
                stop = self._record_step()
                if self.step % 100 == 0:
                    seconds = time.perf_counter() - began
                    speed = (self.step - first) * self.stage.batch / seconds
                    self.say(f"{self._progress()}, {speed:.1f} samples/s")
                last = self.step == self.stage.steps
                if last or stop or self.step % self.stage.save_every == 0:
                    self._save()
                if last or self.step % self.stage.sample_every == 0:
                    self._show()
                if stop and not last:
                    raise KeyboardInterrupt(
                        f"Stopped; step {self.step} of {self.stage.steps} is saved in "
                        f"{self.folder.path}. The same command goes on from there."
                    )
        return self.step

    def _record_step(self) -> bool:
        """Take a step and write it down; returns whether any process was asked to stop."""
        start = time.perf_counter()
        self.loss, norm, rate, stopping = self._take_step()
        self.step += 1
        self.folder.record(self.step, self.loss, rate, norm, round(time.perf_counter() - start, 4))
        if self.step % FLUSH_EVERY == 0 and self.accelerator.is_main_process:
            self.folder.flush_curve()
        return stopping

    def _progress(self) -> str:
        return f"{self.trainee.name}: step {self.step} of {self.stage.steps}, loss {self.loss:.4f}"

    def _say_stopping(self) -> None:
        lost = self.step % self.stage.save_every
        self.say(
            "Stopping after this step. A second Ctrl-C stops at once, and the "
            f"{lost} steps since the last checkpoint are made again."
        )

    def _take_step(self) -> tuple[float, float, float, bool]:
        """Loss, gradient norm, learning rate; and whether any process was asked to stop."""
        stage, batch = self.stage, self.stage.batch
        rate = learning_rate(stage, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        numbers = np.arange(self.step * batch, (self.step + 1) * batch)
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        total = torch.zeros((), device=self.accelerator.device)
        for index in range(stage.accumulate):
            own = numbers[index :: stage.accumulate][rank::world].tolist()
            data = to_device(self.trainee.batch(own), self.accelerator.device)
            quiet = index < stage.accumulate - 1
            with self.accelerator.no_sync(self.module) if quiet else nullcontext():
                with self.accelerator.autocast(), attention(stage, self.accelerator.device):
                    loss = self.module(data) / stage.accumulate
                self.accelerator.backward(loss)
            total = total + loss.detach()
        # processes must agree on the step to stop at, so the wish travels with the loss
        sums = self.accelerator.reduce(
            torch.stack([total, total.new_tensor(self.wish.asked)]), "mean"
        )
        mean, stopping = float(sums[0]), bool(sums[1] > 0)
        norm = float(whole(self.accelerator.clip_grad_norm_(self.module.parameters(), stage.clip)))
        scaled = stage.precision == "float16"  # there, an infinite norm only skips the step
        if not math.isfinite(mean) or not (scaled or math.isfinite(norm)):
            self._stop(mean, norm, numbers)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update(self.step + 1)
        return mean, norm, rate, stopping

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
        main = self.accelerator.is_main_process
        state, scaler = self._state(), self.accelerator.scaler
        if main:
            self.folder.flush_curve()
            self.folder.save_checkpoint(
                {
                    "step": self.step,
                    "stage": asdict(self.stage),
                    **state,
                    "scaler": scaler.state_dict() if scaler is not None else None,
                }
            )
        with self.average.applied():
            tensors = whole(self.trainee.tensors())
            with together(self.plain):
                note = self.trainee.note() if main else {}
            if main:
                self.folder.save_weights(tensors, {"step": str(self.step), **note})

    def _state(self) -> dict[str, Any]:
        """What a checkpoint holds of the networks; every process takes part in gathering it."""
        return {
            "module": whole(dict(self.plain.state_dict())),
            "optimizer": whole(self.optimizer.state_dict()),
            "average": self.average.state(),
        }

    def _show(self) -> None:
        main = self.accelerator.is_main_process
        if main:
            self.folder.draw_curve()
        with self.average.applied(), together(self.plain), torch.no_grad():
            picture = self.trainee.preview() if main else None
        if main and picture is not None:
            import cv2

            samples = self.folder.path / "samples"
            with room(self.folder.path):
                samples.mkdir(exist_ok=True)
            cv2.imwrite(str(samples / f"{self.step:07d}.png"), picture[..., ::-1])

    def _check_frozen(self, state: dict[str, Tensor]) -> None:
        """Refuse a checkpoint whose untrained weights differ: what is kept on disk is of ours."""
        for name, own in self.plain.named_parameters():
            then = local(state[name]).to(own.device)
            if not own.requires_grad and not torch.equal(local(own.detach()), then):
                raise SettingsError(
                    f"{self.folder.path} holds a run whose {name}, which is not trained, differs: "
                    "give back the file of weights it began with, or choose another output."
                )

    def _resume(self) -> int:
        state = self.folder.load_checkpoint()
        if state is None:
            if self.accelerator.is_main_process:
                self.folder.cut_curve(0)
            return 0
        # a setting that is newer than the run had its default
        now, then = asdict(self.stage), asdict(Stage(steps=0)) | state["stage"]
        if wrong := [k for k in now if k not in MAY_CHANGE and now[k] != then.get(k)]:
            changes = [f"{k} was {then.get(k)!r} and is {now[k]!r}" for k in wrong]
            raise SettingsError(
                f"{self.folder.path} holds a run with other settings ({', '.join(changes)}): "
                "restore them or choose another output."
            )
        try:
            own = self.plain.state_dict()
            fitting = {
                name: share(value, own.get(name, value)) for name, value in state["module"].items()
            }
            self._check_frozen(fitting)
            self.plain.load_state_dict(fitting)
            self.optimizer.load_state_dict(shared_state(state["optimizer"], self.live))
            self.average.load(state["average"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise SettingsError(
                f"{self.folder.path} holds networks of other sizes ({str(error).splitlines()[0]}): "
                "restore the configuration or choose another output."
            ) from error
        if self.accelerator.scaler is not None and state.get("scaler"):
            self.accelerator.scaler.load_state_dict(state["scaler"])
        step = int(state["step"])
        if self.accelerator.is_main_process:
            self.folder.cut_curve(step)
        self.say(f"{self.trainee.name}: goes on from step {step}")
        return step
