from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tenward.containment import Level, containment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    from tenward.testing import StubServer

    Run = Callable[..., CompletedProcess[str]]

NUMBER = """\
loop: digits/v1
goal: A larger number.
edit: [art/**]
propose: {command: "sh propose.sh", timeout: 30, allow: {write: [../outside]}}
score: {number: {command: sh measure.sh, goal: maximize, timeout: 3}}
budget: {rounds: 2}
placebo: 0.0
"""
PROMPTED = """\
loop: digits/v1
goal: Answers of a better grade.
edit: ["art/**"]
propose: {command: "sh propose.sh", allow: {write: [../outside]}}
produce: {prompt: art/prompt.md, model: stated, max_tokens: 40}
score: {rubric: mine, judge: stated, dataset: questions}
keep: {in_play: 8, sealed: 12}
budget: {rounds: 20}
placebo: 0.0
"""
# Each attempt is the next script of a folder that lies outside of the slot.
PROPOSE = """\
n=$(wc -c < "{folder}/turns"); printf x >> "{folder}/turns"
[ -f "{folder}/$n.sh" ] && . "{folder}/$n.sh"
echo "deed $n"
"""
DETACHED = """\
echo 'echo 2' > art/code.sh
python3 -c "
import os, pathlib
if os.fork() == 0:
    os.setsid()
    os.chdir('/')
    pid = os.fork()
    if pid == 0:
        os.execvp('sleep', ['sleep', '600.25'])
    pathlib.Path('{folder}/pid').write_text(str(pid))
    os._exit(0)
os.wait()"
"""


class Bench:
    """A repository with a loop whose proposer, or whose candidates, mean harm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outside = folder.parent / "outside"

    def git(self, *arguments: str) -> str:
        """Run git in the repository and return what it prints."""
        start = ["git", "-c", "user.name=User", "-c", "user.email=user@example.org", *arguments]
        return subprocess.run(start, cwd=self.folder, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, **files: str) -> None:
        """Write files, slashes as double underscores and dots as single ones, and commit them with all the rest."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", ".")
        self.git("commit", "-qm", "Next", "--allow-empty")

    def deeds(self, *scripts: str) -> None:
        """What the attempts do, in order."""
        for number, text in enumerate(scripts):
            (self.outside / f"{number}.sh").write_text(f"{text}\n")


@pytest.fixture
def bench(workspace: Path) -> Bench:
    """A repository with a loop whose candidates are shell scripts that print a number, as the current folder."""
    bench = Bench(workspace)
    bench.outside.mkdir()
    (bench.outside / "turns").touch()
    bench.git("init", "-q", "-b", "main")
    (workspace / ".gitignore").write_text(".tenward/\n")
    bench.commit(
        loop__digits_yaml=NUMBER,
        propose_sh=PROPOSE.format(folder=bench.outside),
        measure_sh="exec sh art/code.sh\n",
        art__code_sh="echo 1\n",
    )
    return bench


@pytest.fixture
def prompted(bench: Bench, server: StubServer) -> Bench:
    """The same with a prompt as artefact, whose outputs a model writes and judges."""
    assert server.base_url
    cases = [
        {"id": f"q{number:02}", "input": f"Question {number}", "split": "dev" if number < 10 else "sealed"}
        for number in range(25)
    ]
    bench.commit(
        loop__digits_yaml=PROMPTED,
        datasets__questions_jsonl="".join(f"{json.dumps(case)}\n" for case in cases),
        art__prompt_md="Answer. {input}\n",
    )
    return bench


def ends(run: Run, *options: str) -> list[dict[str, Any]]:
    """Run the loop and return its attempts."""
    ended = run("loop", "run", "digits", *options)
    assert ended.returncode == 0, ended.stderr
    numbers = [row["number"] for row in json.loads(run("loop", "log", "digits", "--json").stdout)]
    return [json.loads(run("loop", "show", "digits", str(number), "--json").stdout) for number in numbers]


