from __future__ import annotations

import signal
import subprocess
import sys

# An embedded engine whose model cannot be freed while it computes, as llama.cpp's cannot; and an interruption.
PROGRAM = """
import atexit, time
from tenward.cli import _main
from tenward.judges import _engine

class Busy:
    def close(self):
        time.sleep(3600)

def interrupted(args):
    print("written before", end="")
    raise KeyboardInterrupt

_engine._engines["model", 1] = Busy()
atexit.register(_engine._close_all)
_main._run = interrupted
_main.main([])
"""


def test_an_interrupted_process_does_not_wait_for_the_embedded_engine() -> None:
    """It leaves at once with the status of the signal, and what was printed is not lost."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 128 + signal.SIGINT
    assert ended.stdout == "written before"
    assert ended.stderr == "interrupted\n"
