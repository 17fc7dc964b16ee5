from __future__ import annotations

import json
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from realishuman.errors import PictureError
from realishuman.evaluate.metrics import Interval
from realishuman.evaluate.plots import bars, contact_sheet
from realishuman.evaluate.report import Report, Table, to_html, to_markdown, write

TILE = np.full((40, 40, 3), 90, np.uint8)


def report_of(weights="random", title="Hands & <others>"):
    table = Table(
        "Numbers", ("method", "dB"), [("ours", Interval(1.25, 1.0, 1.5, 9)), ("-", None)], (0, 2)
    )
    return Report(
        title,
        weights,
        {"pairs": 9},
        ["a note"],
        [table],
        [bars("dB", [("ours", Interval(1.25, 1.0, 1.5, 9)), ("none", None)], 2)],
        [[("before", TILE), ("after", TILE)]],
        {"measures": [1]},
    )


def test_whole_files_are_written_and_all_texts_say_random(tmp_path):
    paths = write(report_of(), tmp_path / "new" / "folder")

    names = ["report.json", "report.md", "report.html", "sheet.jpg"]
    assert [path.name for path in paths] == names
    assert sorted(paths[0].parent.iterdir()) == sorted(paths)
    assert cv2.imread(str(paths[3])).shape == (256 + 18, 2 * 256, 3)
    for path in paths[:3]:
        assert "RANDOM" in path.read_text(encoding="utf-8")
    content = json.loads(paths[0].read_text(encoding="utf-8"))
    assert (content["weights"], content["measures"]) == ("random", [1])


@pytest.mark.parametrize(("weights", "demo"), [("demo", True), ("trained", False)])
def test_other_weights_are_not_called_random_and_only_the_demos_are_called_so(weights, demo):
    text = to_markdown(report_of(weights))

    assert "RANDOM" not in text
    assert ("demo pack" in text) == demo


def test_a_folder_that_is_a_file_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(PictureError, match=r"file.*cannot be written"):
        write(report_of(), tmp_path / "file")


def test_a_cell_is_a_mean_with_half_its_interval_or_a_dash():
    text = to_markdown(report_of())

    assert "| ours | 1.25 ± 0.25 |" in text
    assert "| - | - |" in text


def test_the_page_needs_no_other_file_and_its_texts_are_escaped():
    page = to_html(report_of())
    seen = []

    class Links(HTMLParser):
        def handle_starttag(self, tag, attributes):
            seen.extend(value for name, value in attributes if name in ("src", "href"))

    Links().feed(page)
    assert [value.split(",")[0] for value in seen] == ["data:image/jpeg;base64"]
    assert "<others>" not in page
    assert "<svg" in page


def test_every_table_scrolls_in_a_box_of_its_own():
    """Wide tables would make the whole page scroll sideways."""
    page = to_html(report_of())

    assert ".wide{overflow-x:auto" in page
    assert page.count('<div class="wide"><table>') == page.count("<table>") == 1


def test_bars_are_as_long_as_their_values():
    text = bars("x", [("a", Interval(1, 1, 1, 1)), ("b", Interval(2, 2, 2, 1))], 0)
    widths = [float(part.split('"')[0]) for part in text.split(' width="')[2:]]

    assert widths[1] == pytest.approx(2 * widths[0])


def test_negative_bars_stay_inside_the_picture():
    text = bars("x", [("a", Interval(-4, -5, -3, 1)), ("b", Interval(2, 1, 3, 1))], 0)

    starts = [float(part.split('"')[0]) for part in text.split('<rect x="')[1:]]
    assert min(starts) >= 290


def test_the_sheet_has_a_row_per_pair_and_its_pictures_in_it():
    sheet = contact_sheet([[("a", TILE), ("b", TILE)], [("c", TILE[:, :20])]])

    assert sheet.shape == (2 * 178, 320, 3)
    assert (sheet[100, 80] == 90).all()
    assert (sheet[278, 200] == 245).all()
