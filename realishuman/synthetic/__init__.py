"""Rendered hands with malformed twins: training pairs and examples nobody else has rights to."""
