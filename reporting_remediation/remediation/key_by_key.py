"""What switching off and switching on again share: one issue after the other, and a stop only between two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from library.aws.key_switch import KeySwitch
from library.cli import host_command, terminal, wiring
from library.cli.host_command import log_decision, logger
from library.cli.prompt import Answer, Prompt, stoppable_between_keys, uninterrupted
from library.errors import ConfigurationError, HammerError
from library.issues.access_keys import ACTIVE, AccessKey, idle_days
from library.notifications import news
from remediation import plan

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from library.aws.issues_table import IssuesTable
    from library.config.settings import Config
    from library.issues.decisions import Skip
    from library.issues.record import Issue
    from library.issues.reporting import TellRemediated
    from library.issues.steps import Failure
    from library.notifications.notices import Notices
    from remediation.plan import PlanRow

STREAM = "remediation.clean_iam_user_inactive_keys"


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for on the command line; `form` is that of a dry run's plan."""

    batch: bool = False
    dry_run: bool = False
    form: str = "table"
    limit: int | None = None
    accounts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class KeyByKey(ABC):
    """One run over some issues. `WAY` is which way it switches: `off` or `on`."""

    NAME: ClassVar[str]
    WAY: ClassVar[str]
    QUESTION: ClassVar[str]

    def __init__(self, settings: Config, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._table: IssuesTable = host_command.issues_table(settings)
        self._switch = KeySwitch(wiring.account_access(settings), settings.aws.accounts)
        self._prompt = Prompt(self.QUESTION)
        self._notices: Notices | None = None
        self._counts: Counter[str] = Counter()
        self._plan: list[PlanRow] = []
        self._left: set[str] = set()
        self._done, self._would_be_done = f"switched {self.WAY}", f"would be switched {self.WAY}"

    @abstractmethod
    def _issues(self) -> list[Issue]:
        """The issues to work on, in their order."""

    @abstractmethod
    def _work_on(self, issue: Issue, now: datetime) -> Answer:
        """Do with one issue what is to be done; QUIT if the operator wants no more."""

    def run(self) -> int:
        """Do what the options say; returns the exit code."""
        if not self._options.dry_run:
            self._notices = host_command.notices(self._settings, self._table)
        ending = "broken off"
        try:
            with stoppable_between_keys():
                issues = self._issues()
                self._left = {issue.issue_id for issue in issues}
                for issue in issues:
                    if self._handle(issue) is Answer.QUIT:
                        ending = "ended by the operator"
                        break
                    self._left.discard(issue.issue_id)
                else:
                    ending = "done"
        except KeyboardInterrupt:
            ending = "interrupted"
            raise
        except ConfigurationError:
            ending = "stopped, as the configuration is not usable any more"
            raise
        finally:
            self._close(ending)
        return terminal.FAILED if self._counts["failed"] else terminal.OK

    def _close(self, ending: str) -> None:
        if self._options.dry_run:
            plan.show(self._plan, self._options.form)
        if self._prompt.nobody_there:
            logger.warning(
                "There is no terminal to ask at, so every answer was no; --batch switches %s without asking", self.WAY
            )
        done = (self._would_be_done,) if self._options.dry_run else (self._done, "completed")
        counted = ", ".join(f"{self._counts[name]} {name}" for name in (*done, "skipped", "failed"))
        rest = f", {len(self._left)} left" if self._left else ""
        logger.info("%s is %s: %s%s", self.NAME, ending, counted, rest)

    # --- which issues ---

    def _read(self, accounts: Collection[str], where: str) -> list[Issue]:
        """Every readable issue of these accounts, or of those among them that --account names.

        An account that is none of them, which `where` lists, and a --key without an issue count as failures.
        """
        options = self._options
        for unknown in sorted(set(options.accounts) - set(accounts)):
            self._complain(f"--account {unknown}: not one of {where}")
        issues = [
            issue
            for account_id in accounts
            if not options.accounts or account_id in options.accounts
            for issue in host_command.read_issues(self._table, account_id, self._counts)
        ]
        for missing in sorted(set(options.keys) - {issue.issue_id for issue in issues}):
            self._complain(f"--key {missing}: no issue of the accounts looked at has this key")
        return issues

    def _is_named(self, issue: Issue) -> bool:
        """Whether --user and --key, where they are given, name the issue."""
        options, users = self._options, {user.lower() for user in self._options.users}
        return (not users or issue.details.username.lower() in users) and (
            not options.keys or issue.issue_id in options.keys
        )

    # --- one issue ---

    def _handle(self, issue: Issue) -> Answer:
        try:
            return self._work_on(issue, datetime.now(UTC))
        except ConfigurationError:
            raise
        except HammerError as error:
            self._failed(issue, str(error))
        except Exception as error:
            # A mistake of ours on one key must not keep the others from their turn for ever.
            self._failed(issue, repr(error))
        return Answer.NO

    @contextmanager
    def _in_hand(self, issue: Issue) -> Iterator[None]:
        """What is done in the block is done to its end, whatever signal comes."""
        with uninterrupted():
            try:
                yield
            except ConfigurationError:
                raise
            except HammerError as error:
                self._failed(issue, str(error))
            self._left.discard(issue.issue_id)

    def _ask(self, issue: Issue, key: AccessKey, since: tuple[str, datetime | None], now: datetime) -> Answer:
        """Show the key, with what is the case since when, and ask; --batch is a yes."""
        if self._options.batch:
            return Answer.YES
        details = issue.details
        if key.status != ACTIVE:
            # The last use of a key that is off is not asked for; the record knows it.
            key = replace(
                key,
                last_used=None if details.never_used else details.last_used,
                last_used_service=details.last_used_service,
                last_used_region=details.last_used_region,
            )
        where = f" ({key.last_used_service} in {key.last_used_region})" if key.last_used_service else ""
        facts = (
            ("account", f"{self._settings.aws.accounts.get(issue.account_id, '')} ({issue.account_id})"),
            ("user", key.user_name),
            ("key", key.key_id),
            ("created", _minute(key.create_date)),
            ("last used", "never" if key.last_used is None else _minute(key.last_used) + where),
            ("idle days", str(idle_days(key.idle_since, now))),
            (since[0], _minute(since[1]) if since[1] else "not known"),
            ("ticket", issue.jira.ticket or "none"),
            ("assignee", issue.jira.ticket_assignee_id or "none"),
        )
        return self._prompt.ask(issue.account_id, facts)

    def _tell_again(self, issue: Issue, step: TellRemediated, now: datetime) -> None:
        if self._options.dry_run or self._notices is None:
            self._planned(issue, "would be told again", f"{self._done}, but not everybody was told")
            return
        what = news.switched(issue, step, wiring.terms(self._settings), now)
        failures = self._notices.tell(issue, what)
        self._count_failures(issue, failures)
        if not failures:
            self._counts["completed"] += 1
            log_decision(issue.account_id, issue.details.username, issue.issue_id, "told", f"{self._done} before")

    # --- saying what was decided ---

    def _complain(self, complaint: str) -> None:
        self._counts["failed"] += 1
        logger.error("%s", complaint)

    def _count_failures(self, issue: Issue, failures: Sequence[Failure]) -> None:
        for failure in failures:
            self._complain(f"account {issue.account_id} key {issue.issue_id}: {failure.channel}: {failure.cause}")

    def _skipped(self, issue: Issue, skip: Skip) -> Answer:
        self._counts["skipped"] += 1
        self._decided(issue, "skipped", skip.reason, skip.due)
        return Answer.NO

    def _planned(self, issue: Issue, verdict: str, reason: str, due: datetime | None = None) -> None:
        self._counts[verdict] += 1
        self._counts[self._done] += verdict == self._would_be_done
        self._decided(issue, verdict, reason, due)

    def _failed(self, issue: Issue, cause: str) -> None:
        self._complain(f"account {issue.account_id} key {issue.issue_id}: {cause}")
        self._decided(issue, "skipped, with failures", cause)

    def _decided(self, issue: Issue, verdict: str, reason: str, due: datetime | None = None) -> None:
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)
        if self._options.dry_run:
            self._plan.append(plan.row(self._settings, issue, verdict, reason, due, datetime.now(UTC)))


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
