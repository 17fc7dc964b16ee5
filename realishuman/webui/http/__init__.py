"""The HTTP routes under /realishuman/v1."""
