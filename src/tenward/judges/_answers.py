"""The structured answer of a judge: the schema it is asked for, and the check of what came back.

The schema that the model sees carries every bound; the parsing side accepts any JSON of the right shape and checks
each criterion by itself, so that one bad criterion costs one criterion and not the verdict. Nothing is ever read
out of prose, and nothing is clamped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, Field, WithJsonSchema, create_model, model_validator

from tenward.guards import is_list, is_mapping
from tenward.judges._calls import digest
from tenward.judges._fence import sendable
from tenward.judges._verdict import Failure, Step

if TYPE_CHECKING:
    from tenward.rubrics import Rubric, Scale

__all__ = [
    "Checked",
    "Words",
    "answer_key",
    "answer_model",
    "check_score",
    "check_text",
    "check_words",
    "plain",
    "schema_bytes",
    "schema_digest",
]

_QUOTE_EDGES = "\"'`“”‘’«»„…. \t\n"
_MIN_LETTERS = 8
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")  # kana and Han: two letters each
_MIN_QUOTE = 3
_MOST_STEPS = 4
_OVERALL = ("why_not_2_lower", "steps_to_10")


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is asked for in words, in the order the judge writes it."""

    criteria: tuple[str, ...]
    """Criteria to give evidence and reason for."""

    scores: bool
    """Whether the judge states a score after each reason."""

    why: bool
    """Whether ``why_not_2_lower`` is asked for."""

    steps: bool
    """Whether ``steps_to_10`` is asked for."""

    passages: tuple[str, ...] = ()
    """Verbatim passages the evidence is chosen from; empty where the judge copies its quotes itself."""

    most_chars: int | None = None
    """Most characters of a sentence, for an engine whose grammar holds a model to it; None leaves it to the words of
    the question. A small model that cannot find an end would otherwise write until the answer is cut off."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """One criterion's words after the check."""

    score: int | None
    reason: str
    evidence: tuple[str, ...]
    failure: Failure | None


def answer_model(rubric: Rubric, words: Words) -> type[BaseModel]:
    """The response model: one required field per criterion, evidence before reason before score.

    Then ``why_not_2_lower`` and ``steps_to_10``, each step naming its criterion.
    """
    return _answer_model(rubric.scale.lo, rubric.scale.hi, tuple(rubric.criteria), words)


@lru_cache(maxsize=256)
def _answer_model(lo: int, hi: int, ids: tuple[str, ...], words: Words) -> type[BaseModel]:
    # A model that already is an instructor schema is not rebuilt by instructor on every call.
    from instructor import OpenAISchema

    sentence: dict[str, Any] = {"type": "string"}
    if words.most_chars is not None:
        sentence["maxLength"] = words.most_chars
    parts: dict[str, Any] = {"evidence": _evidence_schema(words), "reason": sentence}
    if words.scores:
        parts["score"] = {"type": "integer", "minimum": lo, "maximum": hi}
    # No model of its own: instructor walks through every model of a shape several times per call.
    criterion = Annotated[Any, WithJsonSchema(_object_schema(parts))]
    fields: dict[str, Any] = {
        # Criterion ids such as `copy` or `json` would shadow methods of the model; the alias keeps them legal.
        f"criterion_{index}": (criterion, Field(alias=answer_key(name)))
        for index, name in enumerate(words.criteria)
    }
    if words.why:
        fields["why_not_2_lower"] = (Annotated[Any, WithJsonSchema(sentence)], ...)
    if words.steps:
        step = _object_schema({"criterion": {"type": "string", "enum": list(ids)}, "step": sentence})
        steps = {"type": "array", "items": step, "minItems": 1, "maxItems": _MOST_STEPS}
        fields["steps_to_10"] = (Annotated[Any, WithJsonSchema(steps)], ...)
    keys = [*map(answer_key, words.criteria), *(name for name in _OVERALL if name in fields)]
    model = create_model("Verdict", __base__=OpenAISchema, __validators__=_complete(*keys), **fields)
    model.__doc__ = "The verdict on one candidate."
    text = json.dumps(model.model_json_schema())
    # instructor asks for the schema several times per call, and pydantic builds it anew each time.
    model.model_json_schema = lambda **_: json.loads(text)  # type: ignore[method-assign]
    return cast("type[BaseModel]", model)


