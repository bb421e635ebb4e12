from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from tenward.decisions import AlphaRace, Better, BettingRace, FixedLine, Floor, PosteriorRace
from tenward.errors import DocumentError, LoopError, UnknownNameError, UsageError
from tenward.loop._definition import LoopSpec
from tenward.loop._evaluator import evaluator_files
from tenward.loop._schema import loop_schema
from tenward.workspace import Library

if TYPE_CHECKING:
    from pathlib import Path

FULL = """\
loop: commit-subjects/v1
goal: Prompts that write commit subjects a maintainer would not edit.
edit: [prompts/subject.md]
propose: {llm: local}
ideas: {from: "docs/**/*.md"}
produce: {prompt: prompts/subject.md, model: local, max_tokens: 60, temperature: 0}
score: {rubric: subject, judge: panel, dataset: subjects}
stages: [{run: ./lint.sh --fast, timeout: 30}, {cases: 6}, {cases: all}]
keep: {sure: 0.95, never_lower: [accuracy]}
confirm: {split: sealed, judge: other}
budget: {rounds: 20, hours: 2, usd: 5, calls: 4000}
parallel: 2
feedback: steps
placebo: 0.2
seed: 7
allow: {env: [OPENAI_API_KEY]}
combine_every: 5
stuck_after: null
"""
SMALL: dict[str, Any] = {
    "loop": "small/v1",
    "goal": "A shorter skill.",
    "edit": "skill/SKILL.md",
    "propose": {"command": "agent -p @brief.md"},
    "score": {"rubric": "skill"},
}
NUMBER: dict[str, Any] = {"command": "python train.py", "pattern": "loss ([0-9.]+)"}


def parse(**changes: Any) -> LoopSpec:
    """Return the small loop with some keys replaced; None removes one."""
    data = {key: value for key, value in {**SMALL, **changes}.items() if value is not None}
    return LoopSpec.parse(yaml.safe_dump(data), source="loop.yaml")


def refusal(**changes: Any) -> str:
    """Return what is said against the small loop with some keys replaced."""
    with pytest.raises(DocumentError) as caught:
        parse(**changes)
    return str(caught.value)


def test_every_key_of_a_loop_is_read() -> None:
    """All keys at once become a frozen document whose parts can be used."""
    spec = LoopSpec.parse(FULL)
    assert spec.name == "commit-subjects"
    assert spec.source is None
    assert spec.edit == ("prompts/subject.md",)
    assert spec.ideas is not None
    assert spec.ideas.sources == ("docs/**/*.md",)
    assert [stage.run or stage.cases for stage in spec.stages] == [("./lint.sh", "--fast"), 6, "all"]
    assert spec.floors == (Floor(criterion="accuracy"),)
    assert isinstance(spec.rule, PosteriorRace)
    assert spec.rule.settings.sure == 0.95
    assert (spec.feedback, spec.placebo, spec.combine_every, spec.stuck_after) == ("steps", 0.2, 5, None)


def test_a_prompt_may_be_matched_by_a_pattern() -> None:
    """It need not be named itself; what counts is that it may change."""
    scored = {"rubric": "a", "dataset": "b"}
    spec = parse(edit=["docs/*.md", "skill/**"], produce={"prompt": "skill/p.md", "model": "local"}, score=scored)
    assert spec.produce is not None


def test_what_is_left_out_has_its_default() -> None:
    """The five required keys are a whole loop: 20 rounds, one at a time, no cases, no noise."""
    spec = parse()
    assert (spec.budget.rounds, spec.budget.usd, spec.parallel, spec.feedback) == (20, None, 1, "levels")
    assert (spec.placebo, spec.seed, spec.allow.env, spec.stages) == (0.1, 0, (), ())
    assert spec.rule == Better()
    assert spec.propose.command == ("agent", "-p", "@brief.md")
    assert parse(budget={"hours": 1.5}).budget.rounds is None
    assert parse(keep={"never_lower": "clarity"}).floors == (Floor(criterion="clarity"),)


