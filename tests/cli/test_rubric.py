from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

SHIPPED = Path(__file__).parents[2] / "rubrics"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def as_json(path: Path) -> Any:
    """Return a YAML file as an editor's schema check sees it, with texts as keys."""
    return json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))


def test_show_lists_the_workspace_and_the_shipped_library(run: Run, workspace: Path) -> None:
    """Without a name every rubric is listed with the question it answers."""
    ended = run("rubric", "show")
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = {line.split()[0]: line.split(maxsplit=1)[1] for line in ended.stdout.splitlines()[1:]}
    assert listed["mine"] == "Is it good?"
    assert listed.keys() == {"mine", *NAMES}


def test_the_list_as_json(run: Run, workspace: Path) -> None:
    """``--json`` gives name, question and file of each rubric."""
    listed = json.loads(run("rubric", "show", "--json").stdout)
    assert {"name": "mine", "about": "Is it good?", "path": str(workspace / "rubrics/mine.yaml")} in listed


def test_show_explains_a_rubric(run: Run, workspace: Path) -> None:
    """Questions, shares, levels, floors, gates and the making of the value are on one page."""
    text = """\
rubric: full/v2
about: Is it all there?
scale: [0, 4]
criteria:
  clear: {ask: ["Is it clear?", "Would a child follow it?"], weight: 3, floor: 1, levels: {0: "no", 4: "yes"}}
  kind: Is it kind?
gates:
  - max_words: 400
  - {run: make test, timeout: 5}
references: {rouge_l: 3, chrf: 1}
mix: {judge: 3, references: 1}
normalize: range
"""
    (workspace / "rubrics/full.yaml").write_text(text, encoding="utf-8")
    ended = run("rubric", "show", "full")
    assert (
        ended.stdout
        == """\
full/v2
Is it all there?
scale 0 to 4

clear  75%  floor 1
  Is it clear?
  Would a child follow it?
    4  yes
    0  no

kind  25%
  Is it kind?

gates, run before any model is asked
  max_words  400
  run        make test (at most 5 s)

value
  judge part: (weighted sum − 0) / (4 − 0)
  with references: 75% judge, 25% rouge_l 75%, chrf 25%
  without references: the judge alone
  a case is scored when at least 80% of the weight is
"""
    )


def test_a_rubric_as_json_loads_again(run: Run, workspace: Path) -> None:
    """``rubric show R --json`` is the whole rubric, defaults included."""
    shown = json.loads(run("rubric", "show", "mine", "--json").stdout)
    assert shown["rubric"] == "mine/v1"
    assert shown["criteria"]["clear"] == {
        "ask": ["Is it clear enough to act on"],
        "weight": 60.0,
        "levels": {},
        "checks": [],
        "floor": 2,
    }
    assert shown["min_coverage"] == 0.8


@pytest.mark.parametrize("args", [["show", "mine"], ["show"]])
def test_what_a_rubric_says_cannot_steer_the_terminal(run: Run, workspace: Path, args: list[str]) -> None:
    """Escapes and direction marks in a rubric's texts are shown as such, in text and in JSON."""
    text = (
        'rubric: mine/v1\nabout: "Fine \\e[2J \\u202e then"\ncriteria:\n'
        '  clear: {ask: "Is it \\e[31m clear?", levels: {1: "\\e]0;title\\a", 5: "\\u009b2J"}}\n'
        'gates:\n  - matches: "\\e31m"\n'
    )
    (workspace / "rubrics/mine.yaml").write_text(text, encoding="utf-8")
    for flags in ([], ["--json"]):
        ended = run("rubric", *args, *flags)
        assert ended.returncode == 0
        assert all(c.isprintable() or c == "\n" for c in ended.stdout)
        assert "Fine" in ended.stdout


def test_json_with_escapes_is_the_same_data(run: Run, workspace: Path) -> None:
    """What JSON escapes comes back as it was, characters beyond the basic plane included."""
    about = "Fine \x1b[2J \u202e \u200d \U000e0001 \U0001f600 then"
    document = {"rubric": "mine/v1", "about": about, "criteria": {"clear": "Is it clear?"}}
    (workspace / "rubrics/mine.yaml").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    ended = run("rubric", "show", "mine", "--json")
    assert json.loads(ended.stdout)["about"] == about
    assert "\U0001f600" in ended.stdout


def test_an_unknown_rubric_is_named_with_a_near_one(run: Run, workspace: Path) -> None:
    """A slip of the keyboard is answered with the name that was meant."""
    ended = run("rubric", "show", "code-reveiw")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "found no rubric named 'code-reveiw', expected one of: " in ended.stderr
    assert ended.stderr.endswith("hint: did you mean 'code-review'?\n")


def test_a_broken_rubric_is_named_by_line_and_field(run: Run, workspace: Path) -> None:
    """The complaint about a file says where, what was found, and what was expected."""
    (workspace / "rubrics/mine.yaml").write_text(
        "rubric: mine/v1\nabout: Good?\ncriteria:\n  clear: {ask: Is it clear, wieght: 3}\n", encoding="utf-8"
    )
    ended = run("rubric", "show", "mine")
    assert ended.returncode == 2
    where = f"{workspace / 'rubrics/mine.yaml'}:4: criteria.clear.wieght: found an unknown key"
    assert ended.stderr.startswith(f"error: {where}")
    assert "did you mean 'weight'?" in ended.stderr


def test_the_committed_schema_is_what_the_command_prints(run: Run) -> None:
    """``rubrics/rubric.schema.json`` is the output of ``tenward rubric schema``, to the letter."""
    ended = run("rubric", "schema")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (SHIPPED / "rubric.schema.json").read_text(encoding="utf-8") == ended.stdout


@pytest.mark.parametrize("name", NAMES)
def test_shipped_rubrics_load_and_satisfy_the_schema(run: Run, workspace: Path, name: str) -> None:
    """Every shipped rubric is valid for the loader and for editors, is shown, and names its schema."""
    path = SHIPPED / f"{name}.yaml"
    schema = json.loads((SHIPPED / "rubric.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(as_json(path))
    assert Rubric.load(path).rubric.partition("/")[0] == name
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=rubric.schema.json\n")
    assert run("rubric", "show", name).stdout.startswith(f"{name}/v")


@pytest.mark.parametrize(
    "wrong", ["criteria: {a: {weight: 1}}", "criteria: {}", "scale: [1]", "gates: [{run: 3}]", "extra: 1"]
)
def test_the_schema_refuses_what_the_loader_refuses(wrong: str) -> None:
    """The schema is more than a list of names: faults an editor can see are faults in it."""
    schema = json.loads((SHIPPED / "rubric.schema.json").read_text(encoding="utf-8"))
    good: dict[str, Any] = {"rubric": "a/v1", "about": "Good?", "criteria": {"a": "Is it good?"}}
    jsonschema.Draft202012Validator(schema).validate(good)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(good | yaml.safe_load(wrong))


def test_a_judge_file_is_no_rubric_and_the_other_way_round(run: Run, server: StubServer, workspace: Path) -> None:
    """A file of the other kind is called what it is, with the command that shows it."""
    judge = run("rubric", "show", "judges/stated.yaml")
    rubric = run("judge", "show", "rubrics/mine.yaml")
    assert (judge.returncode, rubric.returncode) == (2, 2)
    assert "judges/stated.yaml: found a judge, expected a rubric\n\nhint: tenward judge show " in judge.stderr
    assert "rubrics/mine.yaml: found a rubric, expected a judge\n\nhint: tenward rubric show " in rubric.stderr
