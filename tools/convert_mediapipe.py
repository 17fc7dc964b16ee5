"""Makes realishuman/assets/mediapipe from Google's mediapipe wheel (Apache-2.0).

Run it in an environment of its own, it is not needed to use the project:

    pip download --no-deps --python-version 3.11 --only-binary :all: \
        --platform manylinux_2_28_x86_64 mediapipe==0.10.21
    pip install tflite==2.18.0 flatbuffers onnx==1.23.2 numpy
    python tools/convert_mediapipe.py mediapipe-0.10.21-*.whl

The same wheel gives the same bytes with the same onnx version.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import zipfile
from pathlib import Path

from tflite_to_onnx import convert

ASSETS = Path(__file__).parents[1] / "realishuman" / "assets"
MODELS = {  # path in the wheel below mediapipe/modules, names of the outputs in the file's order
    "palm_detection/palm_detection_full": ("regressors", "scores"),
    "hand_landmark/hand_landmark_full": ("landmarks", "presence", "handedness", "world"),
    "face_detection/face_detection_full_range_sparse": ("regressors", "scores"),
    "face_landmark/face_landmark": ("landmarks", "presence"),
}
INNER = {  # what is given of the inside: name, number of the tensor in the tflite file
    "hand_landmark/hand_landmark_full": {"features": 149},  # feet are told from hands by it
}


def main() -> None:
    """Convert every model and record the SHA-256 of what was written."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    wheel: Path = parser.parse_args().wheel
    sums: dict[str, str] = {}
    with zipfile.ZipFile(wheel) as archive:
        for path, outputs in MODELS.items():
            member = f"mediapipe/modules/{path}.tflite"
            raw = archive.read(member)
            name = Path(member).name
            model = convert(
                raw,
                outputs,
                {
                    "provenance": f"converted to ONNX from {name}, {member} in {wheel.name}",
                    "source_sha256": hashlib.sha256(raw).hexdigest(),
                    "licence": "Apache-2.0, Copyright The MediaPipe Authors",
                    "modified": "layout NCHW, dynamic batch, named outputs, sparse weights dense",
                },
                INNER.get(path),
            )
            data = model.SerializeToString(deterministic=True)
            target = ASSETS / "mediapipe" / f"{Path(member).stem}.onnx"
            target.write_bytes(data)
            sums[target.relative_to(ASSETS).as_posix()] = hashlib.sha256(data).hexdigest()
            print(f"{target}: {len(data)} bytes, {sums[f'mediapipe/{target.name}']}")
        (licence,) = (n for n in archive.namelist() if n.endswith(".dist-info/LICENSE"))
        (ASSETS / "mediapipe" / "LICENSE").write_bytes(archive.read(licence))
    _record(sums)


def _record(sums: dict[str, str]) -> None:
    """Replace our entries of checksums.json and leave everyone else's."""
    listing = ASSETS / "checksums.json"
    known = json.loads(listing.read_text("utf-8")) if listing.exists() else {}
    merged = dict(sorted((known | sums).items()))
    listing.write_text(json.dumps(merged, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
