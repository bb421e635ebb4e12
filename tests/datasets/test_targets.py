from __future__ import annotations

import codecs
import io
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.datasets import Limits, read_target
from tenward.errors import TargetError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


def refusal(spec: str, cwd: Path | None = None, **options: object) -> str:
    """Return what the reading of a target complains about."""
    with pytest.raises(TargetError) as caught:
        read_target(spec, cwd=cwd, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    return str(caught.value)


def test_a_file_is_read_under_the_name_it_was_given(tmp_path: Path) -> None:
    """A file's text is the output, its path as given the id, its folder where gates run."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/review.md").write_text("Looks good.\n", encoding="utf-8")
    target = read_target("sub/review.md", input="task", references=["r"], cwd=tmp_path)
    assert (target.kind, target.case.id, target.case.output) == ("file", "sub/review.md", "Looks good.\n")
    assert (target.case.input, target.case.references) == ("task", ("r",))
    assert target.folder == tmp_path / "sub"
    assert target.notes == ()


def test_a_link_to_a_file_is_followed_and_a_dangling_one_named(tmp_path: Path) -> None:
    """A link the user names is read; one that leads nowhere is reported with where it leads."""
    (tmp_path / "a.txt").write_text("text", encoding="utf-8")
    (tmp_path / "link").symlink_to("a.txt")
    (tmp_path / "lost").symlink_to("gone.txt")
    assert read_target("link", cwd=tmp_path).case.output == "text"
    assert "link to gone.txt, which does not exist" in refusal("lost", tmp_path)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_survives_every_accepted_encoding(text: str) -> None:
    """UTF-8, UTF-8 with a mark and UTF-16 with a mark give the same text, with one kind of line ending."""
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    encoded = [
        codecs.BOM_UTF8 + text.encode(),
        codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ]
    if not text.startswith("\ufeff"):
        encoded.append(text.encode())
    for data in encoded:
        if expected.strip():
            assert read_target("-", stdin=io.BytesIO(data)).case.output == expected
        else:
            assert "is empty" in refusal("-", stdin=io.BytesIO(data))


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_in_plain_words(data: bytes) -> None:
    """No sequence of bytes leads to anything but a text or a TargetError."""
    try:
        said = read_target("-", stdin=io.BytesIO(data)).case.output
    except TargetError as error:
        said = error.message
    assert said.strip()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"ab\0c", "binary: found a NUL at byte 2"),
        (b"\x89PNG\0", "found byte 0x89 at byte 0"),
        (b"caf\xe9", "found byte 0xe9 at byte 3"),
        (codecs.BOM_UTF8 + b"a\xff", "found byte 0xff at byte 4"),
        (codecs.BOM_UTF16_LE + b"a\0\0\xd8", "found byte 0x00 at byte 4"),
        (codecs.BOM_UTF16_LE + b"a\0\0\0", "binary: found a NUL at byte 4"),
        (codecs.BOM_UTF32_LE + "ab".encode("utf-32-le"), "UTF-32"),
        (b"", "is empty: found nothing"),
        (b" \r\n\t", "is empty: found only white space"),
    ],
)
def test_what_is_not_text_is_refused_with_the_place(tmp_path: Path, data: bytes, expected: str) -> None:
    """A binary, wrongly encoded or empty file is refused, with the offset of the first offending byte."""
    (tmp_path / "f").write_bytes(data)
    assert expected in refusal("f", tmp_path)


def test_a_huge_sparse_file_is_refused_unread(tmp_path: Path) -> None:
    """A terabyte is refused by its size, with what was found and what is allowed."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(10**12)
    message = refusal("huge", tmp_path)
    assert "found 1,000,000,000,000 bytes, expected 1,000,000 or fewer" in message


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    """The limit itself is allowed, one byte more is not, for files and for standard input."""
    limits = Limits(file_bytes=4)
    (tmp_path / "four").write_bytes(b"abcd")
    assert read_target("four", cwd=tmp_path, limits=limits).case.output == "abcd"
    assert read_target("-", stdin=io.BytesIO(b"abcd"), limits=limits).case.output == "abcd"
    (tmp_path / "five").write_bytes(b"abcde")
    assert "too large" in refusal("five", tmp_path, limits=limits)
    assert "too large" in refusal("-", stdin=io.BytesIO(b"abcde"), limits=limits)


def test_devices_and_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    """An endless device and a pipe without a writer are refused, and nothing hangs."""
    os.mkfifo(tmp_path / "pipe")
    assert "is a pipe, socket or device" in refusal("pipe", tmp_path)
    assert "is a pipe, socket or device" in refusal("/dev/zero", tmp_path)


def test_endless_standard_input_is_cut_off() -> None:
    """Standard input without an end is read one byte beyond the limit and no further."""

    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1, /) -> bytes:
            piece = b"x" * min(size, 7)
            self.taken += len(piece)
            return piece

    stream = Endless()
    message = refusal("-", stdin=stream, limits=Limits(file_bytes=1_000))
    assert "standard input is too large: found more than 1,000 bytes" in message
    assert stream.taken == 1_001


