"""A head of one's own: fitted to a user's labels on top of what the judge reads, and refused where that is no gain.

Both are measured on the same texts: what the judge reads of them now, and what the new head says of each when it was
fitted without its source. A criterion is taken over where four bootstrap draws of sources out of five gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from tenward.errors import UsageError
from tenward.evaluation._fit_head import fit_head
from tenward.evaluation._folds import rank_correlation
from tenward.evaluation._head_labels import LEAST_SOURCES, StateOf, joined, sources_of
from tenward.evaluation._scale_file import SOURCE_CHARS
from tenward.judges import Failure
from tenward.judges.heads import head_digest, packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from tenward.datasets import Case, Preference
    from tenward.evaluation._fit_head import FittedCriterionHead
    from tenward.judges import ModelJudge
    from tenward.judges.heads import Head, HeadFor
    from tenward.rubrics import Rubric

    Array: TypeAlias = NDArray[np.float64]

__all__ = [
    "LEAST_LABELS",
    "LEAST_SOURCES",
    "ReadLabels",
    "TunedCriterion",
    "TunedHead",
    "check_labels",
    "read_labelled",
    "tune_head",
]

LEAST_LABELS = 10
_RESAMPLES = 2000
_SURE = 0.8


@dataclass(frozen=True, kw_only=True)
class TunedCriterion:
    """What became of one criterion."""

    kept: bool
    """Whether the new head reads it."""

    why: str
    labels: int
    """Rated texts, or pairs where no text is rated."""

    measure: str
    """What ``now`` and ``tuned`` are: ``spearman``, or the share of ``pairs`` in the right order."""

    now: float
    """Of what the judge reads already."""

    tuned: float
    """Of the new head, held out."""

    low: float
    high: float
    """95 % bootstrap interval of ``tuned - now``, over sources."""

    points: tuple[tuple[float, float], ...] = ()
    """Rating and points of each rated text, held out."""


@dataclass(frozen=True, kw_only=True)
class TunedHead:
    """A head of one's own."""

    data: dict[str, Any]
    """For :class:`tenward.judges.heads.HeadFile`."""

    criteria: Mapping[str, TunedCriterion]

    @property
    def gains(self) -> bool:
        """Whether it reads any criterion better than before."""
        return any(one.kept for one in self.criteria.values())


@dataclass(frozen=True, kw_only=True)
class ReadLabels:
    """What was read of labelled cases."""

    texts: tuple[StateOf, ...]
    now: Mapping[str, Mapping[str, float | None]]
    """What the judge reads of them, by case and criterion."""

    lost: Mapping[str, str]
    """Why a case has no state, by its id."""


def check_labels(cases: Sequence[Case], preferences: Sequence[Preference], rubric: Rubric) -> tuple[Case, ...]:
    """The cases that have a label, where these are on the scale and enough for a head; nothing is read for it.

    Raises:
        UsageError: A rating is off the scale, every rating is the same, there are too few labels or sources, or a
            case has no output.
    """
    lo, hi = rubric.scale.lo, rubric.scale.hi
    named = {name for pair in preferences for name in (pair.better, pair.worse)}
    labelled = tuple(case for case in cases if case.human.keys() & rubric.criteria.keys() or case.id in named)
    without = [case.id for case in labelled if not (case.output or "").strip()]
    if without:
        raise UsageError(
            f"found {len(without)} of {len(labelled)} labelled cases without an output, the first is {without[0]!r}, "
            "expected the text that was rated in `output`",
            hint="a rating belongs to a text; leave the ratings out where there is none",
        )
    for case in labelled:
        for name in rubric.criteria:
            if name in case.human and not lo <= case.human[name] <= hi:
                raise UsageError(
                    f"case {case.id!r}, human.{name}: found the rating {case.human[name]:g}, expected {lo} to {hi}, "
                    f"the scale of {rubric.rubric}",
                    hint="rate on the scale of the rubric, by its levels",
                )
    sources = joined(sources_of(labelled), preferences)
    counts: list[tuple[int, int]] = []
    constant: list[float] = []
    for name in rubric.criteria:
        ratings = {case.id: case.human[name] for case in labelled if name in case.human}
        pairs = [pair for pair in preferences if pair.criterion in {"", name}]
        counts.append(
            (len(ratings) + len(pairs), len({sources[one] for one in [*ratings, *(pair.better for pair in pairs)]}))
        )
        if len(set(ratings.values())) == 1 and not pairs:
            constant += set(ratings.values())
            counts[-1] = (0, 0)
    if any(count >= LEAST_LABELS and groups >= LEAST_SOURCES for count, groups in counts):
        return labelled
    if constant:
        raise UsageError(
            f"found the rating {constant[0]:g} for every text of a criterion, expected ratings that differ",
            hint="rate good and poor outputs",
        )
    most = max(counts)
    raise UsageError(
        f"found {most[0]} rated texts or pairs of {most[1]} sources on one criterion, "
        f"expected {LEAST_LABELS} or more of {LEAST_SOURCES} or more",
        hint=f"`human` holds ratings under the names of the rubric's criteria, {', '.join(rubric.criteria)}; "
        '--pairs takes lines such as {"better": "case-1", "worse": "case-2"}',
    )


