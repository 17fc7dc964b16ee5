"""The WebUI around us: its networks, its progress bar, and the engine that works beside them."""
