"""Measures repairs where the truth is known, and pictures where it is not."""