@pytest.mark.parametrize(
    ("keep", "rule"),
    [
        ({}, PosteriorRace()),
        ({"rule": "better"}, Better()),
        ({"rule": "alpha", "alpha": 0.05, "in_play": 40}, AlphaRace(alpha=0.05, in_play=40)),
        ({"rule": "line", "base": 0.02, "step": 2.0}, FixedLine(base=0.02, step=2.0)),
        ({"rule": "betting", "worthwhile": 0.02}, BettingRace(worthwhile=0.02)),
    ],
)
def test_each_rule_takes_its_own_dials(keep: dict[str, Any], rule: object) -> None:
    """The keep part becomes the rule of that name with these dials."""
    assert parse(keep=keep, score={"rubric": "skill", "dataset": "tasks"}).rule == rule


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"edit": ["../other.md"]}, "edit[0]", "from the top of the repository"),
        ({"edit": ["/etc/passwd"]}, "edit[0]", "from the top of the repository"),
        ({"edit": [".git/config"]}, "edit[0]", "git's own"),
        ({"edit": ["skill/.GIT/x"]}, "edit[0]", "git's own"),
        ({"edit": []}, "edit", "at least 1 entry"),
        ({"edit": ["a.md", "a.md"]}, "edit", "each once"),
        ({"propose": {}}, "propose", "one of llm, command and python"),
        ({"propose": {"llm": "local", "python": "a:b"}}, "propose", "llm and python"),
        ({"propose": {"python": "module.py"}}, "propose.python", "package.module:function"),
        ({"propose": {"command": "agent 'half"}}, "propose.command", "balance its quotes"),
        ({"propose": {"command": ""}}, "propose.command", "an empty command"),
        ({"propose": {"llm": "local", "timeout": 5}}, "propose.timeout", "inside llm"),
        ({"propose": {"llm": {"modle": "x"}}}, "propose.llm.modle", "did you mean 'mode"),
        ({"propose": {"llm": {"temperature": 1.0}}}, "propose.llm", "neither judge nor model"),
        ({"propose": {"llm": {"model": "gpt"}}}, "propose.llm.model", "provider/model"),
        ({"produce": {"prompt": "p.md"}}, "produce.model", "the model that is prompted"),
        ({"produce": {"command": "x", "max_tokens": 5}}, "produce.max_tokens", "only beside prompt"),
        ({"produce": {"command": "x", "transcript": "log.txt"}}, "produce.transcript", "a path below the worktree"),
        ({"produce": {"command": "x", "transcript": "../{case}"}}, "produce.transcript", "below the worktree"),
        ({"produce": {"command": "x", "transcript": "/{case}"}}, "produce.transcript", "below the worktree"),
        ({"produce": {"command": "./run.sh"}}, "score", "produce without a data set"),
        (
            {"produce": {"prompt": "p.md", "model": "local"}, "score": {"rubric": "a", "dataset": "b"}},
            "produce.prompt",
            "found 'p.md', expected a file that edit matches (skill/SKILL.md)",
        ),
        ({"score": {"rubric": "a", "number": NUMBER}}, "score", "rubric and number"),
        ({"score": {"number": NUMBER, "judge": "local"}}, "score.judge", "only beside rubric"),
        ({"score": {"number": {**NUMBER, "json": "loss"}}}, "score.number", "at most one of the two"),
        ({"score": {"number": {**NUMBER, "pattern": "("}}}, "score.number.pattern", "a regular expression"),
        ({"score": {"number": {**NUMBER, "pattern": "(a)(b)"}}}, "score.number.pattern", "2 groups"),
        ({"score": {"number": {**NUMBER, "repeats": 0}}}, "score.number.repeats", "greater than or equal to 1"),
        ({"stages": [{"run": "x", "cases": 3}]}, "stages[0]", "exactly one of run, cases, number"),
        ({"stages": [{"cases": 3}]}, "stages[0].cases", "cases without a data set"),
        ({"stages": [{"number": NUMBER}]}, "stages[0].number", "only where the score is a number"),
        ({"stages": [{"cases": "six"}]}, "stages[0].cases", "a number of cases, or all"),
        ({"keep": {"rule": "race"}}, "keep", "without cases"),
        ({"keep": {"sure": 1.5}}, "keep.sure", "a probability"),
        ({"keep": {"rule": "better", "sure": 0.9}}, "keep.sure", "sure belongs to rule: race"),
        ({"keep": {"rule": "luck"}}, "keep.rule", "'race'"),
        ({"confirm": {"split": "dev"}}, "confirm.split", "'sealed'"),
        ({"confirm": {}}, "confirm", "confirm without a data set"),
        ({"budget": {}}, "budget", "leave budget out for 20 rounds"),
        ({"budget": {"usd": 0}}, "budget.usd", "greater than 0"),
        ({"parallel": 17}, "parallel", "less than or equal to 16"),
        ({"feedback": "stpes"}, "feedback", "did you mean 'steps'"),
        ({"placebo": 0.9}, "placebo", "less than or equal to 0.5"),
        ({"allow": {"env": ["A=secret"]}}, "allow.env[0]", "name the variable only"),
        ({"goal": None}, "goal", "the key is required"),
        ({"proposer": "local"}, "proposer", "an unknown key"),
    ],
)
def test_a_fault_names_its_line_its_field_and_the_way_out(changes: dict[str, Any], field: str, words: str) -> None:
    """Whatever is wrong is reported with file, line and field, in words that say what may stand there."""
    said = refusal(**changes)
    assert f" {field}: found" in said
    assert "loop.yaml" in said
    assert words in said


