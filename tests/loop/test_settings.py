from __future__ import annotations

import json
import tomllib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tenward.errors import LoopError
from tenward.loop._settings import read_settings, with_settings

TOML = """\
# fast = 1
title = "a # b"       # "a # b" or "other"
fast = 2              # 1 to 250
text = '''
slow = 3
'''
list = [1, 2]

[risk.most]           # of all
share = 0.25          # 0 to 1
on = true

[[rows]]
share = 9
"""
YAML = """\
fast: 2      # 1 to 250
risk:
  most: 0.25
  on: yes
name: "a # b"
rows:
  - {size: 3}
more: |
  fast: 9
"""
PYTHON = '''\
"""fast = 1"""
FAST = 2  # 1 to 250
SLOW: int = -5
ROUNDS = 2 * 3
NAME = "größer"  # "größer" or "kleiner"
if FAST:
    INNER = 1
'''


def values(path: str, text: str) -> dict[str, object]:
    """Return the settings of a file by name."""
    return {name: setting.value for name, setting in read_settings(path, text).items()}


def test_settings_of_toml() -> None:
    """Values of tables by their names with comments; what only looks like a setting is none."""
    assert values("a.toml", TOML) == {"title": "a # b", "fast": 2, "risk.most.share": 0.25, "risk.most.on": True}
    assert read_settings("a.toml", TOML)["fast"].comment == "1 to 250"


def test_settings_of_yaml_and_json() -> None:
    """Nested values by their names, and places in lists by their number."""
    there: dict[str, object] = {"fast": 2, "risk.most": 0.25, "risk.on": True, "name": "a # b", "rows.0.size": 3}
    assert values("a.yaml", YAML) == there
    assert values("a.json", json.dumps({"fast": 2, "risk": {"most": 0.25}})) == {"fast": 2, "risk.most": 0.25}
    assert read_settings("a.yml", YAML)["fast"].comment == "1 to 250"


def test_settings_of_python() -> None:
    """Constants that are assigned at the top, and nothing that is computed."""
    assert values("a.py", PYTHON) == {"FAST": 2, "SLOW": -5, "NAME": "größer"}
    assert read_settings("a.py", PYTHON)["NAME"].comment == '"größer" or "kleiner"'


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [("a.toml", TOML, "risk.most.share"), ("a.yaml", YAML, "risk.most"), ("a.py", PYTHON, "FAST")],
)
@given(value=st.floats(-1e12, 1e12) | st.integers(-(10**9), 10**9) | st.booleans() | st.text("aü#\"'\\ \t", max_size=9))
def test_one_value_is_put_in_place_of_another(path: str, text: str, name: str, value: float | str | bool) -> None:
    """Any value comes back from its file's own parser, and all else in the file is as it was."""
    changed = with_settings(path, text, {name: value})
    assert values(path, changed) == values(path, text) | {name: value}
    assert len(changed.splitlines()) == len(text.splitlines())
    if path == "a.toml":
        assert tomllib.loads(changed)["risk"]["most"]["share"] == value
        assert tomllib.loads(changed) | {"risk": 0} == tomllib.loads(text) | {"risk": 0}
    if path == "a.yaml":
        assert yaml.safe_load(changed)["risk"]["most"] == value


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("a.ini", "a = 1", "another kind"),
        ("a.toml", "a = ", "cannot be read"),
        ("a.yaml", "a: [", "cannot be read"),
        ("a.py", "a = (", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(path: str, text: str, words: str) -> None:
    """The error says which file, and what was expected."""
    with pytest.raises(LoopError, match=words) as caught:
        read_settings(path, text)
    assert str(caught.value).startswith(path)


def test_json_may_have_tabs_and_powers_of_ten() -> None:
    """What YAML would not read."""
    assert values("a.json", '{\n\t"a": 1e-3,\n\t"b": [[1], {"c": 2}]\n}') == {"a": 0.001, "b.0.0": 1, "b.1.c": 2}


def test_what_is_not_changed_is_not_written() -> None:
    """Quotes stay as they are, and words of YAML stay plain."""
    text = "A = 'x'\nB = 2\n"
    assert with_settings("a.py", text, {"A": "x", "B": 3}) == "A = 'x'\nB = 3\n"
    assert with_settings("a.yaml", "a: slow\n", {"a": "fast"}) == "a: fast\n"
    assert with_settings("a.yaml", "a: slow\n", {"a": "yes"}) == 'a: "yes"\n'


def test_a_setting_that_is_not_there_is_named() -> None:
    """With those that are."""
    with pytest.raises(LoopError, match="no setting speed, expected one of a, b"):
        with_settings("a.toml", "a = 1\nb = 2\n", {"speed": 3})


def test_a_value_that_stands_for_others_too_is_left() -> None:
    """In YAML an anchor makes one value two, so it cannot be changed by itself."""
    with pytest.raises(LoopError, match="by themselves"):
        with_settings("a.yaml", "a: &one 3\nb: *one\n", {"a": 4})
