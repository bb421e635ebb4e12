from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tenward.documents import parse_document
from tenward.errors import DocumentError, UnknownNameError
from tenward.judges import Judge, JudgeSpec, ModelJudge, judge_schema
from tenward.rubrics import Rubric
from tenward.testing import AutoJudge
from tenward.workspace import Library

if TYPE_CHECKING:
    from pathlib import Path

    from tests.judges.conftest import Bench

HEAD = "judge: j/v1\nmodel: openai/m\n"
RUBRIC = """\
rubric: r/v1
about: Is it good?
scale: [1, 5]
criteria:
  a:
    ask: Is it right?
    weight: 2
    levels: {1: all wrong, 5: all right}
  b: How short is it?
"""
COMPONENTS = ["endpoint", "model", "prompt", "reading", "rubric", "sampling", "scale", "schema"]


def test_defaults_are_those_of_a_hosted_judge() -> None:
    """Name and model are enough."""
    spec = parse_document(HEAD, JudgeSpec, "j.yaml")
    assert (spec.provider, spec.model_name, spec.local) == ("openai", "m", False)
    assert (spec.read, spec.samples, spec.temperature, spec.anchors) == ("stated", 1, None, True)
    assert spec.asks_model(explain=False)


@pytest.mark.parametrize(
    ("model", "provider", "name"),
    [
        ("openrouter/meta/llama-4", "openrouter", "meta/llama-4"),
        ("local/qwen", "local", "qwen"),
        ("local//a/b.gguf", "local", "/a/b.gguf"),
    ],
)
def test_the_provider_ends_at_the_first_slash(model: str, provider: str, name: str) -> None:
    """Model names may hold slashes of their own."""
    spec = JudgeSpec(judge="j/v1", model=model)
    assert (spec.provider, spec.model_name) == (provider, name)


@pytest.mark.parametrize(
    ("text", "field", "found", "expected"),
    [
        ("model: openai/m\n", "judge", "nothing", "required"),
        ("judge: j/v1\n", "model", "nothing", "required"),
        ("judge: J 1\nmodel: openai/m\n", "judge", "'J 1'", "lower-case"),
        ("judge: j/v1\nmodel: gpt-4\n", "model", "'gpt-4'", "provider/model"),
        ("judge: j/v1\nmodel: openai/\n", "model", "'openai/'", "provider/model"),
        ("judge: j/v1\nmodel: /model\n", "model", "'/model'", "provider/model"),
        (HEAD + "tempertaure: 1\n", "tempertaure", "unknown key", "one of"),
        (HEAD + "temperature: 3\n", "temperature", "3", "less than or equal to 2"),
        (HEAD + "temperature: .nan\n", "temperature", "nan", "finite"),
        (HEAD + "samples: 0\n", "samples", "0", "greater than or equal to 1"),
        (HEAD + "read: aloud\n", "read", "'aloud'", "'stated', 'distribution' or 'hidden'"),
        (HEAD + "read: hidden\n", "read", "read: hidden beside model: openai/m", "local/NAME"),
        (HEAD + "timeout: 0\n", "timeout", "0", "greater than 0"),
        (HEAD + "retries: -1\n", "retries", "-1", "greater than or equal to 0"),
        (HEAD + "max_tokens: 1\n", "max_tokens", "1", "64"),
        (HEAD + "price: {input: -1, output: 1}\n", "price.input", "-1", "0"),
        (HEAD + "price: {input: 1}\n", "price.output", "nothing", "required"),
        (HEAD + "base_url: localhost:8000\n", "base_url", "'localhost:8000'", "http:// or https://"),
        (HEAD + "base_url: file:///etc/passwd\n", "base_url", "'file:///etc/passwd'", "http:// or https://"),
        (HEAD + "extra_body: {a: {b: 2026-01-01}}\n", "extra_body", "JSON", "finite numbers"),
        (HEAD + "extra_body: {a: [.nan]}\n", "extra_body", "JSON", "finite numbers"),
        (HEAD + "extra_body: {a: {1: x, b: y}}\n", "extra_body", "JSON", "finite numbers"),
        (HEAD + "explain: model\n", "explain", "explain: model beside read: stated", "read: distribution"),
        (HEAD + "read: distribution\nexplain: always\n", "explain", "'always'", "'program' or 'model'"),
        (HEAD + "probe: by-form\n", "probe", "probe beside read: stated", "read: distribution"),
        (HEAD + "read: distribution\nsamples: 3\n", "samples", "3 samples beside read: distribution", "1"),
        (HEAD + "samples: 3\ntemperature: 0\n", "samples", "3 samples at temperature 0", "above 0"),
        ("judge: j/v1\nmodel: local/m\nsamples: 3\n", "samples", "3 samples at temperature 0", "above 0"),
        ("judge: j/v1\nmodel: local/m\nbase_url: http://h/v1\n", "base_url", "beside a local model", "one of the two"),
    ],
)
def test_a_bad_judge_file_is_explained(text: str, field: str, found: str, expected: str) -> None:
    """Each fault names the field, what stands there and what may."""
    with pytest.raises(DocumentError) as caught:
        parse_document(text, JudgeSpec, "j.yaml")
    (problem,) = caught.value.problems
    assert problem.field == field
    assert found in problem.found
    assert expected in problem.expected


