"""Video files: what is read, what is written, and sentences on what cannot be."""

from __future__ import annotations

import subprocess
import sys

import av
import numpy as np
import pytest
from PIL import Image

from realishuman.errors import PictureError, SettingsError
from realishuman.video.containers import VideoFile, VideoWriter
from realishuman.video.encoding import Encoding
from tests.video.clips import SIZE, make_video, picture, probe


def copy(source, target, encoding=None):
    clip = VideoFile(source)
    frames = list(clip.frames())
    with VideoWriter(target, clip, frames[0].planes, encoding or Encoding()) as writer:
        for frame in frames:
            writer.add(frame)
    return frames, VideoFile(target)


def times(clip):
    return [float(frame.start * clip.base) for frame in clip.frames()]


@pytest.mark.parametrize(
    ("name", "codec", "layout", "target"),
    [
        ("in.mp4", "libx264", "yuv420p", "out.mp4"),
        ("in.mp4", "libx264", "yuv444p", "out.mp4"),
        ("in.mkv", "libx264", "yuv420p10le", "out.mp4"),
        ("in.mkv", "ffv1", "yuv422p10le", "out.mkv"),
        ("in.mkv", "ffv1", "bgr0", "out.mkv"),
        ("in.mkv", "ffv1", "gray", "out.mkv"),
        ("in.webm", "libvpx-vp9", "yuv420p", "out.webm"),
    ],
)
def test_a_lossless_copy_is_exact(tmp_path, name, codec, layout, target):
    make_video(tmp_path / name, codec=codec, layout=layout)

    frames, made = copy(tmp_path / name, tmp_path / target, Encoding(lossless=True))

    assert len(frames) == 5
    for before, after in zip(frames, made.frames(), strict=True):
        assert before.planes.bits == after.planes.bits
        assert np.array_equal(before.planes.rgb(), after.planes.rgb())


def test_the_usual_quality_is_good_and_plays_everywhere(tmp_path):
    frames, made = copy(make_video(tmp_path / "in.mp4", 8), tmp_path / "out.mp4")

    assert probe(tmp_path / "out.mp4") == [("video", "h264", "und")]
    for before, after in zip(frames, made.frames(), strict=True):
        apart = np.abs(before.planes.rgb().astype(int) - after.planes.rgb())
        assert apart.mean() < 2


def test_uneven_times_are_kept(tmp_path):
    starts = [0, 40, 90, 300, 333]
    make_video(tmp_path / "in.mkv", starts=starts)

    _, made = copy(tmp_path / "in.mkv", tmp_path / "out.mp4")

    assert times(made) == pytest.approx([0, 0.04, 0.09, 0.3, 0.333])