def test_standard_input_is_a_case_of_its_own() -> None:
    """Standard input has the id ``-`` and no folder."""
    target = read_target("-", stdin=io.BytesIO(b"--- a\n+++ b\n"))
    assert (target.kind, target.case.id, target.folder) == ("stdin", "-", None)


@pytest.mark.parametrize("spec", ["--output=x", "-rf", "--", "-\n"])
def test_nothing_that_looks_like_an_option_is_a_target(tmp_path: Path, spec: str) -> None:
    """A leading dash is refused even where such a file exists; ``./`` reads it."""
    (tmp_path / spec).write_text("text", encoding="utf-8")
    assert "starts with a dash" in refusal(spec, tmp_path)
    assert read_target(f"./{spec}", cwd=tmp_path).case.output == "text"


@pytest.mark.parametrize("spec", ["", "a\0b", "x" * 5_000, "\udc80", "no\nsuch\x1b[31m"])
def test_impossible_names_are_refused_and_shown_without_control_characters(tmp_path: Path, spec: str) -> None:
    """No name makes the reading fail in another way, and none reaches the terminal raw."""
    message = refusal(spec, tmp_path)
    assert message.startswith("no such target")
    assert "\x1b" not in message
    message.encode()


def test_a_missing_target_says_what_was_tried_and_what_is_near(tmp_path: Path) -> None:
    """Outside a repository the message says so, and a near file name is suggested."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/review.md").write_text("x", encoding="utf-8")
    message = refusal("docs/reveiw.md", tmp_path)
    assert "no file or folder of this name in" in message
    assert "not a git repository" in message
    assert "did you mean docs/review.md?" in message


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing system call becomes a TargetError with the system's own words."""
    (tmp_path / "f").write_text("x", encoding="utf-8")

    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert "f cannot be read: Permission denied" in refusal("f", tmp_path)


def test_limits_below_their_least_value_are_refused() -> None:
    """A limit that could never be met is refused by name."""
    with pytest.raises(UsageError, match="diff_bytes is 0, expected 1 or more"):
        Limits(diff_bytes=0)
    assert Limits(context_lines=0).context_lines == 0


