"""What it costs to contain a command: `/bin/true` bare, and in a room at each level that the machine has, in turns.

Run: python benchmarks/containment.py [ROUNDS]      (no model, no network)
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tenward.containment import Containment, Level, Room, containment
from tenward.errors import TenwardError


def levels() -> list[Level]:
    """What this machine has, the lack of any first."""
    found = [Level.NONE]
    for level in Level:
        os.environ["TENWARD_CONTAINMENT"] = level
        try:
            if containment().level is not Level.NONE:
                found.append(level)
        except TenwardError:
            continue
    return found


def once(level: Level, folder: Path) -> float:
    """Seconds of one command, its room made and removed."""
    began = time.perf_counter()
    room = Room(write=(folder,))
    with Containment(level).start(["/bin/true"], room, cwd=folder, env={"PATH": os.environ["PATH"]}) as process:
        process.wait()
    return time.perf_counter() - began


def main() -> None:
    """Print the median of each."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    here = levels()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve()
        took = [(level, once(level, folder)) for _ in range(rounds) for level in here]
    for level in here:
        mine = [seconds for one, seconds in took if one is level]
        print(f"{level}: {1000 * median(mine):.1f} ms, at best {1000 * min(mine):.1f} ms, of {rounds}")


if __name__ == "__main__":
    main()
