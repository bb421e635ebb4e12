"""What every judge is told in the same words, so that a text which quotes it can be found out."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from tenward.datasets import Case
from tenward.judges._answers import Words
from tenward.judges._distribution import check_probe, probes_for
from tenward.judges._prompts import build_prompt, question_words

if TYPE_CHECKING:
    from tenward.rubrics import Rubric

__all__ = ["judge_sentences"]


def judge_sentences(rubric: Rubric) -> tuple[str, ...]:
    """The fixed sentences of all prompts under a rubric, without the rubric's own texts and without any case.

    Args:
        rubric: Its criteria and names are put into the sentences.
    """
    words = Words(criteria=tuple(rubric.criteria), scores=True, why=True, steps=True)
    texts = [question_words(rubric, words, scores=dict.fromkeys(rubric.criteria, float(rubric.scale.lo)))]
    for given in ("", "–"):
        prompt = build_prompt(rubric, Case(id="any", input=given, output="–"), anchors=False, digits=True)
        texts += [prompt.system, prompt.material]
    texts += [probe.question for name in rubric.criteria for probe in probes_for(rubric, name, "digits")]
    texts.append(check_probe("\n.", rubric.names.candidate).question)
    asked = sorted((ask for criterion in rubric.criteria.values() for ask in criterion.ask), key=len, reverse=True)
    found: dict[str, None] = {}
    for text in texts:
        own = reduce(lambda rest, ask: rest.replace(ask, "\n"), asked, text)
        found |= dict.fromkeys(line.strip() for line in own.splitlines() if line.strip())
    return tuple(found)
