"""What five reference metrics cost over all cores, beside the libraries called directly in one thread.

    python benchmarks/metrics.py

Both sides score the same 1,000 pairs of 200 words. The pool's time includes the start of its processes. `cores` is
processor time by wall time.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import random
import resource
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from tenward.metrics import MetricPool

if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHTS = {"bleu": 1.0, "chrf": 1.0, "rouge_l": 1.0, "meteor": 1.0, "bm25": 1.0}
_AT_ONCE = 16

Pair = tuple[str, str]


class _NoSynonyms:
    def synsets(self, word: str) -> list[Any]:  # noqa: ARG002 - as nltk calls it
        return []


def libraries() -> dict[str, Callable[[list[Pair]], object]]:
    """The five libraries' own calls over all pairs of a candidate and a reference."""
    from nltk.translate.meteor_score import single_meteor_score
    from rank_bm25 import BM25Plus
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    bleu, chrf = BLEU(effective_order=True), CHRF()
    rouge: Any = RougeScorer(["rougeL"])
    none: Any = _NoSynonyms()

    def bm25(pairs: list[Pair]) -> object:
        corpus: Any = BM25Plus([reference.split() for _, reference in pairs])
        return [corpus.get_batch_scores(candidate.split(), [n]) for n, (candidate, _) in enumerate(pairs)]

    return {
        "bleu": lambda pairs: [bleu.sentence_score(candidate, [reference]) for candidate, reference in pairs],
        "chrf": lambda pairs: [chrf.sentence_score(candidate, [reference]) for candidate, reference in pairs],
        "rouge_l": lambda pairs: [rouge.score(reference, candidate) for candidate, reference in pairs],
        "meteor": lambda pairs: [
            single_meteor_score(reference.split(), candidate.split(), wordnet=none) for candidate, reference in pairs
        ],
        "bm25": bm25,
    }


async def pooled(pairs: list[Pair]) -> None:
    """Score every pair by all five metrics, as a run does."""
    waiting = iter(pairs)
    with MetricPool(corpus=[reference for _, reference in pairs]) as pool:

        async def work() -> None:
            for candidate, reference in waiting:
                score = await pool.score(candidate, [reference], WEIGHTS)
                assert len(score.metrics) == len(WEIGHTS)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    await asyncio.to_thread(_join)


def _join() -> None:
    for process in multiprocessing.active_children():
        process.join()


def made_up(count: int, words: int) -> list[Pair]:
    """Pairs of texts, the candidate with every third word changed."""
    draw = random.Random(7)  # noqa: S311 - texts, not secrets
    known = ["".join(draw.choices("aeioubdfglmnprst", k=draw.randint(2, 9))) for _ in range(4000)]
    pairs: list[Pair] = []
    for _ in range(count):
        reference = draw.choices(known, k=words)
        candidate = [draw.choice(known) if draw.random() < 1 / 3 else word for word in reference]
        pairs.append((" ".join(candidate), " ".join(reference)))
    return pairs


def _measured(work: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return time.perf_counter() - wall, _cpu() - cpu


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main() -> None:
    """Print one table per round."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=1_000)
    parser.add_argument("--words", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    pairs = made_up(arguments.pairs, arguments.words)
    direct = libraries()
    for work in direct.values():  # imports and caches
        work(pairs[:2])
    print(f"{len(pairs):,} pairs of {arguments.words} words, {os.cpu_count()} cores; seconds")
    print(f"{'round':>5}" + "".join(f"{name:>9}" for name in direct), end="")
    print(f"{'sum':>9}{'sum CPU':>9}{'pool':>9}{'pool CPU':>9}{'cores':>7}{'ratio':>7}{'CPU r.':>7}")
    for number in range(1, arguments.rounds + 1):
        took = [_measured(partial(work, pairs)) for work in direct.values()]
        wall, cpu = sum(one[0] for one in took), sum(one[1] for one in took)
        pool_wall, pool_cpu = _measured(lambda: asyncio.run(pooled(pairs)))
        print(f"{number:>5}" + "".join(f"{one[0]:>9.2f}" for one in took), end="")
        print(f"{wall:>9.2f}{cpu:>9.2f}{pool_wall:>9.2f}{pool_cpu:>9.2f}", end="")
        print(f"{pool_cpu / pool_wall:>7.2f}{pool_wall / wall:>7.2f}{pool_cpu / cpu:>7.2f}", flush=True)


if __name__ == "__main__":
    main()
