#!/usr/bin/env bash
# Everything that is worth knowing of a GPU, in at most 9 minutes; prints tables for
# docs/performance.md. Run it from the repository's root with torch for CUDA installed:
#   benchmarks/gpu.sh > gpu.md
# With arguments it runs smaller: benchmarks/gpu.sh --device cpu --width 0.1 --latents 8 --steps 1 --batches 1
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH=. PYTHONUNBUFFERED=1
python=${PYTHON:-python3}
command -v nvidia-smi >/dev/null &&
    nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks_throttle_reasons.active --format=csv
timeout 500 "$python" -m benchmarks.gpu "$@"
if [ $# -eq 0 ]; then # the pictures must be those that the CPU gives
    timeout 40 "$python" -m pytest -q -m gpu tests/diffusion/test_cuda.py || true
fi
