"""The words: what they hold, what they must not promise, and that no value can be more than a value."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    RemediationError,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
)
from library.issues.smtp import DOUBT
from library.issues.whitelist import Exemption
from library.notifications import slack_words
from library.notifications.facts import TextContext
from library.notifications.jira_words import (
    Comment,
    closing_comment,
    date_comment,
    description,
    episode_comment,
    failure_comment,
    labels,
    remediated_comment,
    reminder_comment,
    restored_comment,
    summary,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DUE = datetime(2026, 3, 8, 9, 30, tzinfo=UTC)
KEY = "AKIAIOSFODNN7EXAMPLE"
NASTY = "a*b{c}|[d]_e_~f~^g^+h+-i-!j!?k?#l#@m%(y)\\n&amp;:D http://x"


def issue(**given: Any) -> Issue:
    """An issue of a key that was last used 40 days ago; what is `given` is a fact of it, by the name used below."""
    created = datetime(2025, 12, 1, 8, 5, tzinfo=UTC)
    facts: dict[str, Any] = {
        "username": "bob",
        "never_used": False,
        "service": "s3",
        "region": "us-east-1",
        "resolution": None,
        "status": Status.OPEN,
        "episode": Episode.FIRST,
        "identified": NOW - timedelta(days=30),
        "restored": None,
        "cause": None,
        "cause_time": NOW,
        "ticket": "AWSSEC-12",
        **given,
    }
    return Issue(
        account_id="123456789012",
        issue_id=KEY,
        status=facts["status"],
        details=IssueDetails(
            create_date=created,
            last_used=created if facts["never_used"] else datetime(2026, 1, 20, 16, 48, tzinfo=UTC),
            username=facts["username"],
            never_used=facts["never_used"],
            user_id="AIDAEXAMPLE",
            last_used_service=facts["service"],
            last_used_region=facts["region"],
            resolution=facts["resolution"],
        ),
        timestamps=Timestamps(identified=facts["identified"], restored=facts["restored"]),
        episode=facts["episode"],
        jira=JiraDetails(ticket=facts["ticket"]),
        slack=SlackDetails(),
        remediation_error=RemediationError(facts["cause"], facts["cause_time"]) if facts["cause"] else None,
    )


def context(
    *,
    account_name: str = "master",
    now: datetime = NOW,
    due: datetime | None = None,
    url: str = "",
    jira: str = "https://jira.example.com",
    ask: tuple[str, ...] = (),
) -> TextContext:
    return TextContext(
        account_name=account_name,
        criteria_days=10,
        now=now,
        remediation_due=due,
        whitelisting_url=url,
        jira_server=jira,
        ask=ask,
    )


def shown_by_jira(wiki: str) -> str:
    """What JIRA's renderer makes of escapes."""
    return html.unescape(re.sub(r"(?<!\\)\\([-#*_+?^~|%{}\[\]()!@])", lambda m: f"&#{ord(m[1])};", wiki))


EVERY_WIKI_TEXT: list[Callable[[Issue, TextContext], str]] = [
    description,
    lambda i, c: episode_comment(i, c).text,
    lambda i, c: reminder_comment(i, c, 7).text,
    lambda i, c: date_comment(i, c).text,
    lambda i, c: closing_comment(i, c).text,
    lambda i, c: remediated_comment(i, c).text,
    lambda i, c: failure_comment(i, c).text,
    lambda i, c: restored_comment(i, c, i.details.username).text,
]
EVERY_SLACK_TEXT: list[Callable[[Issue, TextContext], str]] = [
    lambda i, c: slack_words.report(i, c).naming("AWSSEC-12"),
    lambda i, c: slack_words.reminder(i, c, 7).naming("AWSSEC-12"),
    lambda i, c: slack_words.closed(i, c).naming("AWSSEC-12"),
    lambda i, c: slack_words.remediated(i, c).naming("AWSSEC-12"),
    lambda i, c: slack_words.restored(i, c, "bob").naming("AWSSEC-12"),
]
EVERY_COMMENT: list[Callable[[Issue, TextContext], Comment]] = [
    episode_comment,
    lambda i, c: reminder_comment(i, c, 7),
    lambda i, c: reminder_comment(i, c, 1),
    date_comment,
    closing_comment,
    remediated_comment,
    failure_comment,
    lambda i, c: restored_comment(i, c, "bob"),
]


def test_labels_name_the_kind_and_the_issue() -> None:
    assert labels(issue()) == ("inactive-iam-keys", f"hammer-123456789012-{KEY}")


def test_the_summary_names_key_user_account_and_idle_days() -> None:
    assert summary(issue(), context()) == (
        f"IAM access key {KEY} of user bob in account master (123456789012) has not been used for 39 days"
    )


