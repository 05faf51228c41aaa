"""The issues of one account during a scan: read once, changed as the scan finds things out, each with its line."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from library.aws.iam_keys import tags_of_users
from library.errors import AwsCallFailed
from library.issues import steps
from library.issues.access_keys import AccessKey, is_idle
from library.issues.archive import may_be_archived
from library.issues.decisions import Outcome
from library.issues.looking import Kept, kept
from library.issues.record import IssueDetails
from library.issues.row import UnreadableIssue
from library.issues.scan_result import Decided, Line, line_of_issue, lines_of_the_rest
from library.issues.scanning import LIVE, Finding, begins_episode, ended_finding, idle_finding, reconcile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from datetime import datetime

    from library.aws.hourly_scan import HourlyScan
    from library.aws.iam_clients import IamClients
    from library.aws.issues_table import IssuesTable
    from library.aws.live_looks import Asked
    from library.issues.decisions import Step
    from library.issues.record import Issue
    from library.issues.whitelist import Exemption, Whitelist

ARCHIVED_PER_SCAN = 25
"""How many closed issues a scan sets aside, which takes it a second or so: hundreds in a day of hourly scans."""


class AccountIssues:
    """What the table has of an account in the scan that began at `now` (UTC), kept up with every change.

    Of a row that cannot be read `unreadable` is told; its key is not decided on. Methods raise AwsCallFailed if the
    table fails, and RecordChanged.
    """

    def __init__(
        self,
        table: IssuesTable,
        account_id: str,
        whitelist: Whitelist,
        unreadable: Callable[[UnreadableIssue], None],
        *,
        criteria_days: int,
        now: datetime,
    ) -> None:
        self._table = table
        self._account_id = account_id
        self._whitelist = whitelist
        self._criteria_days = criteria_days
        self._now = now
        self._unreadable: set[str] = set()
        self._tell_of_unreadable = unreadable
        self._issues = {issue.issue_id: issue for issue in table.of_account(account_id, self._cannot_read)}
        self._decided: set[str] = set()
        self._fresh_tags: set[str] = set()
        self.outcomes: list[Outcome] = []

    def _cannot_read(self, error: UnreadableIssue) -> None:
        self._unreadable.add(error.issue_id)
        self._tell_of_unreadable(error)

    @property
    def all(self) -> Collection[Issue]:
        """The issues as they are by now."""
        return self._issues.values()

    def kept(self) -> tuple[Kept, ...]:
        """Those that a scan has to keep true, as they are by now."""
        return kept(
            self.all,
            lambda issue: self._exemption(issue.details.username, issue.issue_id, issue.details.tags) is not None,
            self._now,
        )

    def wants_tags(self, key: AccessKey) -> bool:
        """Whether the tags of the user of an idle key have to be read before its issue can be written."""
        return begins_episode(self._issues.get(key.key_id))

    def take(self, asked: Asked) -> Iterator[Line]:
        """Write what was found idle, and say what was decided on each key."""
        self._fresh_tags |= asked.tags.keys()
        for key in asked.keys:
            if is_idle(key, self._criteria_days, self._now) and key.key_id not in self._unreadable:
                finding = idle_finding(key, self._issues.get(key.key_id), asked.tags.get(key.user_name))
                yield self._reconcile(finding)
        waits = {key.key_id for key in asked.keys if self._waits(key.key_id)}
        yield from lines_of_the_rest(asked.keys, asked.ruled_out, waits, self._now)

    def _waits(self, key_id: str) -> bool:
        """Whether a key has had its line, or gets it when everybody was looked at."""
        issue = self._issues.get(key_id)
        return key_id in self._decided or key_id in self._unreadable or (issue is not None and issue.is_live)

    def resolve(self, scan: HourlyScan, issues: Iterable[Kept]) -> Iterator[Line]:
        """Resolve each of these issues whose key a complete scan has looked at and not found idle."""
        for each in issues:
            key = scan.keys.get(each.key_id)
            if not each.live or each.key_id in self._unreadable or not scan.looked_at(each):
                continue
            if key is None or not is_idle(key, self._criteria_days, self._now):
                yield self._reconcile(ended_finding(self._issues[each.key_id], key))

    def read_tags(self, iam: IamClients) -> None:
        """Read the tags of all users with an open or whitelisted issue, and record those that are others."""
        live = [i for i in self.all if i.status in LIVE and i.details.username not in self._fresh_tags]
        names = sorted({issue.details.username for issue in live})
        tags = tags_of_users(iam, names)
        for issue in live:
            found = tags[issue.details.username]
            if found is not None and found != issue.details.tags:
                self._step(issue.issue_id, partial(_with_tags, tags=found, now=self._now))

    def unmatched(self, scan: HourlyScan, before: Collection[str], *, all_keys: bool) -> tuple[str, ...]:
        """The entries of the whitelist that mean no user and no key of the account, `before` by the last scan."""
        keys = scan.keys.keys() if all_keys else scan.keys.keys() | {issue.issue_id for issue in self.all}
        known = {*keys, *self._unreadable}
        return self._whitelist.unmatched(
            self._account_id, scan.users, known, self._now, all_keys=all_keys, before=before
        )

    def archive(self, has_time: Callable[[], bool]) -> int:
        """Set closed issues aside, those that were closed first, as long as there is time; how many.

        At most ARCHIVED_PER_SCAN: the rest is left for later scans. An issue whose own transaction is cancelled, for
        anything but others' writes, holds up no other one; of these the first failure is raised at the end.
        """
        old = sorted(
            (issue for issue in self.all if may_be_archived(issue, self._now)),
            key=lambda issue: (issue.timestamps.closed or self._now, issue.issue_id),
        )
        count, cancelled = 0, None
        for issue in old[:ARCHIVED_PER_SCAN]:
            if not has_time():
                break
            try:
                count += self._table.archive(issue, self._now)
            except AwsCallFailed as error:
                if error.code != "TransactionCanceledException":
                    raise
                cancelled = cancelled or error
        if cancelled is not None:
            raise cancelled
        return count

    def _reconcile(self, finding: Finding) -> Line:
        tags = finding.found.tags if isinstance(finding.found, IssueDetails) else None
        exemption = self._exemption(finding.user_name, finding.key_id, tags)
        outcome = self._step(
            finding.key_id,
            lambda issue: reconcile(self._account_id, finding, issue, exemption=exemption, now=self._now),
        )
        self._decided.add(finding.key_id)
        return line_of_issue(Decided(finding, outcome), self._criteria_days, self._now)

    def _step(self, key_id: str, decide: Callable[[Issue | None], Step | None]) -> Outcome:
        try:
            before = self._issues.get(key_id) or self._archived(key_id)
            outcome = self._table.step(self._account_id, key_id, before, decide)
        except UnreadableIssue as error:
            # Somebody has written it since the scan began, or it is archived.
            self._cannot_read(error)
            self._unreadable.add(key_id)
            self._issues.pop(key_id, None)
            return Outcome(None, None)
        if outcome.after is not None:
            self._issues[key_id] = outcome.after
        self.outcomes.append(outcome)
        return outcome

    def _archived(self, key_id: str) -> Issue | None:
        archived = self._table.archived(self._account_id, key_id) if self._has_archive else []
        return archived[-1] if archived else None

    @cached_property
    def _has_archive(self) -> bool:
        return self._table.has_archive(self._account_id)

    def _exemption(self, user_name: str, key_id: str, tags: Mapping[str, str] | None) -> Exemption | None:
        return self._whitelist.find(self._account_id, user_name, key_id, self._now, tags)


def _with_tags(issue: Issue | None, tags: dict[str, str], now: datetime) -> Step | None:
    return (
        None
        if issue is None or issue.status not in LIVE
        else steps.refreshed(issue, replace(issue.details, tags=tags), now)
    )
