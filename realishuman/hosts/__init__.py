"""The programs that run the pipeline: the command line's own and, later, the WebUIs."""
