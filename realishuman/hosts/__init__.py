"""The programs that run the pipeline: the command line and the Stable Diffusion WebUIs."""
