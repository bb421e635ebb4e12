from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "decisions.py"


def call(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the benchmark."""
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, check=False)


def told(*words: str) -> Any:
    """Run the benchmark and return what it printed as JSON."""
    done = call(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_quick_run_measures_every_rule_in_every_main_row(tmp_path: Path) -> None:
    """The smoke run spends its calls with each rule, and draws a picture that is well-formed XML."""
    picture = tmp_path / "deciding.svg"
    table = told("--quick", "--plot", str(picture))
    results = table["results"]
    assert len({one["world"] for one in results}) == 6
    assert len({one["contender"] for one in results}) == len(results) / 6 >= 7
    for one in results:
        assert table["calls"] <= one["calls"] < table["calls"] + 500
        spent = one["calls_base"] + one["calls_dev"] + one["calls_sealed"]
        assert abs(one["calls"] - spent) < 1e-6
    root = ET.fromstring(picture.read_text(encoding="utf-8"))
    assert root.tag.endswith("svg")
    assert "posterior race" in "".join(root.itertext())


def test_same_seeds_give_the_same_table() -> None:
    """Every draw comes from the seed, so figures can be measured again."""
    words = ("--quick", "--rows", "5 % fooling", "--rules", "posterior race")
    assert told(*words)["results"] == told(*words)["results"]
    assert told(*words)["results"] != told(*words, "--first-seed", "5")["results"]


def test_a_dear_proposal_buys_fewer_candidates_and_longer_looks() -> None:
    """Turning the dial down at one price of proposals spends more on each of fewer candidates."""
    results = told("dial", "--quick", "--rows", "judge .12, cases .10")
    assert [one["drop"] for one in results] == [0.05, 0.03, 0.02, 0.01, 0.005]
    met = [one["candidates"] for one in results]
    assert met[0] > met[2] > met[-1]
    assert all(one["candidates"] * one["ratio"] < one["budget"] + one["ratio"] for one in results)


def test_unknown_row_is_refused_with_the_known_ones() -> None:
    """A row that is not there ends the run with the names of those that are."""
    done = call("--rows", "nowhere")
    assert done.returncode == 1
    assert "found 'nowhere'" in done.stderr
    assert "5 % fooling" in done.stderr


def rows_of(gap: float) -> list[dict[str, object]]:
    """A matrix of four systems a gap apart, on 90 items, two passes each."""
    return [
        {"system": f"s{at}", "item": f"i{item}", "score": 0.2 + at * gap + 0.02 * ((item + nth) % 3), "human": at}
        for at in range(4)
        for item in range(90)
        for nth in range(2)
    ]


def test_replay_finds_the_best_system_whatever_the_order(tmp_path: Path) -> None:
    """With wide gaps and little noise every rule climbs to the best system without a false keep."""
    path = tmp_path / "matrix.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(0.2)), encoding="utf-8")
    for one in told("replay", str(path), "--orders", "5"):
        assert one["reached"] == 3.0
        assert one["false_keeps"] == 0.0


def test_replay_reads_a_table_as_it_reads_json_lines(tmp_path: Path) -> None:
    """CSV and JSON lines with the same rows give the same result, with a budget as well."""
    lines, table = tmp_path / "matrix.jsonl", tmp_path / "matrix.csv"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows_of(0.01)), encoding="utf-8")
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["system", "item", "score", "human"])
        writer.writeheader()
        writer.writerows(rows_of(0.01))
    words = ("--orders", "5", "--budget", "400")
    assert told("replay", str(lines), *words) == told("replay", str(table), *words)


def test_replay_refuses_a_file_without_common_items(tmp_path: Path) -> None:
    """Systems that share no item cannot be compared, and the message says what was found."""
    path = tmp_path / "matrix.csv"
    path.write_text("system,item,score\na,1,0.5\nb,2,0.5\n", encoding="utf-8")
    done = call("replay", str(path))
    assert done.returncode == 1
    assert "found 2 systems with 0 items in common" in done.stderr


def test_the_rule_means_the_same_on_every_scale() -> None:
    """Two tables: the same share of gains is kept however far cases lie apart, and no gain lies in a hole."""
    *tables, alike = told("scale")
    for cells in tables:
        rows: dict[float, dict[float, float]] = {}
        for cell in cells:
            rows.setdefault(cell["sd"], {})[cell["gain"]] = cell["kept"]
        assert sorted(rows) == [0.005, 0.01, 0.02, 0.05, 0.2]
        first = rows[0.2]
        assert list(first) == [0.25, 0.5, 1, 2, 3, 4, 6, 8]
        assert first[0.25] < 0.3
        assert first[4] >= 0.95
        assert first[6] == 1.0
        assert all(abs(kept - first[gain]) <= 0.1 for row in rows.values() for gain, kept in row.items())
    for sd in (0.01, 0.022):
        kept = [cell["kept"] for cell in alike if cell["sd"] == sd]
        assert len(kept) == 6
        assert kept == sorted(kept)
        assert kept[-1] == 1.0
