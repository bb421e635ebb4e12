"""METEOR with and without nltk's WordNet corpus, each in a process that sees only the given data folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Synonym sets by part of speech, in WordNet's own file format when written.
SYNSETS: dict[str, list[tuple[str, ...]]] = {
    "noun": [("car", "auto", "motorcar"), ("well", "spring")],
    "verb": [("halt", "stop"), ("well", "swell")],
    "adj": [("well", "healthy")],
    "adv": [("well", "good")],
}
LETTERS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
HEADER = "  1 WordNet 3.0 Copyright 2006 by Princeton University.  \n"

SCRIPT = """
import json
from tenward.metrics import get_metric, meteor_synonyms
metric = get_metric("meteor")
first = metric.score("my auto will halt", ["my car will stop"])
print(json.dumps({
    "synonyms": meteor_synonyms(),
    "signature": first.signature,
    "synonym": first.value,
    "strange": metric.score("\\ud800 空 \\0 well' __", ["my car will stop"]).value,
    "identical": metric.score("auto", ["auto"]).value,
}))
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Write a small WordNet corpus into an nltk data folder and return the folder of its files."""
    folder = tmp_path / "corpora" / "wordnet"
    folder.mkdir(parents=True)
    senses: list[str] = []
    for number, (part, synsets) in enumerate(SYNSETS.items(), start=1):
        data = HEADER
        offsets: dict[str, list[int]] = {}
        for words in synsets:
            offset = len(data)
            members = " ".join(f"{word} 0" for word in words)
            frames = " 00" if part == "verb" else ""
            data += f"{offset:08d} 00 {LETTERS[part]} {len(words):02x} {members} 000{frames} | a meaning  \n"
            for word in words:
                offsets.setdefault(word, []).append(offset)
                senses.append(f"{word}%{number}:00:00:: {offset:08d} {len(offsets[word])} 0\n")
        index = HEADER
        for word, places in sorted(offsets.items()):
            listed = " ".join(f"{place:08d}" for place in places)
            index += f"{word} {LETTERS[part]} {len(places)} 0 {len(places)} 0 {listed}  \n"
        (folder / f"data.{part}").write_text(data)
        (folder / f"index.{part}").write_text(index)
        (folder / f"{part}.exc").write_text("")
    (folder / "index.sense").write_text("".join(sorted(senses)))
    (folder / "lexnames").write_text("00\tnoun.Tops\t1\n")
    return folder


def run(data_folder: Path) -> dict[str, str | float]:
    """Score in a new process whose only nltk data folder is the given one."""
    code = f"import nltk\nnltk.data.path[:] = [{str(data_folder)!r}]\n{SCRIPT}"
    environment = {**os.environ, "NLTK_DATA": str(data_folder)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, str | float] = json.loads(done.stdout)
    return result


def test_synonyms_count_where_wordnet_is_installed(corpus: Path) -> None:
    """With the corpus, other words of the same meaning match, and signature and doctor's line say so."""
    result = run(corpus.parents[1])
    assert result["synonyms"] == "wordnet/3.0"
    assert "synonyms=wordnet/3.0 " in str(result["signature"])
    assert result["synonym"] == result["identical"] == 1.0
    assert result["strange"] == 0.0


def check_without(result: dict[str, str | float]) -> None:
    """Check that all works without synonyms and that it says how to get them."""
    assert str(result["synonyms"]).startswith("none (")
    assert "nltk.downloader wordnet" in str(result["synonyms"])
    assert "synonyms=none " in str(result["signature"])
    assert 0.0 < float(result["synonym"]) < 0.5
    assert result["identical"] == 1.0


def test_without_wordnet_words_match_exactly_or_by_stem(tmp_path: Path) -> None:
    """Without the corpus nothing is downloaded and nothing fails, not even for words that do not match."""
    check_without(run(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["data.adv", "index.noun", "lexnames", "noun.exc"])
def test_a_corpus_with_a_missing_file_is_no_corpus(corpus: Path, name: str) -> None:
    """A file that is missing shows at the first look, not at the first word that needs it."""
    (corpus / name).unlink()
    check_without(run(corpus.parents[1]))


def test_a_damaged_corpus_is_no_corpus(corpus: Path) -> None:
    """A data file whose offsets do not fit its index is not used."""
    (corpus / "data.noun").write_text("no synonym sets here\n" * 20)
    check_without(run(corpus.parents[1]))


def test_a_damaged_archive_is_no_corpus(tmp_path: Path) -> None:
    """A download that broke off leaves a zip file that cannot be read."""
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / "wordnet.zip").write_bytes(b"PK\x03\x04 broken off")
    check_without(run(tmp_path))
