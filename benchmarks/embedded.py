"""What criteria, words and checks cost on the embedded model, as a multiple of reading the prompt once.

    python benchmarks/embedded.py [--rounds 5] [--stub | --states]

Each round judges a text nobody has judged before. The task is read first, then the candidate with the first question:
that is the prompt, read once. The other questions reuse it. The ratio compares the engine time of all with that, in the
same run; the engine's own counters say how many tokens were computed and how many were reused. The words that a program
makes of the verdict are timed beside the whole score, and so are the rubric's checks, read on the same prompt.

With --states, each text is read by its state and plainly, by the first token, in turn; three criteria, some 400 tokens
of text, and the ratio of both times in the same run.

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
_SHORT = 6  # functions, some 400 tokens
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


async def measure_states(rounds: int) -> None:
    """Print what a text costs by its state, and plainly."""
    rubric = Rubric.load("review-comment")
    assert len(rubric.criteria) == 3
    state = Judge.load("local")
    assert isinstance(state, ModelJudge)
    plain = ModelJudge(state.spec.model_copy(update={"read": "distribution"}))
    ways = {"state": state, "plain": plain}
    for judge in ways.values():
        await judge.judge(_case(999, _SHORT), rubric)  # loads the model; not counted
    print(f"{'round':>5} {'way':>6} {'seconds':>8} {'tokens':>7} {'s per 1,000':>12}  computed + reused")
    ratios: list[float] = []
    for number in range(1, rounds + 1):
        seconds: dict[str, float] = {}
        for way, judge in ways.items():
            verdict = await judge.judge(_case(number, _SHORT), rubric)
            calls: tuple[dict[str, Any], ...] = verdict.engine["calls"]
            seconds[way] = sum(map(_ms, calls)) / 1000
            tokens = sum(call["prompt_n"] for call in calls)
            counters = ", ".join(f"{call['prompt_n']:.0f}+{call['cache_n']:.0f}" for call in calls)
            print(
                f"{number:>5} {way:>6} {seconds[way]:>8.2f} {tokens:>7.0f} {1000 * seconds[way] / tokens:>12.2f}  "
                f"{counters}"
            )
        ratios.append(seconds["state"] / seconds["plain"])
    for judge in ways.values():
        await judge.aclose()
    print(f"median ratio {statistics.median(ratios):.2f}")


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


def _case(number: int, functions: int = 12) -> Case:
    code = "".join(_FUNCTION.format(n=number * 100 + index) for index in range(functions))
    return Case(id=str(number), output=f"# draft {number}\n{code}", input=f"Write helpers for report {number}.")


def _ms(call: dict[str, Any]) -> float:
    return float(call["prompt_ms"]) + float(call["predicted_ms"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--stub", action="store_true", help="measure beside an endpoint that answers at once")
    way.add_argument("--states", action="store_true", help="measure readings by the state beside plain ones")
    options = parser.parse_args()
    measured = measure_stub if options.stub else measure_states if options.states else measure
    asyncio.run(measured(options.rounds))