def test_several_faults_are_reported_at_once() -> None:
    """Faults between parts are all named, each on its own line."""
    said = refusal(produce={"command": "x"}, stages=[{"cases": 3}], confirm={})
    assert said.count("loop.yaml:") == 3


def test_stages_look_at_more_and_more() -> None:
    """A stage with fewer cases than the one before can tell nothing new."""
    score = {"rubric": "skill", "dataset": "tasks"}
    assert "more cases from stage to stage" in refusal(score=score, stages=[{"cases": "all"}, {"cases": 6}])
    assert len(parse(score=score, stages=[{"cases": 6}, {"run": "true"}, {"cases": "all"}]).stages) == 3


def test_a_noisy_number_may_have_a_race() -> None:
    """Repeats of a number are units of a rule; criteria are not, for there are none."""
    noisy = {"number": {**NUMBER, "repeats": 5}}
    assert isinstance(parse(score=noisy, keep={"rule": "race"}).rule, PosteriorRace)
    assert "a rubric's criteria" in refusal(score=noisy, keep={"never_lower": ["clarity"]})


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("local", "local/qwen2.5-coder-1.5b-instruct"),
        ("local/v2", "local/qwen2.5-coder-1.5b-instruct"),
        ("openai/gpt-4.1-mini", "openai/gpt-4.1-mini"),
    ],
)
def test_one_name_stands_for_a_judge_file_or_a_model(text: str, model: str) -> None:
    """A plain or versioned name is a judge file, provider/model the model itself."""
    llm = parse(propose={"llm": text}).propose.llm
    assert llm is not None
    assert llm.spec().model == model


def test_a_writing_model_differs_from_the_judge_it_is_taken_from() -> None:
    """Key and endpoint come from the judge file; its short answers do not, and changes count."""
    llm = parse(propose={"llm": {"judge": "local", "temperature": 1.1, "context_tokens": 8192}}).propose.llm
    assert llm is not None
    spec = llm.spec()
    assert (spec.temperature, spec.context_tokens, spec.max_tokens, spec.read) == (1.1, 8192, 4096, "stated")


def test_a_panel_cannot_write(tmp_path: Path) -> None:
    """A judge file with members has no one model to ask."""
    library = workspace(tmp_path)
    llm = parse(propose={"llm": "panel"}).propose.llm
    assert llm is not None
    with pytest.raises(UsageError, match="found a panel"):
        llm.spec(library)
    at_odds = parse(propose={"llm": {"judge": "one", "base_url": "http://localhost:1/v1"}}).propose.llm
    assert at_odds is not None
    with pytest.raises(UsageError, match="do not go together with judge file 'one'"):
        at_odds.spec(library)


def test_the_schema_takes_what_the_loader_takes() -> None:
    """The JSON Schema is valid, describes every field, and accepts the shorthands."""
    schema = loop_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load(FULL))
    validator.validate(SMALL)
    validator.validate({**SMALL, "score": {"number": NUMBER}, "keep": {"never_lower": {"a": 0.1}}})
    for wrong in ({**SMALL, "edit": 3}, {**SMALL, "proposer": 1}, {**SMALL, "propose": {"llm": 3}}):
        assert not validator.is_valid(wrong)
    assert [name for name, part in schema["properties"].items() if "description" not in part] == []


