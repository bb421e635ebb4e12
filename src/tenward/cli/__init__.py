"""The command line. Only click is imported until a command is chosen, so that ``tenward --help`` is instant."""

from tenward.cli._main import main

__all__ = ["main"]
