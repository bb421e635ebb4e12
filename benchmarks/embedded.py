"""What criteria, words and checks cost on the embedded model, as a multiple of reading the prompt once.

    python benchmarks/embedded.py [--rounds 5] [--stub]

Each round judges a text nobody has judged before. The task is read first, then the candidate with the first question:
that is the prompt, read once. The other questions reuse it. The ratio compares the engine time of all with that, in the
same run; the engine's own counters say how many tokens were computed and how many were reused. The words that a program
makes of the verdict are timed beside the whole score, and so are the rubric's checks, read on the same prompt.

With --stub, an endpoint on this machine that answers at once takes the model's place, so that the program's share of a
score is as large as it can be.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import timeit
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tenward.datasets import Case
from tenward.judges import Judge, JudgeSpec, ModelJudge, explain_by_program
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge, StubServer

if TYPE_CHECKING:
    from tenward.judges import Verdict

_REPEATS = 200
_FUNCTION = '''
def step_{n}(values, limit={n}):
    """Return the values up to the limit, doubled where they are even."""
    kept = [value for value in values if value <= limit]
    return [value * 2 if value % 2 == 0 else value for value in kept]
'''


async def measure(rounds: int) -> None:
    """Print one line per round and the medians."""
    judge, rubric = Judge.load("local"), Rubric.load("code-review")
    assert len(rubric.criteria) == 5
    await judge.judge(_case(999), rubric)  # loads the model; not counted
    ratios: list[float] = []
    shares: list[float] = []
    checks: list[float] = []
    print(
        f"{'round':>5} {'prompt tokens':>14} {'once ms':>9} {'all five ms':>12} {'ratio':>6} {'words':>8} "
        f"{'checks ms':>10}  computed + reused"
    )
    for number in range(1, rounds + 1):
        verdict = await judge.judge(_case(number), rubric, explain=True)
        calls: tuple[dict[str, Any], ...] = verdict.engine["calls"]
        scored, checked = calls[: 1 + len(rubric.criteria)], calls[1 + len(rubric.criteria) :]
        first, total = _ms(calls[0]) + _ms(calls[1]), sum(map(_ms, scored))
        ratios.append(total / first)
        shares.append(1000 * _words_seconds(verdict, rubric) / total)
        checks.append(sum(map(_ms, checked)) / total)
        counters = ", ".join(f"{call['prompt_n']:.0f}+{call['cache_n']:.0f}" for call in calls)
        print(
            f"{number:>5} {calls[1]['prompt_n'] + calls[1]['cache_n']:>14.0f} {first:>9.0f} {total:>12.0f} "
            f"{ratios[-1]:>6.2f} {shares[-1]:>8.4%} {checks[-1] * total:>10.0f}  {counters}"
        )
    await judge.aclose()
    print(f"median ratio {statistics.median(ratios):.2f}")
    asked = sum(len(criterion.checks) for criterion in rubric.criteria.values())
    print(f"words by program: median {statistics.median(shares):.4%} of a score without checks")
    print(f"{asked} checks, where they are asked for: median {statistics.median(checks):.0%} of a score")


async def measure_stub(rounds: int) -> None:
    """Print what the program's words add to a score whose model answers at once."""
    rubric = Rubric.load("code-review")
    with StubServer(default=AutoJudge()) as server:
        fields: dict[str, Any] = {"judge": "stub/v1", "model": "openai/stub", "base_url": server.base_url}
        judge = ModelJudge(JudgeSpec(**fields, read="distribution"))
        await judge.judge(_case(999), rubric)  # connects; not counted
        verdicts = [await judge.judge(_case(number), rubric) for number in range(1, rounds + 1)]
        await judge.aclose()
    shares = [_words_seconds(verdict, rubric) / verdict.seconds for verdict in verdicts]
    seconds = statistics.median(verdict.seconds for verdict in verdicts)
    words = statistics.median(_words_seconds(verdict, rubric) for verdict in verdicts)
    print(f"a score {1000 * seconds:.1f} ms, of which its words {1000 * words:.2f} ms: {statistics.median(shares):.2%}")


def _words_seconds(verdict: Verdict, rubric: Rubric) -> float:
    """Seconds that the program needs for the words of a verdict without checks; the least of five tries."""
    criteria = tuple(replace(item, reason="", checks=()) for item in verdict.criteria)
    bare = replace(verdict, words="", criteria=criteria, why_not_2_lower="", steps_to_10=())
    return min(timeit.repeat(lambda: explain_by_program(bare, rubric), number=_REPEATS, repeat=5)) / _REPEATS


def _case(number: int) -> Case:
    code = "".join(_FUNCTION.format(n=number * 100 + index) for index in range(12))
    return Case(id=str(number), output=f"# draft {number}\n{code}", input=f"Write helpers for report {number}.")


def _ms(call: dict[str, Any]) -> float:
    return float(call["prompt_ms"]) + float(call["predicted_ms"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stub", action="store_true", help="measure beside an endpoint that answers at once")
    options = parser.parse_args()
    asyncio.run(measure_stub(options.rounds) if options.stub else measure(options.rounds))
