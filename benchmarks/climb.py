"""Prompts that climb: Tenward beside GEPA and beside "keep if higher", on tasks with an exact truth.

Run: python benchmarks/climb.py FOLDER [--tasks dates kinds] [--methods tenward higher gepa pool] [--seeds 1 2 3]
     python benchmarks/climb.py FOLDER --table          (the model; no network; gepa from the package index)

The smaller embedded model does the task, the other one writes what a method asks a model for, both on loopback. A
method sees a noisy metric of the cases it is given: half exact match, half chrF, with an error of sd .1 that hangs on
the case and the output, like a judge that repeats itself, and is not cut off at 0 and 1, where that would lower every
gain. Tenward is told it on a scale with room for that, and claims are told on the metric's own. What comes out is
measured on fresh cases without the noise, and so is the first prompt. `claimed` is what the method itself says it
gained. Tenward runs first; the others may ask the metric as often as it did. Every result is a file in FOLDER: what is
there is not run again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib
import json
import random
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import NormalDist, fmean
from typing import TYPE_CHECKING, Any

from climb_tasks import TASKS
from openai import OpenAI

from tenward.evaluation import Store, is_chat, read_chat
from tenward.judges._engine import Engine as Model
from tenward.judges._engine import engine_for
from tenward.judges.models import ModelStore
from tenward.loop import Engine, Journal, LoopRecord, LoopSpec, journal_path
from tenward.metrics import get_metric
from tenward.testing import ScriptedJudge
from tenward.workspace import Library

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from climb_tasks import Task

    from tenward.datasets import Case

TASK, WRITER = "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct"
CONTEXT, TOKENS, SLOTS = 8192, 64, 8
DEV, SEALED, FRESH, CALLS, NOISE = 20, 30, 500, 300, 0.1
METHODS = ("tenward", "higher", "gepa", "pool")
RUBRIC = """
rubric: right/v1
about: Is the answer right?
scale: [0, 10]
criteria: {right: "Is it the right answer?"}
"""
LOOP = """
loop: climb/v1
goal: A prompt with which a small model gives the right answer.
edit: [p.md]
propose: {llm: local}
produce: {prompt: p.md, model: {model: local/qwen2.5-coder-0.5b-instruct}, max_tokens: 64}
score: {rubric: r.yaml, judge: local, dataset: datasets/c.jsonl}
feedback: score
placebo: 0
"""
_MORE = {"higher": "keep: {rule: better}\n", "pool": "pool: 4\n"}
_NORMAL = NormalDist()
_CHRF = get_metric("chrf")


def truth(output: str, answer: str) -> float:
    """Half exact match, half chrF: 0 to 1."""
    return 0.5 * (output.strip() == answer) + 0.5 * _CHRF.score(output.strip(), [answer]).value


def noisy(given: str, output: str, answer: str, seed: int) -> float:
    """The same with an error that the case and the output decide; it may be below 0 and above 1."""
    dice = random.Random(hashlib.sha256(f"{seed}\0{given}\0{output}".encode()).digest())  # noqa: S311
    return truth(output, answer) + NOISE * _NORMAL.inv_cdf(dice.uniform(1e-9, 1 - 1e-9))


def on_scale(value: float) -> float:
    """The noisy metric on a scale of 0 to 10 whose middle half is the metric's range."""
    return min(10.0, max(0.0, 2.5 + 5 * value))


class Endpoint:
    """An embedded model, as any OpenAI client sees it."""

    def __init__(self, name: str) -> None:
        self._name = name
        model: Model = engine_for(ModelStore().path(name), context_tokens=CONTEXT)
        self._client = OpenAI(base_url=model.base_url, api_key=model.api_key, timeout=600, max_retries=0)

    def answer(self, messages: Sequence[Any], *, tokens: int = TOKENS, temperature: float = 0.0, seed: int = 0) -> str:
        """What the model writes."""
        said = self._client.chat.completions.create(
            model=self._name, messages=list(messages), max_tokens=tokens, temperature=temperature, seed=seed
        )
        return said.choices[0].message.content or ""


