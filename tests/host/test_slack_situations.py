"""What an operator sees, and what is in Slack afterwards, in situations that real workspaces bring about.

With `-s` each situation prints its row of a table: situation, lines, who was told, exit code, what the next run does
once it is mended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from slack_sdk.http_retry.builtin_interval_calculators import BackoffRetryIntervalCalculator

from deployment.local.slack_stand_in import DEFAULT_CHANNELS, SlackChannel, SlackUser
from deployment.local.slack_stand_in.workspace import DEFAULT_USERS, workspace_of
from deployment.local.stand_in import Raw, Silence
from library.issues.record import Resolution, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from library.issues.record import Issue
    from tests.world.estate import Estate

POST = "chat.postMessage"
TO_BOB = "D00000002"
CHANNEL, BOB = "#devops-channel", "bob"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Situation:
    """What is so in Slack, for a new issue or one that has `ended`, and how a run ends: code, ids, who is told.

    `later` is who is told by the next run, after it was mended; None where a run cannot be better for it.
    """

    name: str
    make: Callable[[Estate], object]
    code: int = 0
    ids: tuple[str, ...] = ()
    told: tuple[str, ...] = (CHANNEL, BOB)
    owed: tuple[str, ...] = ()
    later: tuple[str, ...] | None = None
    ended: bool = False


def as_it_is(_: Estate) -> None:
    pass


def fail(method: str = POST, *, to: str = "", **how: Any) -> Callable[[Estate], object]:
    return lambda estate: estate.slack.fail_next(method, channel=to, **{"status": 200, "times": None, **how})


def owners(*recipients: str, **more: Any) -> Callable[[Estate], object]:
    return lambda estate: estate.owners({"jira_project": "AWSSEC", "slack_owner": list(recipients), **more})


def token(code: str = "", scopes: set[str] | None = None) -> Callable[[Estate], object]:
    def make(estate: Estate) -> None:
        estate.slack.token_error = code
        estate.slack.scopes = None if scopes is None else frozenset(scopes)

    return make


def channel(**facts: Any) -> Callable[[Estate], object]:
    def make(estate: Estate) -> None:
        channels = (*DEFAULT_CHANNELS[:2], SlackChannel("devops-channel", **facts))
        estate.slack.workspace = workspace_of(DEFAULT_USERS, channels, page_size=2)

    return make


def people(*users: SlackUser) -> Callable[[Estate], object]:
    def make(estate: Estate) -> None:
        estate.slack.workspace = workspace_of((DEFAULT_USERS[0], *users), DEFAULT_CHANNELS, page_size=2)

    return make


def org_wide(estate: Estate) -> None:
    estate.slack.workspace.org_wide = True


def next_in_line(estate: Estate) -> None:
    estate.configure(slack={"notify_default_owner": False})
    owners("bob", account={"123456789012": {"slack_owner": "#gone"}})(estate)


SCOPES = {"chat:write", "channels:read", "users:read", "users:read.email", "im:write"}
MOVED = Raw(301, {"Location": "https://new.example.com/api/"})
SITUATIONS = (
    Situation("a Slack as it should be", as_it_is),
    Situation("everything is redirected (301)", fail(silence=MOVED), 1, ("E-SLACK-08",), (), (), (CHANNEL, BOB)),
    Situation(
        "a login page with 200",
        fail(silence=Raw(200, {"Content-Type": "text/html"}, b"<html><title>Sign in</title></html>")),
        1,
        ("E-SLACK-07",),
        (),
        (),
        (CHANNEL, BOB),
    ),
    Situation("200 and nothing", fail(silence=Raw(200, JSON, b"")), 1, ("E-SLACK-07",), (), (), (CHANNEL, BOB)),
    Situation(
        "ok, and no message",
        fail(silence=Raw(200, JSON, b'{"ok": true}')),
        1,
        ("E-SLACK-07",),
        (),
        (),
        (CHANNEL, BOB),
    ),
    Situation("a cut answer", fail(silence=Silence.CUT), 1, ("E-SLACK-01",), (), (), (CHANNEL, BOB)),
    Situation(
        "posted, and the answer is lost",
        fail(silence=Silence.RESET, after_doing=True, times=1, to="devops-channel"),
        told=(CHANNEL, CHANNEL, BOB),
    ),
    Situation("Slack is down (503)", fail(status=503), 1, ("E-SLACK-01",), (), (), (CHANNEL, BOB)),
    Situation("one answer of 503", fail(status=503, times=1)),
    Situation("a dead token", token("token_revoked"), 1, ("E-SLACK-09",), (), (), (CHANNEL, BOB)),
    Situation("not from this network", token("accesslimited"), 1, ("E-SLACK-09",), (), (), (CHANNEL, BOB)),
    Situation(
        "a token that may not post", token(scopes=SCOPES - {"chat:write"}), 1, ("E-SLACK-03",), (), (), (CHANNEL, BOB)
    ),
    Situation("a token that may post and no more", token(scopes={"chat:write"}), 0, ("W-SLACK-01",), (CHANNEL,)),
    Situation("a token that may open no conversations", token(scopes=SCOPES - {"im:write"})),
    Situation(
        "a limit of two minutes for one channel",
        lambda estate: estate.slack.limit("devops-channel", "120"),
        1,
        ("E-SLACK-02",),
        (BOB,),
        (CHANNEL,),
        (CHANNEL,),
    ),
    Situation("a limit that is over at once", lambda estate: estate.slack.limit("devops-channel", "0", times=1)),
    Situation(
        "a fault that passes, for one of two",
        fail(error="fatal_error", to=TO_BOB),
        1,
        ("E-SLACK-01",),
        (CHANNEL,),
        (BOB,),
        (BOB,),
    ),
    Situation(
        "the listing of people fails",
        fail("users.list", error="internal_error"),
        1,
        ("E-SLACK-01",),
        (CHANNEL,),
        (BOB,),
        (BOB,),
    ),
    Situation("an org-wide token without slack.team_id", org_wide, 1, ("E-SLACK-01",), (CHANNEL,), (BOB,), (BOB,)),
    Situation("the channel is archived", channel(archived=True), 0, ("W-SLACK-01",), (BOB,)),
    Situation("only some may post there", channel(restricted=True), 0, ("W-SLACK-01",), (BOB,)),
    Situation("the bot is no member of the channel", channel(bot_is_member=False), 0, ("W-SLACK-01",), (BOB,)),
    Situation(
        "the bot is not in the private channel",
        channel(private=True, bot_is_member=False),
        0,
        ("W-SLACK-01",),
        (BOB,),
    ),
    Situation("no listing shows the channel", channel(listed=False)),
    Situation("the person has left", people(SlackUser("bob", deleted=True)), 0, ("W-SLACK-01",), (CHANNEL,)),
    Situation(
        "two people of one name",
        people(SlackUser("b1", real_name="Bob"), SlackUser("b2", real_name="Bob")),
        0,
        ("W-SLACK-01",),
        (CHANNEL,),
    ),
    Situation("one person under two names", owners("bob", "bob@example.com", "U00000002"), told=(BOB,)),
    Situation("a channel by its id", owners("C00000002"), told=(CHANNEL,)),
    Situation("the nearest owner is unknown, the next is not", next_in_line, 0, ("W-SLACK-01",), (BOB,)),
    Situation("nobody who is configured is known", owners("#gone", "left"), 1, ("E-SLACK-04",), ()),
    Situation("nobody is configured", owners(), 1, ("E-SLACK-06",), ()),
    Situation("the end of an issue", as_it_is, ended=True),
    Situation(
        "the end, and one of two is not reached",
        fail(error="fatal_error", to=TO_BOB),
        1,
        ("E-SLACK-01",),
        (CHANNEL,),
        (BOB,),
        (BOB,),
        ended=True,
    ),
    Situation("the end, and Slack is down", fail(status=503), 1, ("E-SLACK-01",), (), (), (CHANNEL, BOB), ended=True),
)


def issue_of(estate: Estate, situation: Situation) -> Issue:
    if not situation.ended:
        return estate.add_issue()
    issue = estate.add_due_issue(status=Status.RESOLVED, resolved=estate.ago(hours=1))
    issue = replace(issue, details=replace(issue.details, resolution=Resolution.USED))
    estate.put(issue)
    return issue


def mend(estate: Estate) -> None:
    estate.slack.heal()
    token()(estate)
    estate.slack.workspace.org_wide = False


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_operator_sees_what_is_so_and_what_was_not_said_is_said_later(
    estate: Estate, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackoffRetryIntervalCalculator, "calculate_sleep_duration", lambda *_: 0)
    owners(CHANNEL, BOB)(estate)
    issue = issue_of(estate, situation)
    situation.make(estate)

    result = estate.report()

    lines = [line for line in result.output.splitlines() if re.search(r" (ERROR|WARNING) [EW]-SLACK-", line)]
    found = [re.sub(r"^.*? (?:ERROR|WARNING) ", "", line) for line in lines]
    told = tuple(recipient for recipient, _ in estate.messages())
    after = estate.read(issue)
    estate.slack.messages.clear()
    later: tuple[str, ...] | None = None
    if situation.later is not None:
        mend(estate)
        again = estate.report()
        assert again.exit_code == 0, again.output
        later = tuple(recipient for recipient, _ in estate.messages())
    _print_row(situation, found, told, result.exit_code, later)

    assert (result.exit_code, told) == (situation.code, situation.told), result.output
    assert sorted({line.partition(" ")[0] for line in found}) == sorted(situation.ids)
    assert len(found) == len(set(found))
    assert (after.slack.failed is None) is (situation.code == 0)
    assert after.slack.owed == situation.owed
    # JIRA was told whatever Slack does, and a ticket without a message is a report.
    assert after.timestamps.reported is not None
    assert (after.status is Status.CLOSED) is (situation.ended and bool(told))
    assert later == situation.later
    if later is not None:
        assert estate.read(issue).slack.failed is None


def _print_row(
    situation: Situation, found: list[str], told: tuple[str, ...], code: int, later: tuple[str, ...] | None
) -> None:
    said = "<br>".join(found).replace("|", "\\|") or "no line"
    what = "the end of an issue" if situation.ended else "a report"
    in_slack = f"{what} to {', '.join(told)}" if told else "nothing"
    then = "the same" if later is None and code else f"told: {', '.join(later)}" if later else "nothing is owed"
    print(f"\n| {situation.name} | {said} | {in_slack} | {code} | {then} |")