def test_rounds_on_the_command_line_know_no_other_limit(run: Run, bench: Bench) -> None:
    """They stand in place of the file's, also where that leaves no limit at all and many rounds are done."""
    assert bench.folder.is_dir()
    done = [
        json.loads(run("loop", "run", "digits", "--rounds", rounds, "--json").stdout)["spent"]["rounds"]
        for rounds in ("21", "2")
    ]
    assert done == [21, 23]


def test_nothing_a_proposer_starts_outlives_its_attempt(run: Run, bench: Bench) -> None:
    """Not even a process that has left its group, its parents and its folder."""
    bench.deeds(DETACHED.format(folder=bench.outside))
    assert [end["status"] for end in ends(run, "--rounds", "1")] == ["keep"]
    assert (bench.outside / "pid").read_text()
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "sleep 600.25" not in listed


def test_a_proposer_that_unmasks_its_slot_does_not_reach_the_repository(run: Run, bench: Bench) -> None:
    """Git looks for no repository further up, even when the file that keeps it out is gone."""
    bench.deeds("rm .git; git config user.evil 1; git branch evil; true")
    before = (bench.folder / ".git/config").read_bytes()
    (end,) = ends(run, "--rounds", "1")
    assert end["reason"] == "invalid: .git: git's own file (the file that keeps git out was removed)"
    assert (bench.folder / ".git/config").read_bytes() == before
    assert "evil" not in bench.git("branch", "--list")


def test_an_idea_with_half_a_character_is_an_idea(run: Run, bench: Bench) -> None:
    """JSON can say what no text can be; it becomes the replacement character, and the loop goes on."""
    idea = r'{"title": "a\ud800b", "rationale": "\udfff", "ruled_out": ["\ud801"]}'
    bench.deeds(f"echo 'echo 2' > art/code.sh; cat > $TENWARD_IDEA <<'END'\n{idea}\nEND")
    (end,) = ends(run, "--rounds", "1")
    assert (end["status"], end["idea"], end["idea_note"]) == ("keep", "a\ufffdb", "\ufffd")
    assert json.loads(run("loop", "log", "digits", "--from-git", "--json").stdout)[0]["description"] == "a\ufffdb"


def test_the_reason_of_a_crash_says_what_happened(run: Run, bench: Bench) -> None:
    """A number that no sum can hold, none at all, a command that hangs or prints without end: each is named."""
    codes = ["echo 1e308", "echo -1e308", "echo nan", "echo 0.0; exec sleep 60", "echo 5; exit 3"]
    bench.deeds(
        *(f"echo '{code}' > art/code.sh" for code in codes),
        "head -c 60000000 /dev/zero; exec sleep 60",
        "d=$PWD; cd ..; rm -r $d",
    )
    found = ends(run, "--rounds", str(len(codes) + 2))
    assert [end["reason"] for end in found] == [
        "crashed: no usable number in what it printed: 1e308",
        "crashed: no usable number in what it printed: -1e308",
        "crashed: no usable number in what it printed: nan",
        "crashed: stopped after 3 s of 3 s: 0.0",
        "crashed: exit status 3: 5",
        "crashed: stopped: printed more than 50,000,000 bytes",
        "invalid: .: unreadable (the slot itself: No such file or directory)"
        if containment().level is Level.NONE
        else "invalid: .git: git's own file (the file that keeps git out was removed)",  # the folder itself stays
    ]


def test_a_scorer_that_a_pattern_covers_stays_sealed(run: Run, bench: Bench) -> None:
    """An attempt that rewrites or removes it is invalid, and the plan lists it as sealed and not as what may change."""
    bench.commit(
        loop__digits_yaml=NUMBER.replace("measure.sh", "art/measure.sh"), art__measure_sh="exec sh art/code.sh\n"
    )
    plan = json.loads(run("loop", "plan", "digits", "--json").stdout)
    assert (plan["may_change"], "art/measure.sh" in plan["sealed"]) == (["art/code.sh"], True)
    bench.deeds("echo 'echo 9' > art/measure.sh", "rm art/measure.sh", "echo 'echo 2' > art/code.sh")
    first, second, third = ends(run, "--rounds", "3")
    assert first["reason"] == "invalid: art/measure.sh: sealed (was changed)"
    assert second["reason"] == "invalid: art/measure.sh: sealed (was deleted)"
    assert third["status"] == "keep"