def test_the_summary_of_a_key_never_used_says_so() -> None:
    assert "has never been used" in summary(issue(never_used=True), context())


def test_the_summary_is_one_line_that_jira_takes() -> None:
    text = summary(issue(username="x" * 64), context(account_name="a\nb\r" + "y" * 300))
    assert len(text) == 255
    assert text.isprintable()
    assert KEY in text


@pytest.mark.parametrize(
    "part",
    [
        "master (123456789012)",
        "*User:* bob",
        KEY,
        "*Created:* 2025-12-01 08:05 UTC",
        "*Last used:* 2026-01-20 16:48 UTC (s3, us-east-1)",
        "*Idle for:* 39 days",
        "more than 10 days",
        "What to do",
        "[whitelisting procedure|https://wiki.example.com/a?b=c]",
    ],
)
def test_the_description_holds(part: str) -> None:
    text = description(issue(), context(url="https://wiki.example.com/a?b=c"))
    assert part in shown_by_jira(text)


def test_a_key_never_used_says_so_and_is_idle_since_its_creation() -> None:
    text = description(issue(never_used=True, service=None, region=None), context())
    assert "*Last used:* never used" in text
    assert "None" not in text
    assert "*Idle for:* 90 days" in text


def test_service_and_region_that_aws_does_not_know_are_left_out() -> None:
    text = description(issue(service=None, region=None), context())
    assert "*Last used:* 2026-01-20 16:48 UTC\n" in text


@pytest.mark.parametrize(("seconds", "days"), [(-1, "9 days"), (0, "10 days"), (1, "10 days")])
def test_idle_days_are_whole_days(seconds: int, days: str) -> None:
    now = issue().details.last_used + timedelta(days=10, seconds=seconds)
    assert f"*Idle for:* {days}" in description(issue(), context(now=now))


def test_times_of_another_zone_are_shown_in_utc() -> None:
    elsewhere = DUE.astimezone(timezone(timedelta(hours=5)))
    assert "2026-03-08 09:30 UTC" in description(issue(), context(due=elsewhere))


def test_without_a_procedure_nothing_is_said_of_exemptions() -> None:
    assert "whitelist" not in description(issue(), context())
    assert "exemption" not in slack_words.report(issue(), context()).naming(None)


@pytest.mark.parametrize("text", [*EVERY_WIKI_TEXT[:2], EVERY_SLACK_TEXT[0]])
def test_the_date_of_remediation_is_there_if_it_will_happen(
    text: Callable[[Issue, TextContext], str],
) -> None:
    assert "2026-03-08 09:30 UTC" in text(issue(), context(due=DUE))


@pytest.mark.parametrize("text", [*EVERY_WIKI_TEXT[:2], EVERY_SLACK_TEXT[0]])
def test_nothing_is_threatened_that_will_not_happen(text: Callable[[Issue, TextContext], str]) -> None:
    words = text(issue(), context(due=None))
    assert "Hammer will" not in words
    assert "2026-03" not in words
    assert "utomatic" not in words


def test_a_date_that_has_passed_is_the_next_run() -> None:
    words = description(issue(), context(due=NOW))
    assert "in the next remediation run" in words


def test_a_reminder_says_when() -> None:
    words = reminder_comment(issue(), context(due=DUE), 1).text
    assert "within 1 day." in words
    assert "2026-03-08 09:30 UTC" in words
    assert "2026-03-08 09:30 UTC" in slack_words.reminder(issue(), context(due=DUE), 1).naming(None)


@pytest.mark.parametrize(
    ("resolution", "words"),
    [
        (Resolution.USED, "in use again"),
        (Resolution.DEACTIVATED, "somebody switched the access key off"),
        (Resolution.DELETED, "was deleted"),
        (Resolution.REMEDIATED, "Hammer switched the access key off"),
    ],
)
def test_closing_gives_the_reason(resolution: Resolution, words: str) -> None:
    closed = issue(status=Status.RESOLVED, resolution=resolution)
    assert words in closing_comment(closed, context()).text
    assert words in slack_words.closed(closed, context()).naming(None)


def test_closing_for_an_exemption_gives_that_reason_whatever_was_recorded_before() -> None:
    closed = issue(status=Status.WHITELISTED, resolution=Resolution.USED)
    assert "an exemption covers" in closing_comment(closed, context()).text
    assert "an exemption covers" in slack_words.closed(closed, context()).naming(None)


