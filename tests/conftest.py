"""What all tests have in common."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest


# A busy machine fails no test: how long an example takes says nothing of what it shows.
settings.register_profile("tenward", deadline=None)
settings.load_profile("tenward")


def pytest_configure() -> None:
    """Hear signals that a shell or nohup has ignored for what runs in the background, and all programs below it."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs another service's package, unless it is asked for by its marker."""
    if "opensmith" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("opensmith")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
