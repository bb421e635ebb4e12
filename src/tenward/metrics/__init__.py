"""Reference metrics: how near a text is to reference texts, without a model.

Seven metrics of four libraries, each brought to one scale: 0 to 1, identical text is exactly 1 in every script,
an empty candidate is 0, and of several references the nearest counts::

    score = score_references("a cat sat", ["a cat sat down"], {"rouge_l": 2, "chrf": 1})
    score.value  # the weighted mean
    score.metrics["rouge_l"].signature  # library, version and settings

=======  ===========  ==================================================  ===============================
name     library      counts                                              unrelated English sentences
=======  ===========  ==================================================  ===============================
bm25     rank-bm25    words of the reference, rare ones more (recall)     below 0.2; 0.4 without a corpus
bleu     sacrebleu    precision of runs of 1 to 4 words                   below 0.05
chrf     sacrebleu    F-score of runs of 1 to 6 characters                0.1 to 0.25
rouge_1  rouge-score  F-score of words                                    below 0.2
rouge_2  rouge-score  F-score of pairs of words                           0
rouge_l  rouge-score  F-score of the longest common subsequence of words  below 0.2
meteor   nltk         words, stems, synonyms; recall more; order          below 0.1
=======  ===========  ==================================================  ===============================

The scales differ, so values compare within one metric only, and only under the same signature.
"""

from __future__ import annotations

from tenward.metrics._base import Metric, MetricScore
from tenward.metrics._bm25 import Bm25
from tenward.metrics._meteor import Meteor, meteor_synonyms
from tenward.metrics._pool import MetricPool
from tenward.metrics._rouge import Rouge
from tenward.metrics._sacrebleu import Bleu, Chrf
from tenward.metrics._score import ReferenceScore, available, get_metric, score_references
from tenward.metrics._tokens import tokenise

__all__ = [
    "Bleu",
    "Bm25",
    "Chrf",
    "Meteor",
    "Metric",
    "MetricPool",
    "MetricScore",
    "ReferenceScore",
    "Rouge",
    "available",
    "get_metric",
    "meteor_synonyms",
    "score_references",
    "tokenise",
]