def test_a_new_episode_says_whether_somebody_switched_the_key_on_again() -> None:
    switched_on = issue(episode=Episode.REACTIVATED)
    idle_again = issue(episode=Episode.REOPENED)
    for words in (
        episode_comment(switched_on, context()).text,
        description(switched_on, context()),
        slack_words.report(switched_on, context()).naming(None),
    ):
        assert "omebody switched" in words
    for words in (
        episode_comment(idle_again, context()).text,
        slack_words.report(idle_again, context()).naming(None),
    ):
        assert "again" in words
        assert "omebody switched" not in words


@pytest.mark.parametrize(
    ("ask", "in_jira", "in_slack"),
    [
        ((), "ask the people who run Hammer:", "ask the people who run Hammer."),
        (("#security",), r"ask \#security:", "ask `#security`."),
        (("#security", "bob"), r"ask \#security or bob:", "ask `#security` or `bob`."),
        (("a", "b", "<!c>`"), r"ask a, b or <\!c>`:", "ask `a`, `b` or `&lt;!c&gt;'`."),
    ],
)
def test_what_was_switched_off_says_whom_to_ask(ask: tuple[str, ...], in_jira: str, in_slack: str) -> None:
    gone = issue(status=Status.RESOLVED, resolution=Resolution.REMEDIATED)
    for words in (remediated_comment(issue(), context(ask=ask)).text, closing_comment(gone, context(ask=ask)).text):
        assert in_jira in words
        assert "whitelist" not in words
    for message in (slack_words.remediated(issue(), context(ask=ask)), slack_words.closed(gone, context(ask=ask))):
        assert in_slack in message.naming(None)


def test_what_was_switched_off_names_the_procedure_by_which_it_stays_on() -> None:
    known = context(url="https://wiki.example.com/a?b=c")
    assert "[whitelisting procedure|https://wiki.example.com/a?b=c]" in remediated_comment(issue(), known).text
    assert "<https://wiki.example.com/a?b=c|How" in slack_words.remediated(issue(), known).naming(None)


@pytest.mark.parametrize("resolution", [each for each in Resolution if each is not Resolution.REMEDIATED])
def test_nobody_is_to_be_asked_for_a_key_that_hammer_has_not_switched_off(resolution: Resolution) -> None:
    gone = issue(status=Status.RESOLVED, resolution=resolution)
    assert "ask" not in closing_comment(gone, context(ask=("bob",))).text
    assert "ask" not in slack_words.closed(gone, context(ask=("bob",))).naming("AWSSEC-12")


@pytest.mark.parametrize("text", [*EVERY_WIKI_TEXT, *EVERY_SLACK_TEXT])
def test_people_are_told_no_command_as_they_have_no_host_to_type_it_on(
    text: Callable[[Issue, TextContext], str],
) -> None:
    for found in (issue(cause="no"), issue(cause="no", resolution=Resolution.REMEDIATED, status=Status.RESOLVED)):
        assert "python" not in text(found, context(due=DUE, url="https://wiki.example.com"))


def test_a_failure_tells_its_cause() -> None:
    failed = issue(cause="AccessDenied: no {noformat} for iam:UpdateAccessKey")
    words = failure_comment(failed, context()).text
    assert "iam:UpdateAccessKey" in words
    assert words.count("{noformat}") == 2


def test_a_long_cause_is_cut() -> None:
    failed = issue(cause="x" * 100_000)
    assert len(failure_comment(failed, context()).text) < 2000


def test_a_restoring_says_who() -> None:
    assert r"joe\_b had Hammer" in restored_comment(issue(restored=NOW), context(), "joe_b").text
    assert "`joe_b`" in slack_words.restored(issue(), context(), "joe_b").naming(None)


@pytest.mark.parametrize("make", EVERY_COMMENT)
def test_a_comment_contains_its_reference_as_a_line_of_its_own(
    make: Callable[[Issue, TextContext], Comment],
) -> None:
    comment = make(issue(cause="no", restored=NOW), context())
    assert comment.reference in comment.text.splitlines()
    assert re.fullmatch(r"[A-Za-z0-9 ]+", comment.reference)


@pytest.mark.parametrize("make", EVERY_COMMENT)
def test_a_reference_is_the_same_in_a_later_run(make: Callable[[Issue, TextContext], Comment]) -> None:
    first = make(issue(cause="no", restored=NOW, cause_time=NOW), context(due=DUE))
    later = make(
        issue(cause="no", restored=NOW, cause_time=NOW + timedelta(days=3)),
        context(now=NOW + timedelta(days=3), account_name="renamed", due=DUE + timedelta(minutes=5)),
    )
    assert first.reference == later.reference