def workspace(root: Path) -> Library:
    """Make a workspace with everything the full loop names."""
    files = {
        "rubrics/subject.yaml": "rubric: subject/v1\nabout: Good?\ncriteria: {accuracy: 'Is it true?'}\n"
        "gates: [{run: python tools/gate.py}]\n",
        "judges/panel.yaml": "judge: panel/v1\npanel: [one, other]\n",
        "judges/one.yaml": "judge: one/v1\nmodel: local/some-model\n",
        "judges/other.yaml": "judge: other/v1\nmodel: openai/some-model\n",
        "judges/local.yaml": "judge: local/v1\nmodel: local/some-model\n",
        "datasets/subjects.jsonl": '{"id": "a", "input": "x"}\n',
        "datasets/subjects.md": "---\ndataset: subjects/v1\nabout: Diffs.\nsource: Invented.\nlicence: CC0-1.0\n---\n",
        "loop/commit-subjects.yaml": FULL,
        "prompts/subject.md": "Write.\n",
        "tools/gate.py": "",
        "lint.sh": "",
    }
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Library(roots=(root,))


def test_a_loop_is_found_by_name_version_or_path(tmp_path: Path) -> None:
    """The name, the name with its version, the file and its folder all lead to the loop."""
    library = workspace(tmp_path)
    path = tmp_path / "loop/commit-subjects.yaml"
    for name in ("commit-subjects", "commit-subjects/v1", path):
        assert LoopSpec.load(name, library).source == path
    folder = tmp_path / "loop/skill"
    folder.mkdir()
    path.rename(folder / "loop.yaml")
    assert LoopSpec.load(folder, library).source == LoopSpec.load("skill", library).source == folder / "loop.yaml"
    with pytest.raises(UnknownNameError, match="no loop named 'other'"):
        LoopSpec.load("other", library)
    with pytest.raises(UnknownNameError, match="found commit-subjects/v1, expected skill/v2"):
        LoopSpec.load("skill/v2", library)


def test_the_files_of_the_evaluator_are_found(tmp_path: Path) -> None:
    """Rubric, judges with members, data, card, runner and gates are named; the artefact is not among them."""
    library = workspace(tmp_path)
    files = evaluator_files(LoopSpec.load("commit-subjects", library), tmp_path, library)
    assert files.outside == ()
    assert sorted(files.inside) == [
        "datasets/subjects.jsonl",
        "datasets/subjects.md",
        "judges/local.yaml",
        "judges/one.yaml",
        "judges/other.yaml",
        "judges/panel.yaml",
        "lint.sh",
        "loop/commit-subjects.yaml",
        "rubrics/subject.yaml",
        "tools/gate.py",
    ]


def test_files_outside_of_the_repository_are_told_apart(tmp_path: Path) -> None:
    """What ships with the installation lies elsewhere; the loop hashes it instead of reading it from a commit."""
    library = workspace(tmp_path / "shipped")
    (tmp_path / "repo").mkdir()
    files = evaluator_files(LoopSpec.parse(FULL), tmp_path / "repo", library, committed={"prompts/subject.md"})
    assert files.inside == ()
    assert (tmp_path / "shipped/rubrics/subject.yaml").resolve() in files.outside


@pytest.mark.parametrize("pattern", ["rubrics/*.yaml", "**/*.jsonl", "judges/one.yaml", "loop/**", "datasets/"])
def test_a_loop_may_not_edit_its_evaluator(tmp_path: Path, pattern: str) -> None:
    """A pattern that matches rubric, judge, cases or the loop itself is refused, with the pattern and the file."""
    library = workspace(tmp_path)
    path = tmp_path / "loop/commit-subjects.yaml"
    path.write_text(FULL.replace("edit: [", f"edit: ['{pattern}', "))
    spec = LoopSpec.load(path, library)
    with pytest.raises(LoopError) as caught:
        evaluator_files(spec, tmp_path, library)
    assert f"'{pattern}', which matches" in str(caught.value)


@pytest.mark.parametrize("pattern", ["datasets/*", "**/*.jsonl", "rubrics/subject.yaml", "judges/"])
def test_sources_may_not_give_the_evaluator_away(tmp_path: Path, pattern: str) -> None:
    """Sealed cases, the rubric and the judge cannot reach a brief as somebody's sources; a card may."""
    library = workspace(tmp_path)
    with pytest.raises(LoopError, match=r"ideas\.from: found .*, which matches"):
        evaluator_files(LoopSpec.parse(FULL.replace("docs/**/*.md", pattern)), tmp_path, library)
    assert evaluator_files(LoopSpec.parse(FULL.replace("docs/**/*.md", "**/*.md")), tmp_path, library).card


NAMED = ("bench.py", "config.json", "solver.py")


