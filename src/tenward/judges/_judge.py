"""The judge: from a case and a rubric to a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from tenward.errors import DocumentError, Problem
from tenward.judges._calls import PlannedCalls
from tenward.judges._scale import RAW, load_scales
from tenward.judges._spec import Explain, JudgeSpec, load_spec
from tenward.judges.heads import HeadShelf
from tenward.workspace import Library, require_version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tenward.datasets import Case
    from tenward.judges._scale import ScaleInUse
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
    async def judge(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> Verdict:
        """Judge one case.

        What goes wrong with this case alone is a value: the criterion is unscored, with a failure.

        Args:
            case: The case; its texts are material and never obeyed.
            rubric: The rubric.
            explain: Also ask for what the judge does not say anyway: the rubric's checks where a ``program`` puts
                scores into words, or reasons, evidence, ``why_not_2_lower`` and ``steps_to_10`` by the ``model``. True
                leaves it to the judge who writes; one that states scores always gives its words.

        Raises:
            SystemicError: No further case could be judged either.
        """

    def describe(self) -> dict[str, Any]:
        """What defines this judge, as JSON-ready data without any key; empty for a judge that cannot say."""
        return {}

    def fingerprint(self, rubric: Rubric) -> Mapping[str, str]:  # noqa: ARG002 - for subclasses
        """A hash or name per component that defines the scores under ``rubric``.

        Weights, floors, gates and mix are left out: they are applied after judging. Two verdicts compare only where
        all components agree.
        """
        return {"judge": self.name}

    def scale(self, rubric: Rubric) -> ScaleInUse:  # noqa: ARG002 - as above
        """On which scale it reads under ``rubric``: what it reads itself, raw, unless a subclass has maps."""
        return RAW

    def plan(self, case: Case, rubric: Rubric, *, explain: Explain = False) -> PlannedCalls:  # noqa: ARG002 - as above
        """What judging a case would take; see :class:`PlannedCalls`. One call of unknown size if not overridden."""
        return PlannedCalls(calls=1, most_calls=1, worst_usd=None)

    async def aclose(self) -> None:  # noqa: B027 - most judges hold nothing open
        """Release connections; the judge can be used again afterwards."""

    @classmethod
    def load(cls, name: str | Path, *, library: Library | None = None, raw: bool = False) -> Judge:
        """Load a judge by name (workspace first, then the shipped library) or by path.

        Args:
            name: Its name, or the path of its file.
            library: Where to look; the workspace around the current folder if None.
            raw: Leave maps of its readings and heads alone, so that scores are what it reads itself, plainly.

        Raises:
            UnknownNameError: No library holds that name.
            DocumentError: The file is not a valid judge, or one of its scale files is not valid.
        """
        return _load(name, library or Library.discover(), (), raw=raw)


def _load(name: str | Path, library: Library, above: tuple[Path, ...], *, raw: bool) -> Judge:
    from tenward.judges._model_judge import ModelJudge
    from tenward.judges._panel import PanelJudge

    path = library.find("judges", name)
    spec = load_spec(path)
    require_version(name, spec.judge, path)
    if isinstance(spec, JudgeSpec):
        if raw:
            return ModelJudge(spec)
        return ModelJudge(spec, load_scales(library, path, spec.judge), HeadShelf.of(library, path))
    if path in above:
        problem = Problem(
            line=None, field="panel", found="a panel that contains itself", expected="judges that end in models"
        )
        raise DocumentError(path, [problem])
    members = [(_load(member, library, (*above, path), raw=raw), weight) for member, weight in spec.panel.items()]
    return PanelJudge(spec.judge, members)