@pytest.mark.parametrize(
    "address",
    [
        "https://user:sk-123456789@host/v1",
        "https://sk-123456789@host/v1",
        "HTTPS://sk-123456789@host/v1",
        "https:/sk-123456789@host/v1",
        "sk-123456789@host/v1",
        "https://host/v1?key=sk-123456789",
        "ftp://host/v1?key=sk-123456789",
        "https://host/v1#sk-123456789",
    ],
)
def test_a_key_in_the_address_is_refused_unseen(address: str) -> None:
    """The message does not repeat what may be a key."""
    with pytest.raises(DocumentError) as caught:
        parse_document(f"{HEAD}base_url: {address}\n", JudgeSpec, "j.yaml")
    assert "api_key_env" in caught.value.hint
    assert "sk-123456789" not in str(caught.value)


def test_judges_load_by_name_version_and_path(tmp_path: Path) -> None:
    """The shipped local judge is found by name; a file of one's own by path; a wrong version is refused."""
    local = Judge.load("local")
    assert isinstance(local, ModelJudge)
    assert local.name == "local/v2"
    assert local.spec.local
    assert Judge.load("local/v2").name == "local/v2"
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD)
    assert Judge.load(path).name == "j/v1"
    with pytest.raises(UnknownNameError, match="found local/v2, expected local/v9"):
        Judge.load("local/v9")
    with pytest.raises(UnknownNameError, match="found no judge named 'locl'") as caught:
        Judge.load("locl", library=Library.discover())
    assert caught.value.hint == "did you mean 'local'?"


def test_the_schema_describes_every_field() -> None:
    """Editors show what each field means and refuse others."""
    schema = judge_schema()["$defs"]["JudgeSpec"]
    assert set(schema["properties"]) == set(JudgeSpec.model_fields)
    assert schema["additionalProperties"] is False
    undocumented = [name for name, part in schema["properties"].items() if "description" not in part]
    assert set(undocumented) <= {"seed"}


async def fingerprint(bench: Bench, rubric: str = RUBRIC, **fields: Any) -> dict[str, str]:
    """Return the fingerprint of a verdict; the stub's own address, which is random, stays out of it."""
    bench.server.script(default=AutoJudge())
    verdict = await bench.ask(rubric=Rubric.parse(rubric), **fields)
    found = dict(verdict.fingerprint)
    if found["endpoint"] == bench.server.base_url:
        found["endpoint"] = "stub"
    return found


