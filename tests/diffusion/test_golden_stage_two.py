"""Stage two against numbers recorded from the released code."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from realishuman.diffusion import stage_two
from realishuman.diffusion.sampling import Sampling
from realishuman.packs.header import ScheduleConstants
from realishuman.progress import Silent

FORWARD = 2e-5


@pytest.mark.parametrize(("case", "timesteps"), [("b1", [501]), ("b2", [951, 21])])
def test_one_prediction(two, golden, case, timesteps, close):
    record = golden("stage_two.npz")
    rows = len(timesteps)
    condition = two.unet.condition(record["forward/encoder_hidden_states"][:rows])

    prediction = two.unet.predict(
        record["forward/sample"][:rows], torch.tensor(timesteps), condition, None
    )

    close(prediction, record[f"forward/out/{case}"], FORWARD)


RUNS = {
    "eps_zsnr_4_b2": (ScheduleConstants(), Sampling(4, 3.0)),
    "eps_zsnr_20": (ScheduleConstants(), Sampling(20, 3.0)),
    "v_zsnr_4": (
        ScheduleConstants(prediction="v_prediction", spacing="linspace"),
        Sampling(4, 3.0),
    ),
    "eps_zsnr_4_g1": (ScheduleConstants(), Sampling(4, 1.0)),
    "eps_plain_4": (ScheduleConstants(zero_snr=False), Sampling(4, 3.0)),
}


@pytest.fixture
def begin(golden, recorded_noise):
    """A function: what a recorded run began with, and its noise."""

    def begin(run):
        record = golden("stage_two.npz")
        parts = len(record[f"{run}/gt_latents"])
        given = stage_two.Prepared(
            image=record[f"{run}/gt_latents"],
            i_f=record[f"{run}/masked_image_latents"],
            m_f=record["mask_latent"][:parts],
            m_d=record["mask_finalstep_latent"][:parts] > 0.5,
        )
        return given, recorded_noise(
            record["initial_latents"][:parts], record[f"{run}/noise_steps"]
        )

    return begin


@pytest.mark.parametrize("run", RUNS)
def test_the_loop_reproduces_the_recorded_latents(two, golden, begin, run, close):
    record, (schedule, sampling) = golden("stage_two.npz"), RUNS[run]
    given, noise = begin(run)

    latents = stage_two.sample(replace(two, schedule=schedule), given, sampling, noise, Silent())

    expected = record[f"{run}/decoder_input"] * 0.18215
    close(latents, expected, 1e-4 * max(1.0, record[f"{run}/latents"][-1].std().item()))
    assert torch.equal(
        latents.where(~given.m_d, torch.tensor(0.0)),
        given.image.where(~given.m_d, torch.tensor(0.0)),
    )
    if f"{run}/image" in record:
        image = two.autoencoder.decode(latents)
        close(image, record[f"{run}/image"].float() / 65535, 1e-4)


@pytest.mark.parametrize("run", RUNS)
def test_the_background_is_put_in_before_every_step(two, golden, begin, recorder, run, close):
    record, (schedule, sampling) = golden("stage_two.npz"), RUNS[run]
    given, noise = begin(run)
    watched, parts = recorder(two.unet), len(given.image)

    stage_two.sample(
        replace(two, schedule=schedule, unet=watched), given, sampling, noise, Silent()
    )

    for seen, recorded in zip(watched.latents[1:], record[f"{run}/latents"], strict=False):
        inside = given.m_d.expand(-1, 4, -1, -1)
        close(seen[-parts:, :4][inside], recorded[inside], 1e-4 * max(1.0, recorded.std().item()))
        assert torch.equal(seen[-parts:, 4:5], given.m_f)
        assert torch.equal(seen[-parts:, 5:], given.i_f)


def test_latents_take_their_mask_from_the_top_left_pixel_of_their_square(two, golden):
    record = golden("stage_two.npz")
    m_f, m_d = (record[name].bool()[:, None] for name in ("mask", "mask_finalstep"))
    picture = torch.zeros(1, 3, 128, 128)

    given = stage_two.prepare(two, stage_two.StageTwoInputs(picture, picture, m_f, m_d))

    assert torch.equal(given.m_f, record["mask_latent"][:1])
    assert torch.equal(given.m_d.float(), record["mask_finalstep_latent"][:1])


def test_the_ring_is_grey_and_the_eroded_core_is_the_repaired_part():
    image, repaired = torch.full((1, 3, 1, 4), 0.2), torch.full((1, 3, 1, 4), 0.8)
    m_d = torch.tensor([[[[0, 1, 1, 1]]]]).bool()
    m_e = torch.tensor([[[[0, 0, 1, 0]]]]).bool()

    made = stage_two.inputs(image, repaired, m_d, m_e)

    assert made.m_f.flatten().tolist() == [False, True, False, True]
    torch.testing.assert_close(made.i_f[0, 0, 0], torch.tensor([-0.6, 0.0, 0.6, 0.0]))
    torch.testing.assert_close(made.image, torch.full((1, 3, 1, 4), -0.6))
