"""What five criteria cost on the embedded model, as a multiple of reading the prompt once.

    python benchmarks/embedded.py

Each round judges a text nobody has judged before. The task is read first, then the candidate with the first question:
that is the prompt, read once. The other questions reuse it. The ratio compares the engine time of all with that, in the
same run; the engine's own counters say how many tokens were computed and how many were reused.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from typing import Any

from tenward.datasets import Case
from tenward.judges import Judge
from tenward.rubrics import Rubric

_FUNCTION = '''
def step_{n}(values, limit={n}):
    """Return the values up to the limit, doubled where they are even."""
    kept = [value for value in values if value <= limit]
    return [value * 2 if value % 2 == 0 else value for value in kept]
'''


async def measure(rounds: int) -> None:
    """Print one line per round and the median ratio."""
    judge, rubric = Judge.load("local"), Rubric.load("code-review")
    assert len(rubric.criteria) == 5
    await judge.judge(_case(999), rubric)  # loads the model; not counted
    ratios: list[float] = []
    print(f"{'round':>5} {'prompt tokens':>14} {'once ms':>9} {'all five ms':>12} {'ratio':>6}  computed + reused")
    for number in range(1, rounds + 1):
        verdict = await judge.judge(_case(number), rubric)
        calls: tuple[dict[str, Any], ...] = verdict.engine["calls"]
        first, total = _ms(calls[0]) + _ms(calls[1]), sum(map(_ms, calls))
        ratios.append(total / first)
        counters = ", ".join(f"{call['prompt_n']:.0f}+{call['cache_n']:.0f}" for call in calls)
        print(
            f"{number:>5} {calls[1]['prompt_n'] + calls[1]['cache_n']:>14.0f} {first:>9.0f} {total:>12.0f} "
            f"{ratios[-1]:>6.2f}  {counters}"
        )
    await judge.aclose()
    print(f"median ratio {statistics.median(ratios):.2f}")


def _case(number: int) -> Case:
    code = "".join(_FUNCTION.format(n=number * 100 + index) for index in range(12))
    return Case(id=str(number), output=f"# draft {number}\n{code}", input=f"Write helpers for report {number}.")


def _ms(call: dict[str, Any]) -> float:
    return float(call["prompt_ms"]) + float(call["predicted_ms"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asyncio.run(measure(parser.parse_args().rounds))
