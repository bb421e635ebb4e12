from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from tenward.judges import Judge
from tenward.rubrics import Rubric

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

SHIPPED = Path(__file__).parents[2] / "judges"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml") if not path.name.endswith(".scale.yaml"))


def test_show_lists_the_judges(run: Run, server: StubServer) -> None:
    """Without a name every judge is listed with its model and what it is good for."""
    ended = run("judge", "show")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "stub    openai/stub-model                  A stub.\n" in ended.stdout
    assert "local   local/qwen2.5-coder-1.5b-instruct  " in ended.stdout


def test_the_list_as_json(run: Run, server: StubServer) -> None:
    """``--json`` gives name, model and purpose of each judge."""
    listed = json.loads(run("judge", "show", "--json").stdout)
    assert {"name": "stub", "model": "openai/stub-model", "about": "A stub."} in listed
    assert {judge["name"] for judge in listed} == {"stub", "stated", *NAMES}


def test_show_prints_a_judge_as_its_file_says_it(run: Run, server: StubServer, workspace: Path) -> None:
    """What is shown is YAML that makes the same judge; the way of reading is always there."""
    for name in ("stub", "stated"):
        shown = yaml.safe_load(run("judge", "show", name).stdout)
        assert shown == yaml.safe_load((workspace / f"judges/{name}.yaml").read_text(encoding="utf-8"))


def test_a_panel_is_shown_with_its_members(run: Run, server: StubServer, workspace: Path) -> None:
    """A judge made of judges is listed by its members, and shown as its file says it."""
    text = "judge: both/v1\npanel: {stub: 2.0, stated: 1.0}\nabout: Two views.\n"
    (workspace / "judges/both.yaml").write_text(text, encoding="utf-8")
    line = next(line for line in run("judge", "show").stdout.splitlines() if line.startswith("both "))
    assert "panel of stub, stated" in line
    assert line.endswith("Two views.")
    assert yaml.safe_load(run("judge", "show", "both").stdout) == yaml.safe_load(text)


def test_the_shipped_scale_file_fits_its_schema() -> None:
    """Editors find no fault in the maps that ship, and each is for a shipped rubric as it stands."""
    schema = json.loads((SHIPPED / "scale.schema.json").read_text(encoding="utf-8"))
    data = yaml.safe_load((SHIPPED / "local.scale.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(data, schema)
    judge = Judge.load("local")
    for name, maps in data["rubrics"].items():
        rubric = Rubric.load(name)
        used = judge.scale(rubric)
        assert used.note == ""
        assert set(used.maps) == set(maps["criteria"])


def test_a_judge_as_json_holds_the_defaults(run: Run, server: StubServer) -> None:
    """``judge show J --json`` is the whole judge, defaults included."""
    shown = json.loads(run("judge", "show", "stub", "--json").stdout)
    assert (shown["judge"], shown["read"], shown["timeout"], shown["price"]) == ("stub/v1", "distribution", 120.0, None)


@pytest.mark.parametrize("args", [["show", "odd"], ["show"], ["show", "odd", "--json"], ["show", "--json"]])
def test_what_a_judge_file_says_cannot_steer_the_terminal(run: Run, workspace: Path, args: list[str]) -> None:
    """Escapes and direction marks in a judge file are shown as such."""
    (workspace / "judges").mkdir()
    text = 'judge: odd/v1\nmodel: "openai/\\e[2J"\nabout: "Fine \\u202e then"\nextra_body: {"\\e[31m": "\\u009b"}\n'
    (workspace / "judges/odd.yaml").write_text(text, encoding="utf-8")
    ended = run("judge", *args)
    assert ended.returncode == 0
    assert "Fine" in ended.stdout
    assert all(c.isprintable() or c == "\n" for c in ended.stdout)


def test_an_unknown_judge_is_named_with_a_near_one(run: Run, server: StubServer) -> None:
    """A slip of the keyboard is answered with the name that was meant."""
    ended = run("judge", "show", "locla")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "found no judge named 'locla', expected one of: local, " in ended.stderr
    assert ended.stderr.endswith("hint: did you mean 'local'?\n")


def test_the_committed_schema_is_what_the_command_prints(run: Run) -> None:
    """``judges/judge.schema.json`` is the output of ``tenward judge schema``, to the letter."""
    ended = run("judge", "schema")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (SHIPPED / "judge.schema.json").read_text(encoding="utf-8") == ended.stdout
    assert (SHIPPED / "scale.schema.json").read_text(encoding="utf-8") == run("judge", "schema", "--scale").stdout


@pytest.mark.parametrize("name", NAMES)
def test_shipped_judges_load_and_satisfy_the_schema(run: Run, workspace: Path, name: str) -> None:
    """Every shipped judge is valid for the loader and for editors, is shown, and names its schema."""
    path = SHIPPED / f"{name}.yaml"
    schema = json.loads((SHIPPED / "judge.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    document: Any = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8"))))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert Judge.load(path).name.partition("/")[0] == name
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=judge.schema.json\n")
    assert run("judge", "show", name).stdout.startswith(f"judge: {name}/v")


@pytest.mark.parametrize("wrong", ["samples: 0", "read: guessed", "temperature: 3", "price: {input: 1}", "key: abc"])
def test_the_schema_refuses_what_the_loader_refuses(wrong: str) -> None:
    """The schema is more than a list of names: faults an editor can see are faults in it."""
    schema = json.loads((SHIPPED / "judge.schema.json").read_text(encoding="utf-8"))
    good: dict[str, Any] = {"judge": "a/v1", "model": "openai/gpt-4.1-mini"}
    jsonschema.Draft202012Validator(schema).validate(good)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(good | yaml.safe_load(wrong))
