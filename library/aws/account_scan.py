"""One scan of one account from its beginning to its record: look, write what is idle, resolve, remember."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from library import messages
from library.aws.hourly_scan import HourlyScan
from library.errors import HammerError
from library.issues import counter_check, memory
from library.issues.account_state import UNMATCHED_KEPT, Seen
from library.issues.scan_result import result_of
from library.issues.scan_task import Task
from library.messages import Message
from library.text import unexpected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from library.aws.account_issues import AccountIssues
    from library.aws.iam_clients import IamClients
    from library.aws.state_table import StateTable
    from library.issues.account_state import AccountState
    from library.issues.looking import Kept
    from library.issues.scan_result import Line, ScanResult

TAGS_LIFE = timedelta(days=1)
"""How often the tags of the users with an issue are read."""

SPARE_SECONDS = 60.0
"""With less time left, a scan leaves the archiving of closed issues to a later one."""


class Log(messages.Log, Protocol):
    """Where the lines go."""

    def info(self, msg: object, /, *args: object, extra: Mapping[str, object] | None = None) -> None:
        """What was decided."""


class CutOff(HammerError):
    """The time of a scan has ended before it was through; the account's state says where the next one goes on."""

    ID = Message.SCAN_CUT_OFF


class AccountScan:
    """The scan of an account that began at `now` (UTC); `seconds_left` is how long it may take.

    `log` gets a line for each decision. The scan is recorded in the state table, whichever way it ends.
    """

    def __init__(
        self,
        account_id: str,
        states: StateTable,
        seconds_left: Callable[[], float],
        log: Log,
        *,
        criteria_days: int,
        now: datetime,
    ) -> None:
        self._account_id = account_id
        self._states = states
        self._state = states.of_account(account_id, now)
        self._seconds_left = seconds_left
        self._log = log
        self._criteria_days = criteria_days
        self._now = now
        self._began = now

    def failed(self, cause: str) -> None:
        """Record that the scan has failed, unless that is what cannot be done."""
        with suppress(HammerError):
            self._change(lambda state: state.failed(cause, self._began))

    def run(self, iam: IamClients, issues: AccountIssues) -> ScanResult:
        """Look, and change the issues by what was seen.

        Raises CutOff if its time has ended before, AccessDenied if there are users whom it may not look at (the
        issues of all others are kept then), and HammerError if it could not be done at all. Nothing is resolved
        before everybody was looked at.
        """
        before = issues.kept()
        task = self._task(issues, before)
        self._began = task.round.began if task.round else self._now
        scan = HourlyScan(iam, task, self._seconds_left)
        for asked in scan.looks():
            self._say(issues.take(asked))
        if scan.report_problem:
            said = f"Every key is listed, which takes longer: {scan.report_problem}"
            messages.warning(self._log, Message.EVERY_KEY_IS_LISTED, said)
        if scan.cut_off:
            raise self._cut_off(scan, issues)
        self._say(issues.resolve(scan, before))
        for sentence in scan.contradictions():
            messages.error(self._log, Message.SHORTCUT_WAS_WRONG, f"shortcut was wrong: {sentence}")
        tags_read = self._read_tags(iam, issues)
        account = scan.seen
        result = result_of(account, issues.outcomes, issues.all, iam.calls, self._now)
        self._log.info("%d of %d users had not to be looked at", result.users_not_asked, result.users)
        seen = Seen(
            account.users,
            account.keys,
            result.idle_keys,
            scan.report_made,
            active_keys=account.active_keys,
            root_keys=account.root_keys,
        )
        self._record(scan, issues, seen, tags_read)
        self._archive(issues)
        return result

    def _task(self, issues: AccountIssues, kept: tuple[Kept, ...]) -> Task:
        state, now = self._state, self._now
        remembered, problem = memory.from_bytes(state.memory, self._account_id, self._criteria_days, now)
        if problem:
            self._log.info("What earlier scans saw is not used, so more is looked at: %s", problem)
        return Task(
            self._account_id,
            self._criteria_days,
            now,
            kept,
            remembered,
            everything=counter_check.is_due(self._account_id, state.scanned, now),
            round=state.resumable(now),
            wants_tags=issues.wants_tags,
        )

    def _say(self, lines: Iterable[Line]) -> None:
        for line in lines:
            extra = {"user": line.user, "key": line.key, "verdict": line.verdict, "reason": line.reason}
            self._log.info(line.text, extra=extra)

    def _read_tags(self, iam: IamClients, issues: AccountIssues) -> datetime:
        read = self._state.tags_read
        if read is not None and self._now - read < TAGS_LIFE:
            return read
        issues.read_tags(iam)
        return self._now

    def _cut_off(self, scan: HourlyScan, issues: AccountIssues) -> CutOff:
        reached = scan.round_after()
        if reached is None:
            cause = "the scan's time has ended; the next one begins from the beginning"
        else:
            cause = (
                f"the scan's time has ended: {reached.done} of {reached.users} users, the next scan goes on from "
                f"{reached.through.isoformat()}, when the last of them was created"
            )
        packed = self._packed(scan, issues)
        self._change(lambda state: state.cut_off(reached, packed, cause, self._began))
        return CutOff(cause)

    def _packed(self, scan: HourlyScan, issues: AccountIssues) -> bytes:
        remembered = scan.memory_after(issues.kept())
        return b"" if remembered is None else memory.to_bytes(remembered, self._account_id, self._criteria_days)

    def _record(self, scan: HourlyScan, issues: AccountIssues, seen: Seen, tags_read: datetime) -> None:
        packed, protected = self._packed(scan, issues), scan.protected()
        if protected is not None:
            self._change(lambda state: state.cut_off(None, packed, str(protected), self._began))
            raise protected
        everything = scan.listed_everything
        # Of a round that was cut off only the last part's keys are known here.
        all_keys = everything and self._began == self._now
        unmatched = issues.unmatched(scan, self._state.unmatched, all_keys=all_keys)
        if set(unmatched[:UNMATCHED_KEPT]) - set(self._state.unmatched):
            more = f" and {len(unmatched) - UNMATCHED_KEPT} more" if len(unmatched) > UNMATCHED_KEPT else ""
            said = (
                "whitelist.json has entries that mean no user and no key of this account: "
                f"{', '.join(unmatched[:UNMATCHED_KEPT])}{more}"
            )
            messages.warning(self._log, Message.EXEMPTION_MEANS_NOTHING, said)
        self._change(
            lambda state: state.complete(
                seen, packed, self._began, everything=everything, tags_read=tags_read, unmatched=unmatched
            )
        )

    def _archive(self, issues: AccountIssues) -> None:
        """Set old closed issues aside, now that everything is recorded: what fails here is a warning."""
        try:
            count = issues.archive(lambda: self._seconds_left() > SPARE_SECONDS)
        except Exception as error:
            why = str(error) if isinstance(error, HammerError) else unexpected(error)
            said = f"Closed issues older than a year stay where each scan reads them: {why}"
            messages.warning(self._log, Message.NOT_ARCHIVED, said)
        else:
            if count:
                self._log.info("%d closed issues older than a year are archived", count)

    def _change(self, decide: Callable[[AccountState], AccountState | None]) -> None:
        self._state = self._states.change(self._account_id, self._state, decide, self._now)