def sealed_beside(folder: Path, edit: str, command: str, **more: Any) -> tuple[str, ...]:
    """What is sealed of a few committed files where a number's command names them."""
    spec = parse(edit=edit, score={"number": {"command": command}}, **more)
    return evaluator_files(spec, folder, Library(roots=(folder,)), committed=NAMED).inside


@pytest.mark.parametrize(
    ("command", "sealed"),
    [
        ("python bench.py", ("bench.py",)),
        ("python -u bench.py --config=config.json", ("bench.py", "config.json")),
        ("python -m bench solver.py", ("solver.py", "bench.py")),
        ("sh -c 'timeout 60 python bench.py < config.json | tail -1'", ("bench.py", "config.json")),
        ("pytest bench.py::test_speed", ("bench.py",)),
    ],
)
def test_a_pattern_does_not_reach_what_a_command_names(tmp_path: Path, command: str, sealed: tuple[str, ...]) -> None:
    """A wildcard that matches a file of a command leaves it sealed, also one that only a shell's text names."""
    assert sealed_beside(tmp_path, "*", command) == sealed


def test_a_file_that_a_command_reads_may_be_the_artefact(tmp_path: Path) -> None:
    """Named without a wildcard, it may change; the program that reads it stays sealed."""
    assert sealed_beside(tmp_path, "config.json", "python bench.py --config=config.json") == ("bench.py",)
    stages = [{"run": "python -m py_compile solver.py"}]
    assert sealed_beside(tmp_path, "solver.py", "python bench.py solver.py", stages=stages) == ("bench.py",)


@pytest.mark.parametrize(
    "command",
    [
        "./bench.py",
        "python bench.py",
        "python -m bench",
        "env A=1 python -X dev bench.py",
        "sh -c 'python bench.py | tail'",
    ],
)
def test_the_scorer_may_not_be_named_in_edit(tmp_path: Path, command: str) -> None:
    """What the score or a check runs would be rewritten to print a better number."""
    for part, score, stages in (("scorer", command, []), ("check", "cat config.json", [{"run": command}])):
        with pytest.raises(LoopError, match=f"edit: the {part} bench.py may change: found it in edit, ex") as caught:
            sealed_beside(tmp_path, "bench.py", score, stages=stages)
        assert "take it out of edit" in caught.value.hint


def test_a_program_may_be_the_artefact(tmp_path: Path) -> None:
    """The program that makes the outputs is what is improved where edit names it, and sealed where a pattern does."""
    library = workspace(tmp_path)
    for edit, sealed in (("run.py", False), ("*.py", True)):
        made = {"produce": {"command": "python run.py"}, "score": {"rubric": "subject", "dataset": "subjects"}}
        spec = parse(edit=edit, **made)
        assert ("run.py" in evaluator_files(spec, tmp_path, library, committed={"run.py"}).inside) is sealed


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("python bench.py | tail -1", "'|'"),
        ("make && ./bench", "'&&'"),
        ("make; ./bench", "';'"),
        ("./bench > out.txt", "'>'"),
        ("./bench 2>&1", "'2>&1'"),
        ("./bench < in.txt", "'<'"),
        ("cd tools", "'cd'"),
    ],
)
def test_a_command_that_needs_a_shell_is_refused(command: str, found: str) -> None:
    """Without one, these would be arguments of the program, which fails in ways nobody understands."""
    said = refusal(stages=[{"run": command}])
    assert "stages" in said
    assert f"run: found {found} in '{command}', expected a program and its arguments; commands run without" in said
    assert "sh -c '…'" in said


@pytest.mark.parametrize(
    "command",
    ["sh -c 'cd a && b | c > d; e'", "grep -E 'a|b' x", r"find . -exec cat {} \;", "pip check x>=1", ["cd", ";"]],
)
def test_a_command_may_hold_what_only_a_shell_would_read(command: str | list[str]) -> None:
    """Quoted, in a list, or inside a word, it is an argument."""
    assert parse(stages=[{"run": command}]).stages[0].run


def test_a_criterion_that_may_not_fall_must_exist(tmp_path: Path) -> None:
    """never_lower is checked against the rubric, since a name that matches nothing would protect nothing."""
    library = workspace(tmp_path)
    with pytest.raises(LoopError, match="found 'acuracy', expected criteria of subject/v1"):
        evaluator_files(LoopSpec.parse(FULL.replace("[accuracy]", "[acuracy]")), tmp_path, library)
