"""One run over some issues, key by key: it decides, asks, switches and says, and stops only between two keys."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from library import messages
from library.aws.key_switch import KeySwitch
from library.cli import exit_codes, wiring
from library.cli.causes import Causes
from library.cli.logs import log_decision, logger, summed_up_on_a_terminal
from library.cli.one_by_one import by_itself
from library.cli.options import chosen_accounts, say_missing
from library.cli.prompt import Answer
from library.cli.signals import stoppable_between_keys, uninterrupted
from library.errors import AwsUnusable, ConfigurationError, HammerError, LeaseLost
from library.issues.archive import latest_of_each_key
from library.issues.decisions import Skip, Verdict
from library.issues.reporting import TellRemediated
from library.messages import Message
from library.notifications import news
from library.text import unexpected, utc
from remediation import plan
from remediation.asking import Asking
from remediation.brake import Brake
from remediation.switching import NotSwitched, look, record, switch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from library.cli.run import Hold
    from library.config.settings import Config
    from library.issues.record import Issue
    from library.notifications.news import News
    from library.notifications.notices import Notices
    from remediation.options import Options
    from remediation.plan import PlanRow
    from remediation.switching import Direction, Proceed, Ready

STREAM = "remediation.clean_iam_user_inactive_keys"
_COMPLETED = "completed"


class Run:
    """One run over the issues that the options name (WrongOption if they cannot be); `hold` is called before each."""

    def __init__(
        self,
        settings: Config,
        options: Options,
        towards: Callable[[Config, Options, KeySwitch, Sequence[str]], Direction],
        hold: Hold = lambda: None,
    ) -> None:
        self._settings = settings
        self._options = options
        self._hold = hold
        self._table = wiring.issues_table(settings)
        self._keys = KeySwitch(wiring.account_access(settings), settings.aws.accounts)
        self._direction = towards(settings, options, self._keys, wiring.channels(settings))
        self._way = self._direction.way
        self._causes = Causes()
        known = {account_id: settings.aws.accounts.get(account_id, "") for account_id in self._direction.accounts}
        self._accounts = chosen_accounts(options.selection.accounts, known, self._way.listed_in)
        self._untold: list[tuple[Issue, News]] = []
        if not (options.dry_run or self._way.alone):
            # Where nobody can be told, no key is switched off.
            _ = self._notices
        self._asking = Asking(self._way, settings.aws.accounts)
        self._counts: Counter[str] = Counter()
        self._brake = Brake(self._way.failures_in_a_row, self._keys.is_about_one_user)
        self._plan: list[PlanRow] = []
        self._left: set[str] = set()

    @cached_property
    def _notices(self) -> Notices:
        return wiring.notices(self._settings, self._table, self._causes.missing)

    def run(self) -> int:
        """Do what the options say; returns the exit code."""
        ending = "broken off"
        try:
            with stoppable_between_keys():
                issues = self._chosen()
                self._left = {issue.issue_id for issue in issues}
                ending = "ended by the operator" if self._through(issues) is Answer.QUIT else "done"
                self._tell_the_untold()
        except KeyboardInterrupt:
            ending = "interrupted"
            raise
        except ConfigurationError:
            ending = "stopped, as the configuration is not usable any more"
            raise
        except AwsUnusable:
            ending = "broken off, as no other key would fare better"
            raise
        except LeaseLost:
            ending = "stopped, as another run may be at work"
            raise
        finally:
            self._close(ending)
        return exit_codes.FAILED if self._counts[Verdict.FAILED] else exit_codes.OK

    def _through(self, issues: Sequence[Issue]) -> Answer:
        for issue in issues if self._options.asks_nobody else self._asking.begin(issues, self._judged):
            answer = Answer.NO
            self._hold()
            # The plan has them all.
            with summed_up_on_a_terminal(self._options.dry_run), self._failures_said(issue):
                answer = self._work_on(issue, datetime.now(UTC))
            if answer is Answer.QUIT:
                return answer
            self._left.discard(issue.issue_id)
        return Answer.NO

    def _close(self, ending: str) -> None:
        self._causes.say()
        if self._options.dry_run:
            plan.show(self._plan, self._options.form)
        self._asking.end()
        done = (self._way.planned,) if self._options.dry_run else (self._way.done, _COMPLETED)
        counted = ", ".join(f"{self._counts[name]} {name}" for name in (*done, Verdict.SKIPPED, Verdict.FAILED))
        rest = f", {len(self._left)} left" if self._left else ""
        run = "Nothing was changed; the dry run" if self._options.dry_run else self._way.run
        logger.info("%s is %s: %s%s", run, ending, counted, rest)

    def _chosen(self) -> list[Issue]:
        """Every readable issue that the options name, in order; a value that names nothing counts as a failure."""
        # The issue of a key that is named, or that we have switched off, may be archived, and is found all the same.
        archive = self._way.alone or self._options.selection.narrows
        found = wiring.read_issues(self._table, self._accounts, self._counts, with_archive=archive)
        chosen, missing = self._options.among(latest_of_each_key(found))
        say_missing(missing, self._counts)
        return sorted(chosen, key=self._direction.order)

    def _judged(self, issue: Issue) -> Proceed | TellRemediated | None:
        """What the issue alone says; None if it is skipped or cannot be judged, which is said."""
        with self._failures_said(issue):
            verdict = self._direction.judge(issue, datetime.now(UTC))
            if not isinstance(verdict, Skip):
                return verdict
            self._skipped(issue, verdict)
        self._left.discard(issue.issue_id)
        return None

    # --- one issue ---

    def _work_on(self, issue: Issue, now: datetime) -> Answer:
        """Do with one issue what is to be done; QUIT if the operator wants no more."""
        verdict = self._direction.judge(issue, now)
        if isinstance(verdict, TellRemediated):
            self._tell_again(issue, verdict, now)
            return Answer.NO
        if isinstance(verdict, Skip):
            return self._skipped(issue, verdict)
        if (against := self._brake.against(issue.account_id)) is not None:
            return self._skipped(issue, against)
        key = look(issue, self._keys)
        if verdict.interrupted and self._way.is_done(key):
            self._complete(issue)
            return Answer.NO
        ready = self._direction.ready(issue, key, now)
        if isinstance(ready, Skip):
            return self._skipped(issue, ready)
        return self._switch_if_wanted(issue, ready, now)

    def _switch_if_wanted(self, issue: Issue, ready: Ready, now: datetime) -> Answer:
        limit = self._direction.limit
        planned_or_done = self._counts[self._way.planned if self._options.dry_run else self._way.done]
        if limit is not None and planned_or_done >= limit:
            return self._skipped(issue, Skip("the limit of keys for one run is reached"))
        if self._options.dry_run:
            self._decided(issue, self._way.planned, ready.reason)
            return Answer.NO
        # --batch is a yes.
        answer = Answer.YES if self._options.batch else self._asking.ask(issue, ready, now)
        if answer is Answer.QUIT:
            return answer
        if answer is not Answer.YES:
            return self._skipped(issue, Skip(answer.value))
        self._switch(issue, ready, now)
        return Answer.YES

    def _switch(self, issue: Issue, ready: Ready, now: datetime) -> None:
        with self._in_hand(issue):
            # The operator may have thought for long.
            self._hold()
            why = self._direction.why(ready, now)
            after = switch(issue, self._direction, self._table, self._keys, why, self._hold)
            if isinstance(after, Skip):
                self._skipped(issue, after)
            else:
                self._done(after, why)

    def _complete(self, issue: Issue) -> None:
        """An earlier run has switched the key, and was cut off before it had recorded that."""
        why = self._direction.why_completed(issue)
        if self._options.dry_run:
            self._decided(issue, Verdict.WOULD_BE_COMPLETED, why)
            return
        with self._in_hand(issue):
            self._done(record(issue, self._direction, self._table, why), why, counted_as=_COMPLETED)

    def _done(self, issue: Issue, why: str, *, counted_as: str | None = None) -> None:
        self._brake.succeeded(issue.account_id)
        # The line follows the record at once: this process may die while it tells people.
        self._decided(issue, self._way.done, self._way.said_of(issue, why), counted_as=counted_as)
        what = self._direction.news(issue, datetime.now(UTC))
        if self._way.alone:
            self._untold.append((issue, what))
        else:
            self._tell(issue, what)

    def _tell_the_untold(self) -> None:
        """Tell people once every key is switched: a channel that is slow holds no key up."""
        if not self._untold:
            return
        try:
            _ = self._notices
        except HammerError as error:
            self._counts[Verdict.FAILED] += 1
            messages.error(logger, error.id, f"Nobody can be told now, which the next report makes up for: {error}")
            return
        for issue, what in self._untold:
            with self._in_hand(issue):
                self._tell(issue, what)

    def _tell_again(self, issue: Issue, owed: TellRemediated, now: datetime) -> None:
        stands = "switched off" if issue.on_again_since is None else f"switched on at {utc(issue.on_again_since)}"
        if self._options.dry_run:
            self._decided(issue, Verdict.WOULD_BE_TOLD_AGAIN, f"{stands}, but not everybody was told")
            return
        with self._in_hand(issue):
            if self._tell(issue, news.switched(issue, owed, wiring.terms(self._settings), now)):
                self._decided(issue, Verdict.TOLD, f"{stands} before", counted_as=_COMPLETED)

    # --- failures ---

    @contextmanager
    def _in_hand(self, issue: Issue) -> Iterator[None]:
        """What is done in the block is done to its end, even if a signal comes."""
        with uninterrupted():
            with self._failures_said(issue):
                yield
            self._left.discard(issue.issue_id)

    @contextmanager
    def _failures_said(self, issue: Issue) -> Iterator[None]:
        """A failure with one key is said, and stops nothing but the rest of the block."""
        try:
            yield
        except (ConfigurationError, LeaseLost):
            raise
        except AwsUnusable as error:
            # The run ends with what it says; this line names the key.
            self._decided(issue, Verdict.FAILED, str(error))
            raise
        except NotSwitched as error:
            self._failed(issue, error.id, str(error))
            self._brake.failed(issue.account_id, error.error)
            with self._failures_said(issue):
                self._tell_failure(error.issue)
        except HammerError as error:
            self._failed(issue, error.id, str(error))
        except Exception as error:
            # A mistake of ours on one key must not keep the others from their turn in every run.
            self._failed(issue, Message.UNEXPECTED, unexpected(error))

    # --- saying what was decided ---

    def _tell_failure(self, issue: Issue | None) -> None:
        if issue is not None and (what := self._direction.news_of_failure(issue, datetime.now(UTC))) is not None:
            self._tell(issue, what)

    def _tell(self, issue: Issue, what: News) -> bool:
        """Tell people; whether every channel has taken it."""
        failures = self._notices.tell(issue, what)
        self._counts[Verdict.FAILED] += len(failures)
        for failure in failures:
            self._causes.add(issue.name, failure)
        return not failures

    def _failed(self, issue: Issue, id: Message, cause: str) -> None:
        messages.error(logger, id, f"{issue.name}: {cause}")
        self._decided(issue, Verdict.FAILED, cause)

    def _skipped(self, issue: Issue, skip: Skip) -> Answer:
        self._decided(issue, Verdict.SKIPPED, skip.reason)
        return Answer.NO

    def _decided(self, issue: Issue, verdict: Verdict, reason: str, *, counted_as: str | None = None) -> None:
        self._counts[counted_as or verdict] += 1
        log_decision(issue.account_id, issue.details.username, issue.issue_id, verdict, reason)
        if self._options.dry_run:
            with by_itself(issue.name, self._counts):
                due, now = self._direction.due(issue), datetime.now(UTC)
                self._plan.append(plan.row(self._settings, issue, verdict, reason, due, now))
