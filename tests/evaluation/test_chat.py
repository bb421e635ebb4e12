from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenward.datasets import Case
from tenward.errors import UsageError
from tenward.evaluation import PromptProducer, Turn, is_chat, read_chat, write_chat
from tenward.judges import JudgeSpec

CHAT = """\
# system
You write commit subjects.

# user
diff one

# assistant
Add one

# user
Write a subject: {input}
"""
SPEC = JudgeSpec(judge="any/v1", model="openai/stub")
TEXTS = st.text(min_size=1, max_size=40).map(str.strip).filter(bool) | st.sampled_from(
    ["# user", "\\# user", "a\n# assistant\nb", "\\\\# system ", "# users", "  # user"]
)


def test_turns_are_sent_as_messages_and_the_case_goes_into_the_last() -> None:
    """A worked example is a turn of the user and an answer; braces of a case's text stay as they are."""
    producer = PromptProducer(CHAT, SPEC)
    assert producer.messages(Case(id="x", input="{context} diff")) == [
        {"role": "system", "content": "You write commit subjects."},
        {"role": "user", "content": "diff one"},
        {"role": "assistant", "content": "Add one"},
        {"role": "user", "content": "Write a subject: {context} diff"},
    ]
    assert producer.shared is not None
    assert producer.shared[-1] == {"role": "user", "content": "Write a subject:"}


def test_any_other_file_is_one_message() -> None:
    """A heading of another name, or further down, makes no chat."""
    for prompt in ("# User\nDo it: {input}", "Do it.\n\n# user\n{input}", "## user\n{input}"):
        assert not is_chat(prompt)
        assert [one["role"] for one in PromptProducer(prompt, SPEC).messages(Case(id="x", input="t"))] == ["user"]


@given(system=st.none() | TEXTS, examples=st.lists(st.tuples(TEXTS, TEXTS), max_size=3), last=TEXTS)
def test_what_is_written_is_read_again(system: str | None, examples: list[tuple[str, str]], last: str) -> None:
    """Texts that look like headings come back as they were."""
    plain = [text.replace("{", "(") for pair in examples for text in pair]
    turns = [Turn(role="system", text=system.replace("{", "("))] if system is not None else []
    turns += [Turn(role="assistant" if place % 2 else "user", text=text) for place, text in enumerate(plain)]
    turns.append(Turn(role="user", text=f"{last.replace('{', '(')} {{input}}"))
    expected = [(turn.role, turn.text.strip()) for turn in turns]
    assert [(turn.role, turn.text) for turn in read_chat(write_chat(turns))] == expected


@pytest.mark.parametrize(
    ("prompt", "fault"),
    [
        ("# user\nDo it.", "line 1: found no {input} in the last turn"),
        ("# user\n{input}\n# assistant\nyes", "line 3: found # assistant as the last turn"),
        ("# user\n{input}\n# assistant\nyes\n# user\ngo on", "line 1: found {input} under # user"),
        ("# user\na\n# user\n{input}", "line 3: found # user, expected # assistant"),
        ("# user\na\n# system\nb", "line 3: found # system, expected # assistant"),
        ("# system\nb", "line 1: found # system as the last turn"),
        ("# system\n\n# user\n{input}", "line 1: found nothing under # system"),
        ("# user\n{input}\nand {input}", "found {input} 2 times in the prompt"),
    ],
)
def test_what_is_no_chat_is_told_with_its_line(prompt: str, fault: str) -> None:
    """The message names the line, what was found and what was expected, and has a hint."""
    with pytest.raises(UsageError) as caught:
        PromptProducer(prompt, SPEC)
    assert caught.value.message.startswith(fault)
    assert caught.value.hint
