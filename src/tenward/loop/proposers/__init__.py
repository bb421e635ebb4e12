"""Who proposes changes: a model, a command or a function, behind one protocol."""

from __future__ import annotations

from tenward.loop.proposers._command import CommandProposer
from tenward.loop.proposers._llm import LlmProposer
from tenward.loop.proposers._lookup import proposer_fault
from tenward.loop.proposers._make import make_proposer, plan_proposals
from tenward.loop.proposers._portfolio import Portfolio
from tenward.loop.proposers._proposal import NothingLeftError, Proposal, Proposer
from tenward.loop.proposers._python import PythonProposer
from tenward.loop.proposers._retro import write_retro
from tenward.loop.proposers._search import SearchProposer
from tenward.loop.proposers._sentence import SentenceProposer
from tenward.loop.proposers._text_arms import RulesArm

__all__ = [
    "CommandProposer",
    "LlmProposer",
    "NothingLeftError",
    "Portfolio",
    "Proposal",
    "Proposer",
    "PythonProposer",
    "RulesArm",
    "SearchProposer",
    "SentenceProposer",
    "make_proposer",
    "plan_proposals",
    "proposer_fault",
    "write_retro",
]