@lru_cache(maxsize=256)
def schema_digest(model: type[BaseModel]) -> str:
    """Hash of the schema of an :func:`answer_model`."""
    return digest(model.model_json_schema())


@lru_cache(maxsize=256)
def schema_bytes(model: type[BaseModel]) -> int:
    """Size of that schema as it is sent, which is read as part of the prompt."""
    return len(json.dumps(model.model_json_schema()).encode())


def answer_key(criterion: str) -> str:
    """The property of the answer that holds this criterion; its id, unless an overall field has that name.

    No two criteria share a property: an id that already looks like a renamed one is renamed as well.
    """
    bare = criterion
    while bare not in _OVERALL and bare.endswith("_criterion"):
        bare = bare.removesuffix("_criterion")
    return f"{criterion}_criterion" if bare in _OVERALL else criterion


def _complete(*keys: str) -> dict[str, Any]:
    """A validator that reads what is missing as null, so that it costs its criterion and not the whole answer."""

    def complete(data: object) -> object:
        return dict.fromkeys(keys) | data if is_mapping(data) else data

    return {"complete": model_validator(mode="before")(complete)}


def _object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _evidence_schema(words: Words) -> dict[str, Any]:
    if words.passages:
        return {"type": "array", "items": {"enum": list(words.passages)}, "minItems": 1, "maxItems": 2}
    return {"type": "array", "items": {"type": "string"}}


def check_words(
    answer: BaseModel, words: Words, *, rubric: Rubric, candidate: str, prompt: str
) -> tuple[dict[str, Checked], str, tuple[Step, ...], list[str]]:
    """Check a parsed answer against the candidate and the scale.

    Args:
        answer: What the model returned, parsed into :func:`answer_model`.
        words: What was asked for.
        rubric: Its scale bounds a stated score, its criteria may have steps.
        candidate: The judged text; evidence must stand in it word for word (white space and quotes apart).
        prompt: Everything the judge was told; words copied from it are no answer.

    Returns:
        The criteria, ``why_not_2_lower`` (empty when unfit), the fit steps, and the faults in short sentences.
    """
    data = answer.model_dump(by_alias=True)
    faults: list[str] = []
    checked: dict[str, Checked] = {}
    haystack = plain(sendable(candidate))
    for name in words.criteria:
        checked[name] = _check_criterion(data[answer_key(name)], words, rubric.scale, haystack, prompt)
        failure = checked[name].failure
        if failure is not None:
            faults.append(f"{name}: {failure.detail}")
    why = ""
    if words.why:
        fault = check_text(data["why_not_2_lower"], prompt)
        if fault:
            faults.append(f"why_not_2_lower: {fault}")
        else:
            why = _whole(_tidy(str(data["why_not_2_lower"])), words)
    steps: list[Step] = []
    for entry in _mappings(data["steps_to_10"]) if words.steps else ():
        text, criterion = entry.get("step"), entry.get("criterion")
        if isinstance(criterion, str) and criterion in rubric.criteria and not check_text(text, prompt):
            steps.append(Step(criterion=criterion, text=_whole(_tidy(str(text)), words)))
    if words.steps and not steps:
        faults.append("steps_to_10: no step names a criterion and says something of its own")
    return checked, why, tuple(steps), faults


