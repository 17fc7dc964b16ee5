"""ONNX files: opened on the right device, bound to torch, written."""