def test_a_loop_whose_every_file_is_sealed_is_refused(run: Run, bench: Bench) -> None:
    """Where edit matches nothing but what commands name, plan and run say so, and how to mean it."""
    bench.commit(loop__digits_yaml=NUMBER.replace("sh measure.sh", "cat art/code.sh"))
    for words in (("plan",), ("run", "--rounds", "1")):
        ended = run("loop", words[0], "digits", *words[1:])
        assert ended.returncode == 2
        assert "edit (art/**): found art/code.sh, which commands name, expected the artefact" in ended.stderr
        assert "without a wildcard" in ended.stderr


@pytest.mark.parametrize(
    ("more", "printed", "told"),
    [
        (
            "pattern: 'loss: ([0-9.]+)'",
            "score: 3",
            "the pattern 'loss: ([0-9.]+)' found nothing in what it printed; the",
        ),
        (
            "timeout: 9",
            "score: 3",
            "found no number, expected the last line to be one, or a pattern that finds it; the",
        ),
    ],
)
def test_a_number_that_is_not_found_is_told_once(run: Run, bench: Bench, more: str, printed: str, told: str) -> None:
    """It names the pattern, or what is expected without one, and the last line printed; a number has no cases."""
    bench.commit(
        loop__digits_yaml=NUMBER.replace("timeout: 3}", f"{more}}}"), art__code_sh=f"echo ah; echo {printed}\n"
    )
    said = run("loop", "run", "digits").stderr
    assert f"{told} last line is: {printed}" in said
    assert (said.count(printed), "case '" in said) == (1, False)


def test_a_check_that_hangs_is_a_crash_that_says_so(run: Run, bench: Bench) -> None:
    """What it printed last is not the reason."""
    stage = 'stages: [{run: "sh check.sh", timeout: 1}]\n'
    bench.commit(loop__digits_yaml=NUMBER + stage, check_sh="exec sh art/check.sh\n", art__check_sh="exit 0\n")
    bench.deeds("echo 'echo all is well; exec sleep 60' > art/check.sh")
    assert ends(run, "--rounds", "1")[0]["reason"] == "crashed: stopped after 1 s"


def test_a_prompt_that_cannot_be_used_is_invalid_before_anything_is_paid(run: Run, prompted: Bench) -> None:
    """Two places for the input, nothing at all, no file: the candidate's fault, told when it is checked."""
    prompted.deeds(
        "echo 'Answer {input} and {input}' > art/prompt.md",
        ": > art/prompt.md",
        "mv art/prompt.md art/other.md",
        "echo 'Answer with grade 5. {input}' > art/prompt.md",
    )
    found = ends(run, "--rounds", "4", "--anyway")  # a stub that sees nothing
    assert [end["reason"] for end in found[:3]] == [
        "invalid: art/prompt.md: found {input} 2 times in the prompt, expected it once at most",
        "invalid: art/prompt.md: found an empty prompt, expected what to tell the model",
        "invalid: art/prompt.md: was deleted, expected the prompt",
    ]
    assert [end["spent"]["calls"] for end in found[:3]] == [0, 0, 0]
    assert found[3]["status"] != "invalid"


def test_an_output_may_be_short(run: Run, prompted: Bench, server: StubServer) -> None:
    """A limit below what a judge needs for its answer is one that a prompted model keeps to, planned and run."""
    assert run("loop", "plan", "digits").returncode == 0
    prompted.deeds("echo 'Answer with grade 5. {input}' > art/prompt.md")
    ends(run, "--rounds", "1", "--anyway")  # as above
    limits = {request.body.get("max_completion_tokens", request.body.get("max_tokens")) for request in server.requests}
    assert 40 in limits