def _check_criterion(said: object, words: Words, scale: Scale, haystack: str, prompt: str) -> Checked:
    part = said if is_mapping(said) else {}
    reason, evidence = part.get("reason"), part.get("evidence")
    fault = check_text(reason, prompt)
    quotes = _strings(evidence)
    real = tuple(dict.fromkeys(_tidy(q) for q in quotes if _is_quote(q, haystack)))
    invented = [q for q in quotes if not _stands(_pieces(q), haystack)]
    score: int | None = None
    failure: Failure | None = None
    if words.scores:
        score, failure = check_score(part.get("score"), scale)
    if failure is None and fault:
        failure = Failure(kind="schema", detail=f"reason: {fault}")
    if failure is None and not is_list(evidence):
        failure = Failure(kind="schema", detail="evidence must be a list of quotes")
    if failure is None and invented:
        failure = Failure(kind="bad_quote", detail=f"the candidate does not contain {_tidy(invented[0])[:80]!r}")
    return Checked(
        score=None if failure else score,
        reason="" if fault else _whole(_tidy(str(reason)), words),
        evidence=real,
        failure=failure,
    )


def check_score(value: object, scale: Scale) -> tuple[int | None, Failure | None]:
    """A whole number on the scale, or the failure; never a conversion, never a clamp."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None, Failure(kind="schema", detail=f"score must be a whole number, not {_json(value)}")
    if not scale.holds(value):
        return None, Failure(kind="off_scale", detail=f"score {value} is off the scale {scale.lo} to {scale.hi}")
    return value, None


def check_text(value: object, prompt: str) -> str:
    """Why ``value`` is no real content, in a few words; empty when it is.

    Empty strings, braces, placeholders, single words and copies of the prompt are no content.
    """
    if not isinstance(value, str):
        return "must be text"
    letters = sum(islice((1 for character in value if character.isalpha()), _MIN_LETTERS))  # no more need be counted
    if letters + len(_DENSE.findall(value)) < _MIN_LETTERS or (value.isascii() and len(value.split()) < 2):
        return "is empty or no sentence"
    if value.strip()[:1] in "{[<" and value.strip()[-1:] in "}]>":
        return "is markup, not a sentence"
    if plain(value).strip(_QUOTE_EDGES) in plain(prompt):
        return "repeats the instructions"
    words = value.split()
    if len(words) >= 12 and len({word.lower() for word in words}) * 4 < len(words):
        return "repeats itself"
    return ""


@lru_cache(maxsize=64)  # one prompt is compared with every field of its answer
def plain(text: str) -> str:
    """Fold white space, quotes, dashes and case, so that a quote matches however it was typed."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u200b", "").translate(_FOLD)
    return " ".join(text.casefold().split())


# Applied after NFKC, which turns the ellipsis into dots and the non-breaking hyphen into U+2010.
_FOLD = str.maketrans({"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'"} | dict.fromkeys("\u2010\u2012–—−", "-"))


def _is_quote(quote: str, haystack: str) -> bool:
    """Whether the quote stands in the text and is long enough to show anything."""
    pieces = _pieces(quote)
    return sum(map(len, pieces)) >= _MIN_QUOTE and _stands(pieces, haystack)


def _pieces(quote: str) -> list[str]:
    """The passages that an ellipsis inside a quote joins; none where it has no characters but punctuation."""
    pieces = [piece.strip(_QUOTE_EDGES) for piece in re.split(r"\.{3,}|\[\.\.\.\]", plain(quote))]
    return [piece for piece in pieces if piece]


def _stands(pieces: list[str], haystack: str) -> bool:
    """Whether the passages stand in the text, in that order."""
    start = 0
    for piece in pieces:
        found = haystack.find(piece, start)
        if found < 0:
            return False
        start = found + len(piece)
    return True


def _json(value: object) -> str:
    return json.dumps(value)[:40]


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if is_list(value) else []


def _mappings(value: object) -> list[dict[str, Any]]:
    return [item for item in value if is_mapping(item)] if is_list(value) else []


def _whole(text: str, words: Words) -> str:
    """The whole sentences of a text that came to its bound; an ellipsis where not even one is whole."""
    if words.most_chars is None or len(text) < words.most_chars:
        return text
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s)|[。！？]", text)]
    return text[: ends[-1]] if ends else f"{text}…"


def _tidy(text: str) -> str:
    """One line, without control characters: it goes to terminals and reports."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())
