"""What a search has found: the values that the incumbent has and the first version had not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tenward.errors import LoopError

if TYPE_CHECKING:
    from tenward.cli._loop_open import OpenedLoop
    from tenward.loop import LoopState, SettingValue

__all__ = ["found_lines", "found_values"]


def found_values(opened: OpenedLoop, state: LoopState) -> dict[str, tuple[SettingValue | None, SettingValue]]:
    """Each setting of the searched file that has another value now, with the first one (None if it is new) and this."""
    from tenward.loop import read_settings

    search = None if opened.spec is None else opened.spec.propose.search
    if search is None or state.incumbent == state.baseline:
        return {}
    sides: list[dict[str, SettingValue]] = []
    for commit in (state.baseline, state.incumbent):
        entry = opened.record.trees.listing(commit).files.get(search.file)
        try:
            text = "" if entry is None else opened.record.git.bodies([entry.name])[0].decode("utf-8")
            sides.append({name: one.value for name, one in read_settings(search.file, text).items()})
        except (LoopError, UnicodeDecodeError):  # a proposer beside the search may have made something else of it
            return {}
    before, after = sides
    return {name: (before.get(name), value) for name, value in after.items() if before.get(name) != value}


def found_lines(opened: OpenedLoop, state: LoopState) -> list[Text]:
    """The same for a terminal."""
    values = found_values(opened, state)
    if not values:
        return []
    told = (
        f"{name} {_word(new)}{'' if old is None else f' (was {_word(old)})'}" for name, (old, new) in values.items()
    )
    return [Text("found: " + ", ".join(told), style="bold")]


def _word(value: SettingValue) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"
