"""Stage one against numbers recorded from the released code."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from realishuman.diffusion import stage_one
from realishuman.diffusion.sampling import Sampling
from realishuman.packs.header import ScheduleConstants
from realishuman.progress import Silent

FORWARD = 2e-5  # observed against float64 when recording: 2.3e-6


def conditions(one, record, rows, case="in"):
    tokens = one.projector(record[f"{case}/tokens"][:rows])
    pose, ref_pose = (
        one.pose_guider(record[f"{case}/{name}"][:rows].float() / 255)
        for name in ("pose", "ref_pose")
    )
    return one.unet.condition(tokens, pose), one.reference.condition(tokens, ref_pose)


@pytest.mark.parametrize(
    ("case", "rows", "timestep", "reference_timestep", "inputs"),
    [
        ("b1_ref", 1, [501], [501], "in"),
        ("b1_ref_fixt", 1, [501], [0], "in"),
        ("b1_ref_t1", 1, [1], [1], "in"),
        ("b1_drop", 1, [501], None, "in"),
        ("b2_ref", 2, [951, 21], [951, 21], "in"),
        ("b2_drop", 2, [951, 21], None, "in"),
        ("wide_ref", 1, [501], [501], "wide"),
    ],
)
def test_one_prediction(one, golden, case, rows, timestep, reference_timestep, inputs, close):
    record = golden("stage_one_forward.npz")
    main, reference = conditions(one, record, rows, inputs)
    bank = None
    if reference_timestep is not None:
        bank = one.reference.features(
            record[f"{inputs}/ref_sample"][:rows], torch.tensor(reference_timestep), reference
        )

    prediction = one.unet.predict(
        record[f"{inputs}/sample"][:rows], torch.tensor(timestep), main, bank
    )

    close(prediction, record[f"out/{case}"], FORWARD)


def test_a_reference_pass_writes_the_recorded_features_of_all_sixteen_blocks(one, golden, close):
    record = golden("stage_one_forward.npz")
    _, reference = conditions(one, record, 1)

    bank = one.reference.features(record["in/ref_sample"][:1], torch.tensor([501]), reference)

    expected = {k.removeprefix("bank/"): v for k, v in record.items() if k.startswith("bank/")}
    assert len(expected) == 16
    assert bank.features.keys() == expected.keys()
    for name, features in expected.items():
        close(bank.features[name], features, FORWARD)


def test_pose_guider_and_projector(one, golden, close):
    record = golden("stage_one_forward.npz")

    pose = one.pose_guider(record["in/pose"][:1].float() / 255)
    context = one.projector(record["in/tokens"][:1])

    close(pose, record["part/pose_guider(pose)"], FORWARD)
    close(context, record["part/clip_projector(tokens)"], FORWARD)


def test_the_autoencoder_gives_the_mean_of_the_recorded_posterior(one, golden, close):
    record = golden("stage_one_loops.npz")

    latents = one.autoencoder.encode(record["ref_image"])

    close(latents, record["ref_mean"][:1] * 0.18215, FORWARD)


V_LINSPACE = ScheduleConstants(prediction="v_prediction", spacing="linspace")
RUNS = {
    "eps_zsnr_4_b2": (ScheduleConstants(), Sampling(4, 3.0)),
    "eps_zsnr_20": (ScheduleConstants(), Sampling(20, 3.0)),
    "v_zsnr_4": (V_LINSPACE, Sampling(4, 3.0)),
    "eps_zsnr_4_g1": (ScheduleConstants(), Sampling(4, 1.0)),
    "eps_plain_4": (ScheduleConstants(zero_snr=False), Sampling(4, 3.0)),
}


def prepared(one, record, run):
    reference = record.get(f"{run}/ref_latents", record["ref_latents"])
    pose = torch.cat([record["pose"], record["pose"].flip(-1)])[: len(reference)]
    embedded = one.pose_guider(pose)
    return stage_one.Prepared(
        reference=reference,
        pose=embedded,
        reference_pose=embedded,
        context=one.projector(record["tokens_cond"][: len(reference)]),
    )


@pytest.mark.parametrize("run", RUNS)
def test_the_loop_reproduces_the_recorded_latents_after_every_step(
    one, golden, recorded_noise, recorder, run, close
):
    record = golden("stage_one_loops.npz")
    schedule, sampling = RUNS[run]
    given = prepared(one, record, run)
    parts = len(given.reference)
    watched = recorder(one.unet)
    networks = replace(
        one, unet=watched, schedule=schedule, no_context=one.projector(record["tokens_uncond"])
    )
    noise = recorded_noise(record["initial_latents"][:parts])

    latents = stage_one.sample(networks, given, sampling, noise, Silent())

    after_each = [seen[-parts:] for seen in watched.latents[1:]] + [latents]
    for found, expected in zip(after_each, record[f"{run}/latents"], strict=True):
        close(found, expected, 1e-4 * max(1.0, expected.std().item()))
    if f"{run}/image" in record:
        image = one.autoencoder.decode(latents)
        close(image, record[f"{run}/image"].float() / 65535, 1e-4)