@contextmanager
def many_at_once() -> Generator[Callable[[Sequence[Any]], str]]:
    """The task's model with a slot for each of several cases, for measuring alone: over twice as fast."""
    library: Any = importlib.import_module("xllamacpp")
    params = library.CommonParams()
    params.model.path = str(ModelStore().path(TASK))
    params.n_ctx, params.n_parallel = 2048 * SLOTS, SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.warmup, params.ui, params.verbosity, params.api_keys, params.cache_ram_mib = False, False, -1, ["k"], 0
    server = library.Server(params)
    client = OpenAI(base_url=f"{server.listening_address}/v1", api_key="k", timeout=600, max_retries=0)

    def answer(messages: Sequence[Any]) -> str:
        said = client.chat.completions.create(model=TASK, messages=list(messages), max_tokens=TOKENS, temperature=0.0)
        return said.choices[0].message.content or ""

    yield answer
    del server


def messages_of(prompt: str, given: str) -> list[dict[str, str]]:
    """A prompt file as the messages that are sent."""
    if not is_chat(prompt):
        return [{"role": "user", "content": prompt.replace("{input}", given)}]
    turns = read_chat(prompt)
    last = turns[-1].text.replace("{input}", given)
    return [*({"role": turn.role, "content": turn.text} for turn in turns[:-1]), {"role": "user", "content": last}]


def start_of(task: Task) -> str:
    """The first prompt, instruction and input apart as GEPA has them."""
    return f"# system\n{task.prompt}\n\n# user\n{{input}}\n"


