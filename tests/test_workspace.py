from __future__ import annotations

from pathlib import Path

import pytest

from tenward.errors import UnknownNameError
from tenward.rubrics import Rubric
from tenward.workspace import Library, require_version

RUBRIC = "rubric: {name}\nabout: {about}\ncriteria:\n  clarity: Is it clear?\n"


def put(root: Path, name: str, *, about: str = "What?", declared: str = "", folder: str = "rubrics") -> Path:
    """Write one rubric and return its file."""
    path = root / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RUBRIC.format(name=declared or f"{path.stem}/v1", about=about), encoding="utf-8")
    return path


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    """Return an empty workspace and an empty shipped library."""
    roots = tmp_path / "workspace", tmp_path / "shipped"
    for root in roots:
        root.mkdir()
    return roots


@pytest.fixture
def library(roots: tuple[Path, Path]) -> Library:
    """Return a library of the two roots."""
    return Library(roots=roots)


def complaint(library: Library, name: str | Path) -> UnknownNameError:
    """Return what the look-up of a rubric complains about."""
    with pytest.raises(UnknownNameError) as caught:
        library.find("rubrics", name)
    return caught.value


def test_the_workspace_shadows_the_shipped_library(library: Library, roots: tuple[Path, Path]) -> None:
    """A name in both roots means the workspace's file; a name in one of them is found there."""
    put(roots[1], "review.yaml")
    put(roots[1], "prompt.yaml")
    mine = put(roots[0], "review.yaml")
    assert library.find("rubrics", "review") == mine
    assert library.find("rubrics", "prompt") == roots[1] / "rubrics/prompt.yaml"
    assert library.shipped == roots[1]


def test_names_are_sorted_and_each_once(library: Library, roots: tuple[Path, Path]) -> None:
    """The names of both roots are one sorted mapping, the workspace's file for a name in both."""
    put(roots[1], "zeal.yaml")
    put(roots[1], "alpha.yaml")
    mine = put(roots[0], "zeal.yml")
    assert list(library.names("rubrics").items()) == [("alpha", roots[1] / "rubrics/alpha.yaml"), ("zeal", mine)]


def test_other_files_in_a_content_folder_are_no_content(library: Library, roots: tuple[Path, Path]) -> None:
    """A README, an editor's backup, a sub-folder and a folder named like a file are not content."""
    put(roots[0], "review.yaml")
    folder = roots[0] / "rubrics"
    for name in ("README.md", "review.yaml~", "notes.txt"):
        (folder / name).write_text("text", encoding="utf-8")
    (folder / "drafts").mkdir()
    put(folder / "drafts", "hidden.yaml", folder=".")
    (folder / "folder.yaml").mkdir()
    assert list(library.names("rubrics")) == ["review"]


def test_kinds_of_content_do_not_mix(library: Library, roots: tuple[Path, Path]) -> None:
    """A judge is not found among the rubrics, and a missing folder holds nothing."""
    put(roots[0], "local.yaml", folder="judges")
    assert list(library.names("judges")) == ["local"]
    assert library.names("rubrics") == {}
    assert "expected one of: (none)" in complaint(library, "local").message


def test_a_misspelt_name_is_answered_with_the_nearest(library: Library, roots: tuple[Path, Path]) -> None:
    """The error names what was asked, everything there is, and the nearest name."""
    put(roots[0], "code-review.yaml")
    put(roots[1], "prompt.yaml")
    error = complaint(library, "code-reveiw")
    assert error.message == "found no rubric named 'code-reveiw', expected one of: code-review, prompt"
    assert error.hint == "did you mean 'code-review'?"
    assert complaint(library, "xyz").hint == "a path to a YAML file works too"
    assert "found no rubric named ''" in complaint(library, "").message