def fill(folder: Path) -> None:
    """Write what a project folder commonly holds."""
    for name, data in {
        "b.py": b"print('b')",
        "a/z.md": b"# z\r\n",
        "a-b.txt": b"dash\n",
        "node_modules/x.js": b"x",
        ".hidden/y": b"y",
        "uv.lock": b"locked",
        "app.min.js": b"m",
        "id_rsa": b"secret",
        "empty.py": b"",
        "pic.png": b"\x89PNG\0",
        "with\nnewline.md": b"odd\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(data)
    (folder / "out").symlink_to("/etc/hosts")


EXPECTED_FOLDER = (
    "===== a/z.md =====\n# z\n===== a-b.txt =====\ndash\n===== b.py =====\nprint('b')\n"
    "===== with\\nnewline.md =====\nodd\n"
)


def test_a_folder_is_its_text_files_in_path_order(tmp_path: Path) -> None:
    """Outside a repository the usual folders are skipped, and what was left out is said with its reason."""
    fill(tmp_path)
    target = read_target(str(tmp_path))
    assert target.kind == "folder"
    assert target.folder == tmp_path
    assert target.case.output == EXPECTED_FOLDER
    notes = "\n".join(target.notes)
    assert target.notes[0].startswith("read 4 files")
    for said in ("(lock file): uv.lock", "(minified or generated): app.min.js", "(may hold secrets): id_rsa"):
        assert said in notes
    for said in ("(empty): empty.py", "(binary or not UTF-8): pic.png", "(symbolic link): out"):
        assert said in notes
    assert "uv.lock" in target.case.context


def test_files_that_do_not_fit_are_left_out_whole_and_named(tmp_path: Path) -> None:
    """The limit counts headers; a large file in the middle does not cost the small ones after it."""
    for name, size in {"a": 10, "b": 500, "c": 10}.items():
        (tmp_path / name).write_text("x" * size, encoding="utf-8")
    target = read_target(str(tmp_path), limits=Limits(folder_bytes=60))
    assert target.case.output == f"===== a =====\n{'x' * 10}\n===== c =====\n{'x' * 10}\n"
    assert "left out 1 file (does not fit the limit of 60 bytes): b" in target.notes


@given(st.integers(min_value=1, max_value=400))
def test_a_folder_never_exceeds_its_limit(tmp_path_factory: pytest.TempPathFactory, limit: int) -> None:
    """Whatever the limit, the text is within it or there is no text."""
    folder = tmp_path_factory.mktemp("folder")
    for number in range(6):
        (folder / f"{number}.txt").write_text("é" * 20 * number, encoding="utf-16")
    try:
        output = read_target(str(folder), limits=Limits(folder_bytes=limit)).case.output
    except TargetError:
        output = ""
    assert len(output.encode()) <= limit


def test_folders_without_text_or_with_too_many_files_are_refused(tmp_path: Path) -> None:
    """An empty folder, one with nothing to show, and one that is surely a mistake are told apart."""
    assert "holds no text to judge" in refusal(".", tmp_path)
    (tmp_path / "pic.png").write_bytes(b"\0")
    assert "(binary or not UTF-8): pic.png" in refusal(".", tmp_path)
    (tmp_path / "more").write_bytes(b"x")
    assert "more than 1 files, expected 1 or fewer" in refusal(".", tmp_path, limits=Limits(folder_files=1))


def test_a_file_behind_a_link_to_another_folder_is_left_out(tmp_path: Path) -> None:
    """What git still tracks below a folder that is a link by now is not read from outside the target."""
    work, outside = tmp_path / "work", tmp_path / "outside"
    (work / "sub").mkdir(parents=True)
    outside.mkdir()
    for path, text in ((work / "a.txt", "inside"), (work / "sub/b.txt", "old"), (outside / "b.txt", "private")):
        path.write_text(text, encoding="utf-8")
    for arguments in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *arguments], cwd=work, check=True)
    (work / "sub/b.txt").unlink()
    (work / "sub").rmdir()
    (work / "sub").symlink_to(outside)
    target = read_target("work", cwd=tmp_path)
    assert "private" not in target.case.output
    assert "left out 1 file (behind a symbolic link): sub/b.txt" in target.notes


@pytest.mark.parametrize(
    "name",
    [
        *("prod.env", ".envrc", "credentials.json", "secrets.yaml", "x.tfvars", "service-account-1.json"),
        *("kubeconfig", ".htpasswd", "a.jks", "id_ed25519_work", "a.pem.bak"),
    ],
)
def test_files_that_commonly_hold_secrets_are_left_out(tmp_path: Path, name: str) -> None:
    """What a judge that is a service must not get is left out by its name, and named."""
    for each in ("a.txt", name):
        (tmp_path / each).write_text("text", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    assert f"left out 1 file (may hold secrets): {name}" in read_target(".", cwd=tmp_path).notes