def test_colours_are_told_as_before(tmp_path):
    tags = {"color_range": 2, "colorspace": 9, "color_primaries": 9, "color_trc": 16}
    make_video(tmp_path / "in.mp4", layout="yuv420p10le", tags=tags)

    copy(tmp_path / "in.mp4", tmp_path / "out.mp4")

    with av.open(str(tmp_path / "out.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert {name: getattr(context, name) for name in tags} == tags
        assert context.pix_fmt == "yuv420p10le"


def test_all_sound_and_titles_are_copied(tmp_path):
    make_video(tmp_path / "in.mp4", sounds=("deu", "eng"), words="A title")

    copy(tmp_path / "in.mp4", tmp_path / "out.mkv")

    kinds = [kind for kind, _, _ in probe(tmp_path / "out.mkv")]
    assert kinds == ["video", "audio", "audio"]
    assert [language for _, _, language in probe(tmp_path / "out.mkv")][1:] == ["deu", "eng"]
    with av.open(str(tmp_path / "out.mkv")) as file, av.open(str(tmp_path / "in.mp4")) as given:
        assert file.metadata["title"] == "A title"
        one, other = (
            [bytes(packet) for packet in each.demux(each.streams.audio) if packet.dts is not None]
            for each in (file, given)
        )
    assert one == other
    assert one


def test_sound_that_a_file_cannot_hold_is_said_before_any_work(tmp_path):
    make_video(tmp_path / "in.mp4", sounds=("deu",))

    with pytest.raises(SettingsError, match=r"\.webm cannot hold the audio aac .* \.mkv"):
        copy(tmp_path / "in.mp4", tmp_path / "out.webm")


def test_odd_sizes_keep_their_size(tmp_path):
    make_video(tmp_path / "in.mkv", size=(47, 63), codec="ffv1")

    frames, made = copy(tmp_path / "in.mkv", tmp_path / "out.mp4")

    assert made.size == (47, 63)
    apart = [
        np.abs(a.planes.rgb().astype(int) - b.planes.rgb()).mean()
        for a, b in zip(frames, made.frames(), strict=True)
    ]
    assert max(apart) < 3


def test_frames_that_metadata_turns_are_upright(tmp_path):
    make_video(tmp_path / "in.mp4")
    turned = tmp_path / "turned.mp4"
    _turn(tmp_path / "in.mp4", turned)

    clip = VideoFile(turned)
    upright = next(iter(clip.frames())).planes.rgb()

    assert clip.size == (64, 48)
    given = next(iter(VideoFile(tmp_path / "in.mp4").frames())).planes.rgb()
    assert np.array_equal(upright, np.rot90(given, 3))


def _turn(source, target):
    """A quarter to the right, in the header of the track: the matrix of ISO 14496-12."""
    content = bytearray(source.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    one = 1 << 16
    matrix = [0, one, 0, -one, 0, 0, SIZE[0] << 16, 0, 1 << 30]
    content[place : place + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in matrix)
    target.write_bytes(bytes(content))


def test_a_cut_off_file_is_said_to_be_one(tmp_path):
    make_video(tmp_path / "in.mp4", 50)
    content = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) // 2])

    with pytest.raises(PictureError, match=r"cut\.mp4 cannot be opened as a video .*cut off"):
        VideoFile(tmp_path / "cut.mp4")


def test_a_file_that_breaks_off_is_no_shorter_clip(tmp_path):
    make_video(tmp_path / "in.mkv", 100, codec="ffv1")
    content = (tmp_path / "in.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(content[: len(content) // 2])

    clip = VideoFile(tmp_path / "cut.mkv")
    with pytest.raises(PictureError, match=r"breaks off after \d\.\d of 4\.0 s|cannot be decoded"):
        list(clip.frames())


def test_a_picture_named_mp4_is_said_to_be_one(tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / "in.png")
    (tmp_path / "in.png").rename(tmp_path / "in.mp4")

    with pytest.raises(PictureError, match=r"in\.mp4 is a picture \(png\), no video"):
        VideoFile(tmp_path / "in.mp4")


@pytest.mark.parametrize("content", [b"", b"no video at all" * 99])
def test_what_is_no_video_is_said_to_be_none(tmp_path, content):
    (tmp_path / "in.mp4").write_bytes(content)

    with pytest.raises(PictureError, match="cannot be opened as a video"):
        VideoFile(tmp_path / "in.mp4")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(PictureError, match="does not exist"):
        VideoFile(tmp_path / "in.mp4")


def test_sound_alone_is_no_video(tmp_path):
    make_video(tmp_path / "in.mkv", sounds=("deu",))
    with av.open(str(tmp_path / "in.mkv")) as given, av.open(str(tmp_path / "a.mp4"), "w") as file:
        track = file.add_stream_from_template(given.streams.audio[0])
        for packet in given.demux(given.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = track
                file.mux(packet)

    with pytest.raises(PictureError, match="holds no video, only audio"):
        VideoFile(tmp_path / "a.mp4")


def test_one_frame_is_a_clip(tmp_path):
    _, made = copy(make_video(tmp_path / "in.mp4", 1), tmp_path / "out.mp4")

    assert len(list(made.frames())) == 1


def test_a_codec_that_the_file_cannot_hold_is_refused(tmp_path):
    make_video(tmp_path / "in.mp4")

    with pytest.raises(SettingsError, match=r"\.webm does not hold h264"):
        copy(tmp_path / "in.mp4", tmp_path / "out.webm", Encoding(codec="h264"))


def test_importing_the_package_needs_no_pyav():
    code = "import sys, realishuman.video.run, realishuman.cli.refine; print('av' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stdout == "False\n", done.stderr
