"""The small program of ``tenward demo``: one task, one good and one poor revision."""

__all__ = ["BASE", "GOOD", "POOR", "TASK"]

TASK = """\
Parse durations such as "1h30m" into seconds

Add parse_duration(text). It accepts whole hours, minutes and seconds in that order, each at most once: "2h", "1h30m",
"45s". It returns the number of seconds as an int and raises ValueError, naming the text, for anything else,
the empty string included. Cover it with tests.
"""

BASE = '''\
"""Durations as people write them."""
'''

GOOD = '''\
"""Durations as people write them."""

import re

_DURATION = re.compile(r"(?:(?P<hours>\\d+)h)?(?:(?P<minutes>\\d+)m)?(?:(?P<seconds>\\d+)s)?")


def parse_duration(text: str) -> int:
    """Return the number of seconds in a duration such as ``1h30m``.

    Raises:
        ValueError: ``text`` is empty or not hours, minutes and seconds in that order.
    """
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"not a duration such as 1h30m: {text!r}")
    parts = {unit: int(number or 0) for unit, number in match.groupdict().items()}
    return parts["hours"] * 3600 + parts["minutes"] * 60 + parts["seconds"]


def test_each_unit_and_their_sum():
    assert parse_duration("2h") == 7200
    assert parse_duration("1h30m") == 5400
    assert parse_duration("1h1m1s") == 3661


def test_anything_else_is_refused_by_name():
    for text in ("", "30", "m", "1m1h", "1h1h", "-1s", " 1s"):
        try:
            parse_duration(text)
        except ValueError as error:
            assert repr(text) in str(error)
        else:
            raise AssertionError(f"accepted {text!r}")
'''

POOR = '''\
"""Durations as people write them."""


def parse_duration(s):
    t = 0
    x = ""
    for c in s:
        if c == "h":
            t = t + int(x) * 3600
            x = ""
        elif c == "m":
            t = t + int(x) * 60
        elif c == "s":
            t = t + int(x)
        else:
            x = x + c
    # TODO errors
    return t


print(parse_duration("1h30m"))
'''
