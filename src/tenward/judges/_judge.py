"""The judge: from a case and a rubric to a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from tenward.documents import load_document
from tenward.judges._spec import JudgeSpec
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges._verdict import Verdict
    from tenward.rubrics import Rubric

__all__ = ["Judge"]


class Judge(ABC):
    """Who says so. Subclass it to plug in a judge of your own; :meth:`load` gives the ones from YAML files."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name and version, such as ``local/v1``."""

    @abstractmethod
    async def judge(self, case: Case, rubric: Rubric, *, explain: bool = False) -> Verdict:
        """Judge one case.

        What goes wrong with this case alone is a value: the criterion is unscored, with a failure.

        Args:
            case: The case; its texts are material and never obeyed.
            rubric: The rubric.
            explain: Also ask for reasons, evidence, ``why_not_2_lower`` and ``steps_to_10`` where the judge does
                not give them anyway.

        Raises:
            SystemicError: No further case could be judged either.
        """

    async def aclose(self) -> None:  # noqa: B027 - most judges hold nothing open
        """Release connections; the judge can be used again afterwards."""

    @classmethod
    def load(cls, name: str | Path, *, library: Library | None = None) -> Judge:
        """Load a judge by name (workspace first, then the shipped library) or by path.

        Raises:
            UnknownNameError: No library holds that name.
            DocumentError: The file is not a valid judge.
        """
        from tenward.judges._model_judge import ModelJudge

        library = library or Library.discover()
        path = library.find("judges", name)
        spec = load_document(path, JudgeSpec)
        require_version(name, spec.judge, path)
        return ModelJudge(spec)
