from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenward.errors import UsageError
from tenward.reports import write_report

if TYPE_CHECKING:
    from pathlib import Path


def test_a_report_is_written_byte_for_byte(tmp_path: Path) -> None:
    """Line ends stay as they are, since the page's policy holds hashes of its blocks; a missing folder is made."""
    path = tmp_path / "new" / "folder" / "report.html"
    write_report(path, "<p>ä\n")
    assert path.read_bytes() == "<p>ä\n".encode()


def test_an_older_report_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    """The new file takes the place of the old one, permissions included; a link stays a link."""
    path, link = tmp_path / "report.html", tmp_path / "latest.html"
    write_report(path, "old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_report(link, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(tmp_path.iterdir()) == [link, path]


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    """Where the text cannot become bytes, the file is as it was and nothing lies beside it."""
    path = tmp_path / "report.html"
    write_report(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_report(path, "\ud800")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_is_no_file_is_refused_with_a_hint(tmp_path: Path) -> None:
    """A folder in the way is a usage error that says what would do."""
    with pytest.raises(UsageError, match="cannot write the report") as caught:
        write_report(tmp_path, "text")
    assert "reports/run.html" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