def test_a_path_is_used_as_it_is(library: Library, roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute path, a relative one and a bare file name with its suffix all mean that very file."""
    put(roots[1], "mine.yaml")
    path = put(roots[0], "mine.yaml", folder="elsewhere")
    monkeypatch.chdir(path.parent)
    assert library.find("rubrics", path) == path
    assert library.find("rubrics", str(path)) == path
    assert library.find("rubrics", "../elsewhere/mine.yaml") == Path("../elsewhere/mine.yaml")
    assert library.find("rubrics", "mine.yaml") == Path("mine.yaml")


def test_a_path_that_leads_nowhere_lists_the_names(library: Library, roots: tuple[Path, Path]) -> None:
    """A path without a file is refused with the names that would work."""
    put(roots[0], "review.yaml")
    error = complaint(library, "no/such.yaml")
    assert error.message == "no/such.yaml: no such file"
    assert error.hint == "give the path of a YAML file, or one of the names: review"


def test_a_path_to_a_folder_says_so(library: Library, roots: tuple[Path, Path]) -> None:
    """A folder in place of a file is called a folder, not a missing file."""
    assert complaint(library, roots[0]).message == f"{roots[0]}: found a folder, expected a YAML file"


def test_a_name_that_is_also_a_folder_stays_a_name(
    library: Library, roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of the rubric's name in the current folder does not hide the rubric, with a version or without."""
    path = put(roots[0], "review.yaml")
    (roots[0] / "review").mkdir()
    monkeypatch.chdir(roots[0])
    assert library.find("rubrics", "review") == path
    assert library.find("rubrics", "review/v1") == path


def test_a_version_must_be_the_one_in_the_file(library: Library, roots: tuple[Path, Path]) -> None:
    """Asking for a version loads that version or fails, naming both; the bare name takes any."""
    path = put(roots[0], "code-review.yaml", declared="code-review/v2")
    assert Rubric.load("code-review", library=library).rubric == "code-review/v2"
    assert Rubric.load("code-review/v2", library=library).rubric == "code-review/v2"
    with pytest.raises(UnknownNameError) as caught:
        Rubric.load("code-review/v9", library=library)
    assert caught.value.message == f"{path}: found code-review/v2, expected code-review/v9"
    assert caught.value.hint == "ask for 'code-review/v2', or for 'code-review' to take any version"


def test_a_path_asks_for_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose path looks like a versioned name is a file, whatever version it declares."""
    path = put(tmp_path, "v9", folder="review", declared="review/v1")
    monkeypatch.chdir(tmp_path)
    require_version("review/v9", "review/v1", path)
    require_version(path, "review/v1", path)


def test_an_unknown_name_with_a_version_is_unknown(library: Library, roots: tuple[Path, Path]) -> None:
    """A version does not turn a misspelt name into a path."""
    put(roots[0], "code-review.yaml")
    error = complaint(library, "code-reveiw/v1")
    assert "found no rubric named 'code-reveiw/v1'" in error.message
    assert error.hint == "did you mean 'code-review'?"


def test_discovery_goes_up_to_the_nearest_workspace(tmp_path: Path) -> None:
    """The nearest folder upwards that holds content is the workspace, then comes the shipped library."""
    put(tmp_path, "outer.yaml")
    put(tmp_path / "inner", "local.yaml", folder="judges")
    start = tmp_path / "inner/src/deep"
    start.mkdir(parents=True)
    assert Library.discover(start).roots[0] == tmp_path / "inner"
    assert Library.discover(tmp_path).roots[0] == tmp_path
    assert len(Library.discover(start).roots) == 2


def test_discovery_starts_at_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a start the current folder counts."""
    path = put(tmp_path, "mine.yaml")
    monkeypatch.chdir(tmp_path)
    assert Library.discover().find("rubrics", "mine") == path


def test_discovery_includes_the_top_of_the_repository_and_stops_there(tmp_path: Path) -> None:
    """Content beside .git is found from below, content above it is not."""
    put(tmp_path, "outside.yaml")
    top = tmp_path / "repository"
    (top / "src").mkdir(parents=True)
    (top / ".git").mkdir()
    assert tmp_path not in Library.discover(top / "src").roots
    put(top, "inside.yaml")
    assert Library.discover(top / "src").roots[0] == top


def test_discovery_stops_at_a_linked_worktree_too(tmp_path: Path) -> None:
    """In a worktree or a submodule .git is a file; it marks the top as well."""
    put(tmp_path, "outside.yaml")
    top = tmp_path / "worktree"
    top.mkdir()
    (top / ".git").write_text("gitdir: elsewhere\n", encoding="utf-8")
    assert tmp_path not in Library.discover(top).roots


def test_folders_without_content_are_no_workspace(tmp_path: Path) -> None:
    """A folder that is called judges but holds no YAML file does not make a workspace."""
    put(tmp_path, "outer.yaml")
    inner = tmp_path / "inner"
    for name in ("rubrics", "judges"):
        (inner / name).mkdir(parents=True)
        (inner / name / "README.md").write_text("text", encoding="utf-8")
    assert Library.discover(inner).roots[0] == tmp_path


def put_cases(root: Path, name: str) -> Path:
    """Write one data set and return its file."""
    path = root / "datasets" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"id": "a"}\n', encoding="utf-8")
    return path