def climb(task: Task, seed: int, *, method: str, calls: int) -> dict[str, Any]:
    """Run a loop of Tenward; with ``higher`` whatever scores higher on all cases is kept, ``pool`` has a pool."""
    higher = method == "higher"
    cases = task.cases(DEV + SEALED, seed)
    rows = [
        {"id": f"c{at}", "input": given, "references": [answer], "split": "dev" if higher or at < DEV else "sealed"}
        for at, (given, answer) in enumerate(cases)
    ]
    asked = 0

    def judged(case: Case) -> dict[str, float]:
        nonlocal asked
        asked += 1
        return {"right": on_scale(noisy(case.input or "", case.output, case.references[0], seed))}

    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "datasets").mkdir()
        (top / "datasets/c.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        (top / "r.yaml").write_text(RUBRIC)
        (top / "p.md").write_text(start_of(task))
        who = ("-c", "user.name=B", "-c", "user.email=b@example.org")
        for words in (("init", "-q"), ("add", "."), (*who, "commit", "-qm", "Begin")):
            subprocess.run(["git", "-C", str(top), *words], check=True)
        more = f"budget: {{calls: {calls}}}\nseed: {seed}\n" + _MORE.get(method, "")
        record = LoopRecord.open(top, "climb")
        with Store.open(top / "store.sqlite") as store:
            spec = LoopSpec.parse(LOOP + more)
            engine = Engine(spec, record, store, top=top, library=Library.discover(top), judge=ScriptedJudge(judged))
            state = asyncio.run(engine.run())
        with Journal(journal_path(record)) as journal:
            attempts = [
                {"idea": one.idea, "status": str(one.status), "reason": one.reason} for one in journal.attempts()
            ]
        prompt = record.git.run("show", f"{state.incumbent}:p.md").out.decode()
    return {
        "prompt": prompt,
        "calls": asked,
        "claimed": 2 * (state.claimed if higher else float(state.headline.get("gain") or 0.0)),
        "headline": dict(state.headline),
        "arms": {name: [arm.tried, arm.kept, arm.brought] for name, arm in state.arms.items()},
        "attempts": attempts,
    }


def gepa(task: Task, seed: int, *, calls: int) -> dict[str, Any]:
    """Run GEPA with its own defaults: dev cases to reflect on, sealed ones to choose by."""
    package: Any = importlib.import_module("gepa")
    adapter: Any = importlib.import_module("gepa.adapters.default_adapter.default_adapter")
    target, writer = Endpoint(TASK), Endpoint(WRITER)
    pairs = task.cases(DEV + SEALED, seed)
    cases: list[dict[str, Any]] = [
        {"input": given, "answer": answer, "additional_context": {}} for given, answer in pairs
    ]
    asked = written = 0

    def score(data: Any, response: str) -> Any:
        nonlocal asked
        asked += 1
        value = noisy(data["input"], response, data["answer"], seed)
        right = response.strip() == data["answer"]
        said = f"The answer is {'right' if right else 'wrong'}: the right one is {data['answer']!r}. Score {value:.2f}."
        return adapter.EvaluationResult(score=value, feedback=said)

    def reflect(prompt: Any) -> str:
        nonlocal written
        written += 1
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return writer.answer(messages, tokens=600, temperature=0.7, seed=seed * 1000 + written)

    found = package.optimize(
        seed_candidate={"instruction": task.prompt},
        trainset=cases[:DEV],
        valset=cases[DEV:],
        task_lm=target.answer,
        evaluator=score,
        reflection_lm=reflect,
        max_metric_calls=calls,
        seed=seed,
    )
    scores = found.val_aggregate_scores
    return {
        "prompt": found.best_candidate["instruction"],
        "system": True,
        "calls": asked,
        "claimed": scores[found.best_idx] - scores[0],
        "candidates": len(scores),
    }


def sent(result: dict[str, Any], given: str) -> list[dict[str, str]]:
    """The messages that a result's prompt becomes for an input."""
    if result.get("system"):
        return [{"role": "system", "content": result["prompt"]}, {"role": "user", "content": given}]
    return messages_of(result["prompt"], given)


def measure(task: Task, result: dict[str, Any]) -> dict[str, float]:
    """What a prompt is worth on fresh cases."""
    cases = task.cases(FRESH, 10**6)
    prompts = [sent(result, given) for given, _ in cases]
    with many_at_once() as answer, ThreadPoolExecutor(SLOTS) as pool:
        outputs = list(pool.map(answer, prompts))
    pairs = [(output, answer) for output, (_, answer) in zip(outputs, cases, strict=True)]
    values = [truth(output, answer) for output, answer in pairs]
    return {"value": fmean(values), "right": fmean(output.strip() == answer for output, answer in pairs)}


def known(folder: Path, task: Task, result: dict[str, Any]) -> dict[str, float] | None:
    """What an equal prompt was measured at."""
    for path in sorted(folder.glob(f"{task.name}.*.json")):
        other: dict[str, Any] = json.loads(path.read_text())
        if sent(other, "") == sent(result, ""):
            fresh: dict[str, float] = other["fresh"]
            return fresh
    return None


def run(folder: Path, name: str, task: Task, seed: int) -> None:
    """Run one method on one task, unless that was done."""
    path = folder / f"{task.name}.{name}.{seed}.json"
    if path.exists():
        return
    began = time.monotonic()
    beside = folder / f"{task.name}.tenward.{seed}.json"
    calls = json.loads(beside.read_text())["calls"] if name != "tenward" and beside.exists() else CALLS
    result = gepa(task, seed, calls=calls) if name == "gepa" else climb(task, seed, method=name, calls=calls)
    result["seconds"] = round(time.monotonic() - began, 1)
    result["fresh"] = known(folder, task, result) or measure(task, result)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(
        task.name,
        name,
        seed,
        result["fresh"],
        f"claimed {result['claimed']:+.3f}",
        f"{result['seconds']} s",
        flush=True,
    )


def table(folder: Path) -> None:
    """Print what was found."""
    print("| task | first prompt | method | true gain | claimed − true | right | metric calls | minutes |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in TASKS:
        first = folder / f"{name}.first.json"
        if not first.exists():
            continue
        start = json.loads(first.read_text())["fresh"]
        for method in METHODS:
            found = [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}.{method}.*.json"))]
            if not found:
                continue
            gains = [one["fresh"]["value"] - start["value"] for one in found]
            off = [one["claimed"] - gain for one, gain in zip(found, gains, strict=True)]
            cells = [
                name,
                f"{start['value']:.3f}, right {start['right']:.0%}",
                method,
                f"{fmean(gains):+.3f} ({', '.join(f'{one:+.3f}' for one in gains)})",
                f"{fmean(off):+.3f} ({', '.join(f'{one:+.3f}' for one in off)})",
                ", ".join(f"{one['fresh']['right']:.0%}" for one in found),
                f"{fmean(one['calls'] for one in found):.0f}",
                f"{fmean(one['seconds'] for one in found) / 60:.1f}",
            ]
            print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Run what is not there yet, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tasks", nargs="+", choices=[*TASKS], default=[*TASKS])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--table", action="store_true")
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    if told.table:
        table(told.folder)
        return
    for seed in told.seeds:
        for name in told.tasks:
            first = told.folder / f"{name}.first.json"
            if not first.exists():
                start = {"prompt": start_of(TASKS[name])}
                first.write_text(json.dumps({**start, "fresh": measure(TASKS[name], start)}) + "\n")
                print(name, "first", first.read_text(), flush=True)
            for method in told.methods:
                run(told.folder, method, TASKS[name], seed)


if __name__ == "__main__":
    main()