async def read_labelled(
    cases: Sequence[Case],
    rubric: Rubric,
    judge: ModelJudge,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> ReadLabels:
    """Read states of labelled cases, and what the judge says of them now; gates take no part.

    Args:
        cases: Cases with ratings, or that a preference names.
        rubric: Their rubric.
        judge: A judge with ``read: hidden``.
        on_progress: Told how many cases of how many are read.

    Raises:
        SystemicError: No further case could be read either.
    """
    sources = sources_of(cases)
    texts: list[StateOf] = []
    now: dict[str, Mapping[str, float | None]] = {}
    lost: dict[str, str] = {}
    for done, case in enumerate(cases, 1):
        state = await judge.read_states(case, rubric)
        if isinstance(state, Failure):
            lost[case.id] = f"{state.kind}: {state.detail}"
        else:
            now[case.id] = (await judge.judge(case, rubric)).scores
            texts.append(
                StateOf(
                    case=case.id,
                    group=sources[case.id],
                    state=state,
                    rating={name: float(one) for name, one in case.human.items() if name in rubric.criteria},
                    length=len(case.output),
                )
            )
        if on_progress is not None:
            on_progress(done, len(cases))
    return ReadLabels(texts=tuple(texts), now=now, lost=lost)


def tune_head(
    texts: Sequence[StateOf],
    now: Mapping[str, Mapping[str, float | None]],
    rubric: Rubric,
    fitted_for: HeadFor,
    source: str,
    *,
    preferences: Sequence[Preference] = (),
    earlier: Head | None = None,
    written: Head | None = None,
    seed: int = 0,
) -> TunedHead:
    """Fit a head to labels, and measure it against what is read now.

    Args:
        texts: Labelled texts with their states.
        now: What the judge reads of them already, by case and criterion.
        rubric: Their rubric.
        fitted_for: What the states hang on.
        source: What the texts are and who labelled them.
        preferences: Which of two texts is better.
        earlier: The head by which the judge reads now, if it does.
        written: A head of the user's own that is written anew; of what has no labels any more, it is kept.
        seed: Of folds and draws.

    Raises:
        UsageError: There are too few labels or sources.
    """
    least = (LEAST_LABELS, LEAST_SOURCES)
    fitted = fit_head(texts, rubric, fitted_for, source, pairs=preferences, earlier=earlier, least=least, seed=seed)
    groups = joined({text.case: text.group for text in texts}, preferences)
    found: dict[str, TunedCriterion] = {}
    for name, one in fitted.criteria.items():
        ratings = {text.case: text.rating[name] for text in texts if name in text.rating}
        ours = [pair for pair in preferences if pair.criterion in {"", name}]
        if not ours or (len(ratings) >= len(ours) and len(set(ratings.values())) > 1):
            found[name] = _by_ratings(name, one, ratings, now, groups, seed)
        else:
            found[name] = _by_pairs(name, one, ours, now, groups, seed)
    data = fitted.data
    data["criteria"] = {name: one for name, one in data["criteria"].items() if found[name].kept}
    if data["criteria"]:
        unlabelled = rubric.criteria.keys() - found.keys()
        for head, names in ((written, unlabelled), (earlier, rubric.criteria.keys())):
            if head is not None:
                _carry_over(data, head, names - data["criteria"].keys())
    return TunedHead(data={**data, "hash": head_digest(data)}, criteria=found)


def _by_ratings(
    name: str,
    one: FittedCriterionHead,
    ratings: Mapping[str, float],
    now: Mapping[str, Mapping[str, float | None]],
    groups: Mapping[str, str],
    seed: int,
) -> TunedCriterion:
    import numpy as np

    both = [case for case in ratings if now.get(case, {}).get(name) is not None]
    rating = np.array([float(ratings[case]) for case in both])
    before = np.array([float(now[case][name] or 0.0) for case in both])
    after = np.array([one.points[case] for case in both])

    def gain(rows: NDArray[np.int64]) -> float:
        return rank_correlation(after[rows], rating[rows]) - rank_correlation(before[rows], rating[rows])

    every = np.arange(len(both))
    return _told(
        one,
        "spearman",
        labels=len(ratings),
        now=rank_correlation(before, rating),
        tuned=rank_correlation(after, rating),
        draws=_draws(gain, [groups[case] for case in both], seed) if len(every) else np.zeros(1),
        points=tuple((ratings[case], one.points[case]) for case in ratings),
    )


def _by_pairs(
    name: str,
    one: FittedCriterionHead,
    ours: Sequence[Preference],
    now: Mapping[str, Mapping[str, float | None]],
    groups: Mapping[str, str],
    seed: int,
) -> TunedCriterion:
    import numpy as np

    def reads(case: str) -> float | None:
        return now.get(case, {}).get(name)

    rows = [row for row, pair in enumerate(ours) if None not in {reads(pair.better), reads(pair.worse)}]
    # Two texts that are read alike are half a pair: to part them by chance is no gain.
    read = np.array([(reads(ours[row].better) or 0.0) - (reads(ours[row].worse) or 0.0) for row in rows])
    before = (np.sign(read) + 1) / 2
    after = (np.sign(np.array([one.apart[row] for row in rows])) + 1) / 2

    def gain(drawn: NDArray[np.int64]) -> float:
        return float(after[drawn].mean() - before[drawn].mean())

    return _told(
        one,
        "pairs",
        labels=len(ours),
        now=float(before.mean()) if rows else 0.0,
        tuned=float(after.mean()) if rows else 0.0,
        draws=_draws(gain, [groups[ours[row].better] for row in rows], seed) if rows else np.zeros(1),
    )


def _draws(gain: Callable[[NDArray[np.int64]], float], groups: Sequence[str], seed: int) -> Array:
    """Gains on bootstrap draws of sources."""
    import numpy as np

    rows: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows.setdefault(group, []).append(row)
    names = sorted(rows)
    random = np.random.default_rng([seed, 17])
    found = np.zeros(_RESAMPLES)
    for draw in range(_RESAMPLES):
        picked = random.integers(len(names), size=len(names)).tolist()
        found[draw] = gain(np.array([row for name in picked for row in rows[names[name]]]))
    return found


def _told(
    one: FittedCriterionHead,
    measure: str,
    *,
    labels: int,
    now: float,
    tuned: float,
    draws: Array,
    points: tuple[tuple[float, float], ...] = (),
) -> TunedCriterion:
    import numpy as np

    sure = float((draws > 0).mean())
    kept = one.data is not None and tuned > now and sure >= _SURE
    why = one.why
    if one.data is not None and not kept:
        why = f"no gain to rely on: {sure:.0%} of the draws of sources gain, {_SURE:.0%} are needed; {why}"
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return TunedCriterion(
        kept=kept, why=why, labels=labels, measure=measure, now=now, tuned=tuned, low=low, high=high, points=points
    )


def _carry_over(data: dict[str, Any], earlier: Head, names: Collection[str]) -> None:
    """Put what an earlier head reads of some criteria around the new centre, where it bends at the same places."""
    centre, landmarks = unpacked(data["centre"]), earlier.file.landmarks
    same = (None if landmarks is None else landmarks.model_dump(mode="json")) == data.get("landmarks")
    carried: list[str] = []
    for name, one in earlier.file.criteria.items():
        if name in names and (one.bend is None or same):
            direction, middle = earlier.linear(name)
            kept = one.model_dump(mode="json", exclude_none=True)
            carried.append(name)
            data["criteria"][name] = {
                **kept,
                "weights": packed(direction),
                "middle": round(middle + float(direction @ centre), 6),
            }
    if carried:
        told = f"{data['source']}; {', '.join(carried)} as before, from: {earlier.file.source}"
        data["source"] = told if len(told) <= SOURCE_CHARS else f"{told[: SOURCE_CHARS - 1]}…"
