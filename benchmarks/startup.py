"""How long the command line takes from its start to the parts of the first picture.

    python benchmarks/startup.py [PICTURE] [--runs 5]

Each run is a process of its own: it imports what `refine` needs, opens the built-in detector and
mesh, and finds the parts. Prints the least and the median of each, in seconds of wall and CPU time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
ONE = """
import json, sys, time
start, begun = time.perf_counter(), time.process_time()
marks = {}
def mark(name):
    marks[name] = time.perf_counter() - start
from realishuman import Settings, open_models
from realishuman.pipeline.look import look
from realishuman.imaging.picture import load_picture
mark("import")
models = open_models(device="cpu")
mark("open")
rgb = load_picture(sys.argv[1]).rgb
found = look(rgb, models, Settings())
mark("detect")
marks["CPU of all"] = time.process_time() - begun
print(json.dumps(marks))
"""


def main() -> None:
    """Print a line for each moment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", default=str(ROOT / "examples" / "hand.png"))
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    measured = []
    for _ in range(options.runs):
        ran = subprocess.run(
            [sys.executable, "-c", ONE, options.picture],
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        measured.append(json.loads(ran.stdout))
    for name in measured[0]:
        times = [one[name] for one in measured]
        print(f"{name:12} {min(times):.2f} / {statistics.median(times):.2f} s")


if __name__ == "__main__":
    main()
