"""The judge as it stands in a YAML file: a model and how to read it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tenward.documents import Document, FieldError, VersionedName, load_document, top_level_keys
from tenward.guards import is_list

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Explain", "JudgeSpec", "PanelSpec", "Price", "load_spec"]

Seconds = Annotated[float, Field(gt=0, le=86_400)]

Explain = bool | Literal["program", "model"]
"""Whether words are asked for, and by whom; True leaves it to the judge's file."""


class Price(Document):
    """US dollars per million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = None
    """Price of prompt tokens served from the provider's prefix cache; as ``input`` when left out."""


class JudgeSpec(Document):
    """Who says so: a model, where it runs, and how its answer becomes a score."""

    judge: VersionedName
    """Name and version, such as ``local/v1``."""

    model: Annotated[str, Field(min_length=3, max_length=200)]
    """``provider/model``: ``local/…`` for the embedded engine, or any provider instructor knows (``openai/…``)."""

    about: str = ""
    """What this judge is good for; shown by ``tenward doctor`` and in reports."""

    base_url: str | None = None
    """Address of an OpenAI-compatible endpoint (vLLM, Ollama, LM Studio, a gateway)."""

    api_key_env: str | None = None
    """Environment variable that holds the key; with ``base_url`` no other key is ever sent."""

    read: Literal["stated", "distribution", "hidden"] = "stated"
    """``stated``: the number the model writes; ``distribution``: the expected value over the scale's labels;
    ``hidden``, embedded engine only: points that a head makes of the model's state, where one was fitted for the rubric
    and for such texts, and otherwise as ``distribution``, which is then called the plain reading."""

    probe: Literal["digits", "by-form"] = "digits"
    """How a judge read by ``distribution``, or plainly, answers: ``digits`` of the scale, always; or ``by-form``, where
    a question that can be answered with Yes or No is, and only an open one (How ...?) gets a digit."""

    anchors: bool | Literal["without-input"] = True
    """Whether the judge is shown the criteria with their levels before the case; ``without-input``: only where the
    candidate answers nothing that could be a yardstick. Small models order texts on an input better when they see the
    bare question, and texts without one when they see the levels; those are then always answered by a digit."""

    explain: Literal["program", "model"] = "program"
    """Who puts scores that are not ``stated`` into words where words are asked for: a ``program``, from what was read
    and from the rubric's checks, or the ``model``, in further calls. What a program can say without a further call is
    always there; a ``stated`` score comes with the model's words."""

    ask: Literal["together", "one-by-one"] = "together"
    """Structured answers: one call for all criteria, or one call each (small models, and to avoid halo)."""

    samples: Annotated[int, Field(ge=1, le=50)] = 1
    """Stated answers per case; their mean counts and their spread is kept."""

    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature; left to the provider when not given, since some models refuse one."""

    seed: int | None = None
    max_tokens: Annotated[int, Field(ge=64, le=200_000)] = 4096
    """Upper bound on one structured answer, in tokens."""

    context_tokens: Annotated[int, Field(ge=1024, le=262_144)] = 16_384
    """Embedded engine only: tokens of prompt and answer it makes room for."""

    timeout: Seconds = 120.0
    """Seconds for one call."""

    deadline: Seconds = 600.0
    """Seconds for one case, all calls, retries and waits included."""

    retries: Annotated[int, Field(ge=0, le=20)] = 5
    """How often a rate limit, a time-out or a broken connection is tried again."""

    mode: str | None = None
    """instructor mode for structured answers, such as ``json_schema_mode``; chosen by provider when left out."""

    price: Price | None = None
    """What tokens cost; without it the cost is reported as unknown, never as 0."""

    extra_body: dict[str, Any] = Field(default_factory=dict[str, Any])
    """Further fields of the request body, passed through as they are."""

    @property
    def local(self) -> bool:
        """Whether the embedded engine runs the model."""
        return self.provider == "local"

    @property
    def states_scores(self) -> bool:
        """Whether the model writes its scores."""
        return self.read == "stated"

    @property
    def provider(self) -> str:
        """The part of ``model`` before the first slash."""
        return self.model.partition("/")[0]

    @property
    def model_name(self) -> str:
        """The part of ``model`` after the first slash."""
        return self.model.partition("/")[2]

    def asks_model(self, explain: Explain) -> bool:
        """Whether the model writes the words of a verdict for which ``explain`` was asked."""
        return self.states_scores or explain == "model" or (explain is True and self.explain == "model")

    def asks_checks(self, explain: Explain) -> bool:
        """Whether the rubric's checks are read for a verdict for which ``explain`` was asked."""
        return bool(explain) and not self.asks_model(explain)

    @field_validator("model")
    @classmethod
    def _provider_and_model(cls, value: str) -> str:
        provider, _, model = value.partition("/")
        if not provider or not model:
            raise FieldError(
                found=repr(value),
                expected="provider/model",
                hint="such as local/qwen2.5-coder-1.5b-instruct or openai/gpt-4.1-mini",
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _http(cls, value: str | None) -> str | None:
        # What may hold a key is looked for first, since the other message repeats the address.
        if value is not None and "@" in value:
            raise FieldError(
                found="an address with a user name or key in it",
                expected="an address without one",
                hint="name the variable that holds the key in api_key_env",
            )
        if value is not None and ("?" in value or "#" in value):
            raise FieldError(
                found="an address with a query or fragment, which may hold a key",
                expected="an address that ends with its path",
                hint="name the variable that holds the key in api_key_env",
            )
        if value is not None and not value.lower().startswith(("http://", "https://")):
            raise FieldError(found=repr(value), expected="an http:// or https:// address")
        return value

    @field_validator("extra_body")
    @classmethod
    def _json(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            json.dumps(value, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise FieldError(
                found=f"a value that JSON cannot hold ({error})",
                expected="text, finite numbers, true, false, null, and lists and mappings of them",
                hint="put a date into quotes",
            ) from error
        return value

    @model_validator(mode="after")
    def _agree(self) -> JudgeSpec:
        if self.local and self.base_url is not None:
            raise FieldError(
                "base_url",
                found="an address beside a local model",
                expected="one of the two",
                hint="write model: openai/NAME for an OpenAI-compatible server at base_url",
            )
        if self.read == "hidden" and not self.local:
            raise FieldError(
                "read",
                found=f"read: hidden beside model: {self.model}",
                expected="a model of the embedded engine, local/NAME",
                hint="endpoints give no hidden states; write read: distribution",
            )
        if self.states_scores and "explain" in self.model_fields_set:
            raise FieldError(
                "explain",
                found=f"explain: {self.explain} beside read: stated",
                expected="explain only with read: distribution or hidden",
                hint="a stated score always comes with its words",
            )
        if self.states_scores and "probe" in self.model_fields_set:
            raise FieldError(
                "probe", found="probe beside read: stated", expected="probe only with read: distribution or hidden"
            )
        if not self.states_scores and self.samples > 1:
            raise FieldError(
                "samples",
                found=f"{self.samples} samples beside read: {self.read}",
                expected="1",
                hint="what is read is read exactly; sampling adds nothing",
            )
        if self.samples > 1 and (self.temperature == 0 or (self.local and self.temperature is None)):
            raise FieldError(
                "samples",
                found=f"{self.samples} samples at temperature 0",
                expected="a temperature above 0, or 1 sample",
            )
        return self


class PanelSpec(Document):
    """A judge made of judges."""

    judge: VersionedName
    """Name and version, such as ``panel/v1``."""

    panel: Annotated[dict[str, Annotated[float, Field(gt=0, strict=True)]], Field(min_length=2, max_length=12)]
    """Weight per member, by the member's name; a plain list of names weighs them equally."""

    about: str = ""
    """What this panel is good for."""

    @field_validator("panel", mode="before")
    @classmethod
    def _read_members(cls, value: Any) -> Any:
        if not is_list(value):
            return value
        if len(set(map(str, value))) < len(value):
            raise FieldError(found="the same member twice", expected="each judge once", hint="give it a weight instead")
        return {str(name): 1.0 for name in value}


def load_spec(path: Path) -> JudgeSpec | PanelSpec:
    """Read a judge file: one model, or a panel where it has the key ``panel``.

    Raises:
        DocumentError: The file is not a valid judge.
    """
    return load_document(path, PanelSpec) if "panel" in top_level_keys(path) else load_document(path, JudgeSpec)
