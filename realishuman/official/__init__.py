"""Official checkpoints and model files, read, checked and exported to ONNX; no part of a run."""
