"""Animations and folders of frames as clips."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from realishuman.errors import PictureError, SettingsError
from realishuman.imaging.picture import load_picture
from realishuman.video.animations import Animation, is_animation, write_animation
from realishuman.video.changes import (
    apply_changes,
    find_changes,
    pack_changes,
    read_faults,
    unpack_changes,
)
from realishuman.video.clip import Frame
from realishuman.video.frame_folders import FrameFolder, write_frames
from realishuman.video.planes import planes_of
from tests.video.clips import picture


def animate(path, count=4, durations=(50, 120, 50, 80), alpha=False, loop=3):
    images = [Image.fromarray(picture(number) // 64 * 64) for number in range(count)]
    if alpha:
        for image in images:
            image.putalpha(Image.fromarray(np.where(picture(0)[..., 0] > 90, 255, 0).astype("u1")))
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=list(durations), loop=loop,
        **({"lossless": True} if path.suffix == ".webp" else {}),
    )  # fmt: skip
    return path


@pytest.mark.parametrize("ending", [".gif", ".webp", ".png"])
@pytest.mark.parametrize("alpha", [False, True])
def test_an_animation_is_written_as_it_was_read(tmp_path, ending, alpha):
    clip = Animation(animate(tmp_path / f"in{ending}", alpha=alpha))
    frames = list(clip.frames())

    write_animation(tmp_path / f"out{ending}", frames, clip.loop)

    made = Animation(tmp_path / f"out{ending}")
    assert (made.loop, made.count, made.size) == (clip.loop, 4, (48, 64))
    for before, after in zip(frames, made.frames(), strict=True):
        assert (before.start, before.duration) == (after.start, after.duration)
        seen = slice(None) if before.planes.alpha is None else before.planes.alpha > 0
        assert np.array_equal(before.planes.rgb()[seen], after.planes.rgb()[seen])
        assert (before.planes.alpha is None) == (after.planes.alpha is None)
    assert [frame.duration for frame in frames] == [50, 120, 50, 80]


def test_what_is_an_animation(tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / "one.png")
    Image.fromarray(picture(0)).save(tmp_path / "one.webp")

    assert is_animation(animate(tmp_path / "two.webp"))
    assert not is_animation(tmp_path / "one.png")
    assert not is_animation(tmp_path / "one.webp")
    assert not is_animation(tmp_path / "missing.png")


def test_a_cut_off_animation_is_said_to_be_one(tmp_path):
    content = animate(tmp_path / "in.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])

    with pytest.raises(PictureError, match=r"frame \d of .*cut\.png cannot be read"):
        list(Animation(tmp_path / "cut.png").frames())


def save_frames(folder, names, size=(48, 64)):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(picture(number, size)).save(folder / name)
    return folder


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    clip = FrameFolder(save_frames(tmp_path / "in", ["f10.png", "f9.png", "f11.png"]))

    assert [frame.name[-7:] for frame in clip.frames()] == ["/f9.png", "f10.png", "f11.png"]
    assert clip.notes == ()


def test_missing_frames_are_noticed(tmp_path):
    names = [f"{number:03}.png" for number in (1, 2, 3, 5, 6, 9)]

    (note,) = FrameFolder(save_frames(tmp_path / "in", names)).notes

    assert "missing after 003.png and in 1 more places" in note


def test_every_second_frame_is_no_gap(tmp_path):
    names = [f"{number:03}.png" for number in (2, 4, 6, 8)]

    assert FrameFolder(save_frames(tmp_path / "in", names)).notes == ()


def test_frames_of_several_sizes_are_no_clip(tmp_path):
    folder = save_frames(tmp_path / "in", ["1.png", "2.png", "3.png"])
    save_frames(folder, ["4.png"], size=(40, 64))

    with pytest.raises(PictureError, match=r"4\.png has 64 x 40 pixels, but most .* 64 x 48"):
        FrameFolder(folder)


def test_an_empty_folder_is_no_clip(tmp_path):
    with pytest.raises(SettingsError, match="holds no picture"):
        FrameFolder(save_frames(tmp_path / "in", []))


def test_unchanged_frames_are_copied_and_changed_ones_keep_their_other_pixels(tmp_path):
    folder = save_frames(tmp_path / "in", ["1.png", "2.png"])
    (tmp_path / "out").mkdir()
    first, second = FrameFolder(folder).frames()
    after = second.planes.rgb().copy()
    after[3:9, 5:20] = 77
    changes = find_changes(second.planes.rgb(), after)

    write_frames(tmp_path / "out", [(first, False), (apply_changes(second, changes), True)])

    assert (tmp_path / "out/1.png").read_bytes() == (folder / "1.png").read_bytes()
    assert np.array_equal(load_picture(tmp_path / "out/2.png").rgb, after)


def test_changes_survive_as_records():
    before = picture(0)
    after = before.copy()
    after[3:9, 5:20] += 7
    after[30:40, 50:60] = 3
    after[31:33, 4:6] = 9

    changes = unpack_changes(pack_changes(find_changes(before, after)))

    assert len(changes) == 3
    frame = apply_changes(Frame(planes_of(before), 0), changes)
    assert np.array_equal(frame.planes.rgb(), after)
    assert unpack_changes(pack_changes([], fault="why")) == []
    assert read_faults(pack_changes([], fault="why")) == ("why", "")


def test_changes_whose_boxes_overlap_are_added_once():
    before = np.full((60, 60, 3), 100, np.uint8)
    after = before.copy()
    after[5:50, 5] = after[50, 5:50] = 200  # an L around a dot
    after[20:24, 30:34] = 10
    changes = find_changes(before, after)

    assert len(changes) == 2
    frame = apply_changes(Frame(planes_of(before), 0), changes)
    assert np.array_equal(frame.planes.rgb(), after)