def test_data_sets_are_found_by_name(library: Library, roots: tuple[Path, Path]) -> None:
    """JSONL, compressed JSONL and CSV are content of datasets, by their name without any of the suffixes."""
    shipped = put_cases(roots[1], "subjects.jsonl")
    for name in ("tasks.jsonl.gz", "ratings.v2.csv", "subjects.md", ".jsonl", "odd.gz"):
        put_cases(roots[0], name)
    assert list(library.names("datasets")) == ["ratings.v2", "subjects", "tasks"]
    assert library.find("datasets", "subjects") == shipped
    assert library.find("datasets", "tasks") == roots[0] / "datasets/tasks.jsonl.gz"
    assert not library.shadows("datasets", library.find("datasets", "tasks"))


def test_a_data_set_of_the_workspace_may_stand_for_a_shipped_one(library: Library, roots: tuple[Path, Path]) -> None:
    """The workspace's file shadows a shipped one of the same name, whatever the suffixes."""
    put_cases(roots[1], "subjects.jsonl")
    mine = put_cases(roots[0], "subjects.csv")
    assert library.find("datasets", "subjects") == mine
    assert not library.shadows("datasets", mine)
    mine.write_text("id\nb\n", encoding="utf-8")
    assert library.shadows("datasets", mine)


def test_of_two_files_with_one_name_the_plain_jsonl_counts(library: Library, roots: tuple[Path, Path]) -> None:
    """Beside the spreadsheet it was made from, and its compressed copy, the JSONL file is the data set."""
    for name in ("a.csv", "a.jsonl.gz", "a.jsonl"):
        put_cases(roots[0], name)
    assert library.find("datasets", "a") == roots[0] / "datasets/a.jsonl"


def test_a_data_set_may_be_given_by_its_path(
    library: Library, roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file name with one of the suffixes is a path; one that leads nowhere is told what would work."""
    path = put_cases(roots[0], "a.jsonl.gz")
    monkeypatch.chdir(path.parent)
    assert library.find("datasets", "a.jsonl.gz") == Path("a.jsonl.gz")
    with pytest.raises(UnknownNameError) as caught:
        library.find("datasets", "b.csv")
    assert caught.value.message == "b.csv: no such file"
    assert caught.value.hint == "give the path of a JSONL or CSV file, or one of the names: a"
    with pytest.raises(UnknownNameError) as caught:
        library.find("datasets", path.parent)
    assert caught.value.message == f"{path.parent}: found a folder, expected a JSONL or CSV file"


def test_a_folder_of_data_alone_is_a_workspace_only_where_there_is_no_other(tmp_path: Path) -> None:
    """Many projects have a folder called datasets, so the nearest YAML content above it is the stronger sign."""
    inner = tmp_path / "inner"
    put_cases(inner, "train.csv")
    (inner / "src").mkdir()
    assert Library.discover(inner / "src").roots[0] == inner
    put_cases(tmp_path, "outer.jsonl")
    assert Library.discover(inner / "src").roots[0] == inner
    put(tmp_path, "outer.yaml")
    assert Library.discover(inner / "src").roots[0] == tmp_path


def test_data_above_the_repository_makes_no_workspace(tmp_path: Path) -> None:
    """The search for data stops at the top of the repository too."""
    put_cases(tmp_path, "outside.jsonl")
    top = tmp_path / "repository"
    (top / "datasets").mkdir(parents=True)
    (top / ".git").mkdir()
    (top / "datasets/README.md").write_text("text", encoding="utf-8")
    assert len(Library.discover(top).roots) == 1


def test_a_loop_may_be_a_folder(roots: tuple[Path, Path]) -> None:
    """A folder with loop.yaml is a loop of the folder's name; a file of that name stands before it."""
    library = Library(roots=roots)
    inside = put(roots[0], "skill/loop.yaml", folder="loop")
    shipped = put(roots[1], "skill.yaml", folder="loop", about="Other?")
    assert library.names("loop") == {"skill": inside}
    assert (
        library.find("loop", "skill") == library.find("loop", inside) == library.find("loop", inside.parent) == inside
    )
    assert library.is_workspace_s(inside)
    assert not library.is_workspace_s(shipped)
    assert library.shadows("loop", inside)
    single = put(roots[0], "skill.yaml", folder="loop")
    assert library.find("loop", "skill") == single


def test_a_folder_with_a_loop_makes_a_workspace(tmp_path: Path) -> None:
    """A loop in a folder of its own is enough to know a workspace by; a folder with other files is not."""
    (tmp_path / "above/.git").mkdir(parents=True)
    inside = put(tmp_path / "above/work", "tidy/loop.yaml", folder="loop")
    assert Library.discover(inside.parent).roots[0] == tmp_path / "above/work"
    inside.rename(inside.with_name("other.txt"))
    assert Library.discover(inside.parent).roots[0] != tmp_path / "above/work"