@pytest.mark.parametrize(
    ("old", "new", "component"),
    [
        ("all right", "quite right", "rubric"),
        ("1: all wrong, ", "", "rubric"),
        ("Is it right?", "Is it correct?", "rubric"),
        ("How short is it?", '{ask: ["How short is it?", "How long is it?"]}', "rubric"),
        ("[1, 5]", "[0, 5]", "rubric"),
        ("Is it good?", "Is it better?", "rubric"),
        ("about: ", "names: {candidate: text}\nabout: ", "rubric"),
        ("  b: ", "  c: ", "rubric"),
    ],
)
async def test_what_the_judge_is_told_is_in_the_fingerprint(bench: Bench, old: str, new: str, component: str) -> None:
    """A changed question, level, scale or name gives scores that do not compare with the old ones."""
    assert old in RUBRIC
    before = await fingerprint(bench)
    after = await fingerprint(bench, RUBRIC.replace(old, new))
    assert sorted(before) == COMPONENTS
    assert before[component] != after[component]
    assert {name for name in before if before[name] != after[name]} <= {"rubric", "schema"}


@pytest.mark.parametrize(
    ("fields", "component"),
    [
        ({"model": "openai/other"}, "model"),
        ({"temperature": 0.5}, "sampling"),
        ({"seed": 1}, "sampling"),
        ({"max_tokens": 500}, "sampling"),
        ({"extra_body": {"top_k": 1}}, "sampling"),
        ({"mode": "tool_call"}, "sampling"),
        ({"samples": 2, "temperature": None}, "reading"),
        ({"ask": "one-by-one"}, "reading"),
        ({"read": "distribution"}, "reading"),
        ({"anchors": False}, "rubric"),
    ],
)
async def test_how_the_judge_is_read_is_in_the_fingerprint(
    bench: Bench, fields: dict[str, Any], component: str
) -> None:
    """A changed field of the judge file that may change a score changes its component."""
    before, after = await fingerprint(bench), await fingerprint(bench, **fields)
    assert before[component] != after[component]
    assert await fingerprint(bench, **fields) == after


async def test_the_endpoint_is_in_the_fingerprint(bench: Bench) -> None:
    """The same model name at another address may be another model."""
    before = await fingerprint(bench)
    after = await fingerprint(bench, base_url=bench.server.base_url.replace("127.0.0.1", "localhost"))
    assert {name for name in before if before[name] != after[name]} == {"endpoint"}


@pytest.mark.parametrize("fields", [{"probe": "by-form"}], ids=str)
async def test_the_probe_is_in_the_fingerprint(bench: Bench, fields: dict[str, Any]) -> None:
    """Yes or No does not compare with digits, nor one look with two."""
    before = await fingerprint(bench, read="distribution")
    assert (await fingerprint(bench, read="distribution", **fields))["reading"] != before["reading"]


async def test_without_anchors_the_levels_do_not_count(bench: Bench) -> None:
    """What a judge is not shown does not change its scores."""
    before = await fingerprint(bench, anchors=False)
    changed = RUBRIC.replace("all right", "quite right").replace("Is it good?", "Is it better?")
    assert await fingerprint(bench, changed, anchors=False) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("weight: 2", "weight: 7"),
        ("weight: 2", "floor: 3"),
        ("about:", "gates: [{max_words: 400}]\nabout:"),
        ("about:", "references: {rouge_l: 1}\nmix: {judge: 0.5, references: 0.5}\nabout:"),
        ("about:", "min_coverage: 0.5\nabout:"),
        ("about:", "normalize: range\nabout:"),
    ],
)
async def test_what_is_applied_after_judging_is_not_in_the_fingerprint(bench: Bench, old: str, new: str) -> None:
    """Re-weighting never asks a judge again."""
    assert await fingerprint(bench, RUBRIC.replace(old, new)) == await fingerprint(bench)


@pytest.mark.parametrize(
    "fields", [{"timeout": 9}, {"deadline": 9}, {"retries": 0}, {"about": "x"}, {"price": {"input": 1, "output": 1}}]
)
async def test_how_patient_a_judge_is_is_not_in_the_fingerprint(bench: Bench, fields: dict[str, Any]) -> None:
    """Time limits, prices and notes do not change a score."""
    assert await fingerprint(bench, **fields) == await fingerprint(bench)


def test_the_scheme_of_an_address_may_be_in_capitals() -> None:
    """Schemes have no case."""
    assert JudgeSpec(judge="j/v1", model="openai/m", base_url="HTTP://host:8000/v1").base_url
