"""What the operator may answer at a terminal, which is a real one, and what an answer means."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from library.cli.prompt import Answer, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE, THERE = "123456789012", "210987654321"
FACTS = (("user", "alice"), ("key", "AKIAIOSFODNN7EXAMPLE"))
CTRL_D = b"\x04"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Types at the terminal that standard input is."""
    near_end, far_end = pty.openpty()
    with open(far_end, encoding="utf-8") as terminal:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", terminal)

        def type_at_terminal(characters: bytes) -> None:
            os.write(near_end, characters)

        yield type_at_terminal
    with contextlib.suppress(OSError):
        os.close(near_end)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("y", Answer.YES),
        ("yes", Answer.YES),
        (" YES ", Answer.YES),
        ("n", Answer.NO),
        ("no", Answer.NO),
        ("", Answer.NO),
        ("q", Answer.QUIT),
    ],
)
def test_each_answer_has_its_meaning_and_enter_is_no(
    typed: Callable[[bytes], None], line: str, answer: Answer
) -> None:
    typed(f"{line}\n".encode())
    assert Prompt("Switch it off?").ask(HERE, FACTS, "3 of 40") is answer


def test_the_facts_come_before_the_question(
    typed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed(b"y\n")
    Prompt("Switch it off?").ask(HERE, FACTS, "3 of 40")
    assert capsys.readouterr().out == (
        "\n3 of 40\n  user       alice\n  key        AKIAIOSFODNN7EXAMPLE\n"
        "Switch it off? [y/N] (a: yes to the rest of this account, q: quit) "
    )


def test_an_answer_that_is_not_understood_is_asked_for_again(
    typed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    typed(b"yes please\nsure\ny\n")
    assert Prompt("Switch it off?").ask(HERE, FACTS, "3 of 40") is Answer.YES
    said = capsys.readouterr().out
    assert said.count("y, n, a or q; Enter means n") == 2
    assert said.count("AKIAIOSFODNN7EXAMPLE") == 1


def test_a_is_yes_to_the_rest_of_that_account_and_of_no_other(
    typed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]
) -> None:
    asking = Prompt("Switch it off?")
    typed(b"a\nn\n")
    answers = [asking.ask(account, FACTS, "3 of 40") for account in (HERE, HERE, THERE, HERE)]
    assert answers == [Answer.YES, Answer.YES, Answer.NO, Answer.YES]
    assert capsys.readouterr().out.count("[y/N]") == 2


def test_ctrl_d_is_no_to_all_that_follow(typed: Callable[[bytes], None], capsys: pytest.CaptureFixture[str]) -> None:
    asking = Prompt("Switch it off?")
    typed(CTRL_D)
    assert asking.ask(HERE, FACTS, "3 of 40") is Answer.NOBODY
    typed(b"y\n")
    assert asking.ask(THERE, FACTS, "3 of 40") is Answer.NOBODY
    assert asking.nobody_there
    assert capsys.readouterr().out.count("[y/N]") == 1


def test_without_a_terminal_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"y\n")
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", pipe)
        asking = Prompt("Switch it off?")
        assert asking.ask(HERE, FACTS, "3 of 40") is Answer.NOBODY
    assert asking.nobody_there
    assert capsys.readouterr().out == ""


@pytest.mark.process
def test_a_prompt_loads_nothing_of_aws_jira_slack_or_the_host() -> None:
    code = "import library.cli.prompt, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "click" in loaded
    assert not loaded & {"boto3", "botocore", "cryptography", "jira", "rich", "slack_sdk", "watchtower"}