def test_comments_of_different_kinds_steps_and_causes_have_different_references() -> None:
    references = [make(issue(cause="no", restored=NOW), context()).reference for make in EVERY_COMMENT]
    references.append(failure_comment(issue(cause="other"), context()).reference)
    references += [
        closing_comment(issue(status=Status.RESOLVED, resolution=each), context()).reference for each in Resolution
    ]
    references.append(closing_comment(issue(status=Status.WHITELISTED), context()).reference)
    assert len(set(references)) == len(references)


@pytest.mark.parametrize("make", EVERY_COMMENT[:-1])
def test_a_new_episode_has_references_of_its_own(make: Callable[[Issue, TextContext], Comment]) -> None:
    assert (
        make(issue(cause="no"), context()).reference != make(issue(cause="no", identified=NOW), context()).reference
    )


def test_a_restoring_keeps_its_reference_when_a_scan_has_begun_a_new_episode_since() -> None:
    before = restored_comment(issue(restored=NOW), context(), "bob")
    after = restored_comment(issue(restored=NOW, identified=NOW + timedelta(hours=1)), context(), "bob")
    assert before.reference == after.reference


@pytest.mark.parametrize("character", "{*|[_-~^+?!\\#}]()%@&:<>\"'`")
def test_each_character_with_a_meaning_is_shown_as_it_is(character: str) -> None:
    name = f"a{character}b{character}"
    (line,) = (row for row in description(issue(username=name), context()).splitlines() if "*User:*" in row)
    assert shown_by_jira(line.removeprefix("* *User:* ")) == name
    # In Slack, a backtick would end the code that a name is shown as.
    shown = html.escape(name, quote=False).replace("`", "'")
    assert f"`{shown}`" in slack_words.report(issue(username=name), context()).naming(None)


def test_a_user_name_with_markup_is_shown_as_it_is_and_is_no_markup() -> None:
    (line,) = (row for row in description(issue(username=NASTY), context()).splitlines() if "*User:*" in row)
    value = line.removeprefix("* *User:* ")
    assert shown_by_jira(value) == NASTY
    assert not re.search(r"(?<!\\)[-*_+?^~|%{}\[\]()!@]", value)
    assert "://" not in value
    assert ":D" not in value


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=1, max_size=60))
def test_whatever_the_value_jira_shows_it_as_it_is(value: str) -> None:
    rows = description(issue(username=value), context()).splitlines()
    (line,) = (row for row in rows if row.startswith("* *User:* "))
    assert shown_by_jira(line.removeprefix("* *User:* ")) == value


@pytest.mark.parametrize("text", EVERY_WIKI_TEXT)
@pytest.mark.parametrize("separator", ["\n", "\r\n", "\u2028", "\x0b", "\x85"])
def test_a_value_cannot_begin_a_line(text: Callable[[Issue, TextContext], str], separator: str) -> None:
    injected = f"h1. x{separator}h1. Injected"
    words = text(issue(username=injected, cause=injected), context(account_name=injected))
    assert not [line for line in words.split("{noformat}")[0].splitlines() if line.startswith("h1.")]


@pytest.mark.parametrize("text", EVERY_SLACK_TEXT)
def test_a_value_cannot_ping_link_or_format_in_slack(text: Callable[[Issue, TextContext], str]) -> None:
    evil = "<!channel> <@U123> & `x` *b* _i_\n>quote"
    words = text(issue(username=evil, cause=evil), context(account_name=evil))
    assert "&lt;!channel&gt; &lt;@U123&gt; &amp; 'x' *b* _i_ &gt;quote" in words
    assert "<!" not in words
    assert "<@" not in words
    inside_code = re.findall(r"`[^`\n]*`", words)
    assert words.count("*b*") == sum(part.count("*b*") for part in inside_code)


def test_an_exemption_that_ends_is_told_with_its_last_day_and_what_it_covers() -> None:
    exemption = Exemption("ci-*", date(2027, 1, 31), "migration", "ann")
    words = slack_words.exemption_ends(
        exemption, [issue(), issue(username="joe")], context(url="https://wiki.example.com")
    ).naming(None)
    assert words.splitlines() == [
        "*An exemption ends soon:* `ci-*` in account `master` (123456789012) "
        "holds until the end of 2027-01-31 (UTC).",
        "Reason: `migration`",
        "Owner: `ann`",
        f"It covers 2 idle access keys: `{KEY}` of user `bob`, `{KEY}` of user `joe`. "
        "From then on, what is still idle is reported.",
        "<https://wiki.example.com|How to ask for an exemption>",
    ]


def test_an_exemption_without_reason_or_owner_says_nothing_of_them() -> None:
    words = slack_words.exemption_ends(Exemption("bob", date(2027, 1, 31), "", ""), [issue()], context()).naming(None)
    assert "Reason" not in words
    assert "Owner" not in words
    assert "1 idle access key:" in words


