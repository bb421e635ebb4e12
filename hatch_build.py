"""Build hook: ship the content folders inside a standard wheel, never inside an editable one."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CONTENT = ("rubrics", "judges", "datasets", "loop", "reports")


class ContentHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds ``tenward/_content/<folder>`` to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Force-include the content; an editable build would copy a snapshot that goes stale."""
        if version != "standard":
            return
        for folder in CONTENT:
            if (Path(self.root) / folder).is_dir():
                build_data["force_include"][folder] = f"tenward/_content/{folder}"
