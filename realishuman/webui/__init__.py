"""The extension inside a Stable Diffusion WebUI."""