@pytest.mark.parametrize(("count", "named", "more"), [(10, 10, False), (11, 10, True), (3000, 10, True)])
def test_an_exemption_names_ten_keys_at_most(count: int, named: int, more: bool) -> None:
    words = slack_words.exemption_ends(
        Exemption("*", date(2027, 1, 31), "", ""), [issue()] * count, context()
    ).naming(None)
    assert words.count(KEY) == named
    assert (f"{count - 10} more" in words) is more


def test_an_exemption_cannot_ping_or_format() -> None:
    evil = "<!channel> `*b*`"
    exemption = Exemption("*", date(2027, 1, 31), evil, evil)
    words = slack_words.exemption_ends(exemption, [issue(username=evil)], context(account_name=evil)).naming(None)
    assert "<!" not in words
    assert words.count("`&lt;!channel&gt; '*b*'`") == 4


@pytest.mark.parametrize("text", EVERY_SLACK_TEXT)
def test_a_slack_text_names_account_user_and_key(text: Callable[[Issue, TextContext], str]) -> None:
    words = text(issue(cause="no"), context())
    assert "`master` (123456789012)" in words
    assert "`bob`" in words
    assert f"`{KEY}`" in words
    assert "AWSSEC-12" in words


def test_the_report_links_the_ticket_and_the_procedure() -> None:
    known = context(url="https://wiki.example.com/?a=1&b=|x>", due=DUE, jira="https://jira.example.com/")
    report = slack_words.report(issue(), known)
    *_, due, ticket, exemption = report.naming("AWSSEC-12").splitlines()
    assert due.startswith("Hammer will switch it off")
    assert ticket == "<https://jira.example.com/browse/AWSSEC-12|Ticket AWSSEC-12>"
    assert exemption.startswith("<https://wiki.example.com/?a=1&amp;b=%7Cx%3E|")


def test_the_report_without_a_ticket_has_no_link() -> None:
    words = slack_words.report(issue(ticket=None), context()).naming(None)
    assert "Ticket" not in words
    assert "<" not in words


@pytest.mark.parametrize("text", EVERY_SLACK_TEXT)
def test_a_slack_text_links_the_ticket(text: Callable[[Issue, TextContext], str]) -> None:
    link = "<https://jira.example.com/browse/AWSSEC-12|Ticket AWSSEC-12>"
    assert text(issue(cause="no"), context()).splitlines().count(link) == 1


def test_the_address_that_jira_says_of_itself_comes_before_the_configured_one() -> None:
    note = slack_words.closed(issue(status=Status.RESOLVED), context())
    assert note.naming("A-1", "https://open.example.com/").endswith(
        "\n<https://open.example.com/browse/A-1|Ticket A-1>"
    )


def test_without_a_jira_the_ticket_is_named_and_without_a_ticket_nothing_is_said_of_one() -> None:
    note = slack_words.closed(issue(status=Status.RESOLVED, resolution=Resolution.USED), context(jira=""))
    assert note.naming("AWSSEC-12") == f"{note.naming(None)}\nTicket AWSSEC-12"


def test_the_end_of_an_issue_whose_reason_is_not_recorded_has_words_too() -> None:
    ended = issue(status=Status.RESOLVED)
    assert "not an idle, active key any more" in closing_comment(ended, context()).text


def test_a_failure_says_whether_the_key_is_known_to_be_on() -> None:
    assert "still active" in failure_comment(issue(cause="no"), context()).text
    started = replace(issue(cause="no"), timestamps=Timestamps(remediation_started=NOW))
    assert "is not known" in failure_comment(started, context()).text


SAYING_THE_DOUBT = [
    description,
    lambda i, c: episode_comment(i, c).text,
    lambda i, c: reminder_comment(i, c, 7).text,
    lambda i, c: date_comment(i, c).text,
    lambda i, c: remediated_comment(i, c).text,
    lambda i, c: slack_words.report(i, c).naming("AWSSEC-12"),
    lambda i, c: slack_words.reminder(i, c, 7).naming("AWSSEC-12"),
]


@pytest.mark.parametrize("text", SAYING_THE_DOUBT)
def test_of_an_smtp_credential_people_are_told_what_is_not_known_before_they_decide(
    text: Callable[[Issue, TextContext], str],
) -> None:
    assert DOUBT in text(issue(username="ses-smtp-user.20190612-101500"), context(due=DUE))
    assert DOUBT in text(issue(service="ses"), context(due=DUE))
    assert "SMTP" not in text(issue(), context(due=DUE))