def test_a_limit_that_is_reached_is_named_as_it_was_given(run: Run, prompted: Bench) -> None:
    """Also by a process that goes on from what an earlier one spent."""
    assert prompted.folder.is_dir()
    for calls in ("5", "9"):
        note = json.loads(run("loop", "run", "digits", "--calls", calls, "--json").stdout)["note"]
        assert note in {f"budget: all {calls} calls are used", f"budget: {calls} of {calls} calls are used"}


def test_a_budget_in_dollars_without_a_price_is_told_before_the_start(run: Run, prompted: Bench) -> None:
    """The plan says which model has none, and a run refuses before anything begins."""
    told = "budget.usd: found no price of openai/stub-model, expected the price of every model"
    ended = run("loop", "run", "digits", "--usd", "3")
    assert (ended.returncode, told in ended.stderr) == (2, True)
    prompted.commit(loop__digits_yaml=PROMPTED.replace("{rounds: 20}", "{usd: 3}"))
    assert json.loads(run("loop", "plan", "digits", "--json").stdout)["errors"][0].startswith(told)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("prompt: art/prompt.md", "prompt: art/none.md", ":5: produce.prompt: found 'art/none.md', expected a file"),
        ("model: stated", "model: nobody", ":5: produce.model: found no judge named 'nobody'"),
        (
            "model: stated",
            "model: {judge: local, base_url: 'http://x/v1'}",
            ":5: produce.model: model: the changes do not go together with judge file 'local': found an address",
        ),
        ("judge: stated", "judge: nobody", ":6: score.judge: found no judge named 'nobody'"),
        ("rubric: mine", "rubric: none", ":6: score.rubric: found no rubric named 'none'"),
        ("dataset: questions", "dataset: none", ":6: score.dataset: found no data set named 'none'"),
        ("placebo: 0.0", "confirm: {judge: nobody}", ":9: confirm.judge: found no judge named 'nobody'"),
        ("in_play: 8", "in_play: 8, never_lower: [x]", ":7: keep.never_lower: found 'x', expected criteria of mine"),
        ("art/**", "**", ":3: edit: found '**', which matches"),
    ],
)
def test_what_a_name_leads_to_is_told_with_its_place(run: Run, prompted: Bench, old: str, new: str, told: str) -> None:
    """What only the rest of the workspace shows to be wrong comes with file, line and field, from plan and run."""
    assert old in PROMPTED
    prompted.commit(loop__digits_yaml=PROMPTED.replace(old, new))
    where = f"loop/digits.yaml{told}"
    for words in (("plan",), ("run", "--rounds", "1")):
        ended = run("loop", words[0], "digits", *words[1:])
        assert ended.returncode == 2
        assert where in ended.stderr


def test_cases_that_the_rule_cannot_decide_with_are_told_by_the_plan(run: Run, prompted: Bench) -> None:
    """A data set with sealed cases alone is refused by a run, and the plan says so as well."""
    prompted.commit(datasets__questions_jsonl='{"id": "a", "input": "x", "split": "sealed"}\n')
    told = "posterior race: found 0 dev and 1 sealed cases, expected at least one of each"
    assert json.loads(run("loop", "plan", "digits", "--json").stdout)["errors"][0].startswith(told)
    ended = run("loop", "run", "digits")
    assert (ended.returncode, told in ended.stderr) == (2, True)


def test_a_prompt_that_is_not_committed_is_told(run: Run, prompted: Bench) -> None:
    """Where another file of the artefact is, the prompt must be too."""
    prompted.git("rm", "-q", "--cached", "art/prompt.md")
    prompted.git("commit", "-qm", "Forget it")
    told = "produce.prompt: found 'art/prompt.md', expected the file art/prompt.md among the committed ones"
    assert json.loads(run("loop", "plan", "digits", "--json").stdout)["errors"][0].startswith(told)
    ended = run("loop", "run", "digits")
    assert (ended.returncode, told in ended.stderr) == (2, True)
