"""The estate that a timeline is played in: people, keys, files, our commands, and what must never happen to it."""

from __future__ import annotations

import json
import logging
import re
import sys
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from library.aws.lease import LEASE
from library.cli import stop_file
from library.errors import HammerError
from library.issues.record import Episode, Issue, Resolution, Status, Timestamps
from library.issues.row import from_item
from library.issues.scanning import CONSISTENCY_MARGIN
from tests.simulation.outside import JIRA_URL, SLACK_URL, Command, Key, Outside, Plan, User
from tests.world import HANDLERS, MAIN, NAMES, OTHER, OWN_KEY, REMEDIATION, REPORTING, RESTORE
from tests.world import configuration as files

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from deployment.local.jira_stand_in import JiraIssue, JiraRequest

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
GRACE = timedelta(days=7)
FRESH = timedelta(hours=24)
MARGIN = timedelta(minutes=10)
"""Longer than IAM may take to be consistent, and than a scan may run into a remediation."""
_DATE = re.compile(r"in the first remediation run after (\d{4}-\d\d-\d\d \d\d:\d\d) UTC|in the next remediation run")
REPORT_LATER = timedelta(hours=3)
"""Reporting has its own schedule."""
RUN = timedelta(hours=1)
"""How long after its beginning a run of reporting may still tell people something, as of its beginning."""


@dataclass
class Settings:
    """What the timeline changes in config.json and on the host."""

    criteria_days: int = 10
    configured_retention_days: int = 0
    least_retention_days: int = 0
    stopped: bool = False
    reporting: bool = True
    remediation: bool = True
    jira: bool = True
    slack: bool = True
    remediation_accounts: tuple[str, ...] = (MAIN, OTHER)
    max_keys: int | None = None

    @property
    def retention_days(self) -> int:
        return max(self.configured_retention_days, self.least_retention_days)

    def content(self) -> dict[str, Any]:
        content = files.settings(
            JIRA_URL,
            SLACK_URL,
            inactive_criteria_days=self.criteria_days,
            reporting=self.reporting,
            remediation=self.remediation,
            remediation_accounts=list(self.remediation_accounts),
            remediation_retention_period=self.configured_retention_days,
            remediation_max_keys_per_run=self.max_keys,
        )
        content["jira"]["enabled"], content["slack"]["enabled"] = self.jira, self.slack
        return content


@dataclass(frozen=True)
class Exempt:
    """An entry of the whitelist: a user name or a key id, or the beginning of one with `*` at its end."""

    account: str
    id: str
    until: date | None = None

    def covers(self, key: Key, at: datetime) -> bool:
        if self.account != key.user.account or (self.until is not None and at.date() > self.until):
            return False
        if self.id.endswith("*"):
            return key.user.name.lower().startswith(self.id[:-1].lower()) or key.id.startswith(self.id[:-1])
        return self.id.lower() == key.user.name.lower() or self.id == key.id


@dataclass
class World:
    """Truth and table, side by side; what must not be is added to `wrong` when it happens."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="hammer-simulation-")))
    settings: Settings = field(default_factory=Settings)
    whitelist: list[Exempt] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    rows: dict[tuple[str, str], Issue] = field(default_factory=dict)
    orphans: set[str] = field(default_factory=set)
    scanned: dict[str, datetime] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.out = Outside(START)
        self.out.start(self.folder)
        logging.disable(logging.CRITICAL)
        self.out.iam.switching = self._switching
        self.out.iam.refused = self._refused
        self.out.iam.forbidden = lambda operation: self.wrong.append(f"our code called iam:{operation}")
        self.out.jira_answered = self._jira_answered
        self.out.slack_answered = self._slack_answered
        self.out.row_written = self._row_written
        self.out.state_written = self._state_written
        self.write_files()
        files.write(self.folder, "ticket_owners.json", files.OWNERS)
        if str(HANDLERS) not in sys.path:
            sys.path.append(str(HANDLERS))

    def close(self) -> None:
        logging.disable(logging.NOTSET)
        self.out.stop()
        for file in self.folder.iterdir():
            file.unlink()
        self.folder.rmdir()

    # --- what people do ---

    def write_files(self) -> None:
        files.write(self.folder, "config.json", self.settings.content())
        entries: dict[str, list[Any]] = {MAIN: [], OTHER: []}
        for each in self.whitelist:
            until = {"until": each.until.isoformat()} if each.until else {}
            entries[each.account].append({"id": each.id, **until})
        files.write_whitelist(self.folder, entries)
        (self.folder / "config.ini").write_text(f"LEAST_RETENTION_DAYS={self.settings.least_retention_days}\n")
        if self.settings.stopped:
            stop_file.STOP_FILE.touch()
        else:
            stop_file.STOP_FILE.unlink(missing_ok=True)

    @property
    def now(self) -> datetime:
        return self.out.now

    def second(self) -> datetime:
        """Now, as IAM writes it."""
        return self.now.replace(microsecond=0)

    def user(self, account: str, name: str) -> User:
        """The user of this name, who is made if need be."""
        found = self.out.iam.user(account, name)
        if found is None:
            self.count += 1
            found = User(account, name, f"AIDA{self.count:016d}", self.second())
            self.out.iam.users.append(found)
        return found

    def create_key(self, account: str, name: str, idle_days: int = 0, key_id: str = "") -> None:
        user = self.user(account, name)
        if len(self.out.iam.keys_of(user)) < 2:
            self.count += 1
            key_id = key_id or f"AKIA{self.count:016d}"
            self.out.iam.keys[key_id] = Key(key_id, user, self.second() - timedelta(days=idle_days))

    def existing_keys(self) -> list[Key]:
        """Every key that exists, but for our own."""
        return [key for key in self.out.iam.keys.values() if key.exists and key.id != OWN_KEY]

    def use(self, key: Key) -> None:
        if key.status == "Active":
            key.last_used = self.second()

    def delete(self, key: Key) -> None:
        key.exists = False

    def delete_user(self, key: Key) -> None:
        for each in self.out.iam.keys_of(key.user):
            each.exists = False
        self.out.iam.users.remove(key.user)

    def rename(self, key: Key, name: str) -> None:
        if self.out.iam.user(key.user.account, name) is None:
            key.user.name = name

    def switch(self, key: Key, status: str) -> None:
        """A person switches a key on or off."""
        if status == "Inactive" and key.status == "Active":
            row = self.rows.get((key.user.account, key.id))
            key.intended = row is not None and row.interrupted
        self._switched(key, status)

    def _switched(self, key: Key, status: str) -> None:
        if key.status != status:
            key.status = status
            if status == "Active" and key.off_known:
                key.on_again = self.now
            key.off_known = False

    def tickets(self, key: Key) -> list[JiraIssue]:
        label = f"hammer-{key.user.account}-{key.id}"
        return [ticket for ticket in self.out.jira.issues.values() if label in ticket.labels]

    # --- what we do ---

    def scan(self, account: str, plan: Plan = None) -> None:
        identify: Callable[..., Any] = import_module("describe_iam_accesskey_details").identify
        with self.out.command("scan", plan) as command:
            try:
                identify(account, NAMES[account], self.now)
            except HammerError as error:
                self._must_not_fail(command, str(error))
            except Exception as error:
                self.wrong.append(f"the scan ended with {error!r}")
            except BaseException as error:
                if not command.dead:
                    raise error

    def _state_written(self, account: str, scanned: str | None) -> None:
        """A scan that is killed right after it was recorded as complete was complete."""
        if scanned is not None:
            self.scanned[account] = datetime.fromisoformat(scanned)

    def scan_that_sees_late(self, account: str) -> None:
        """A scan to which IAM still lists as Active what our own call has just switched off."""
        self.out.iam.stale = {
            key.id: "Active"
            for key in self.existing_keys()
            if key.status != "Active" and key.our_offs and self.now - key.our_offs[-1] < CONSISTENCY_MARGIN
        }
        self.scan(account)
        self.out.iam.stale = {}

    def report(self, plan: Plan = None, *, raise_again: Iterable[str] = ()) -> None:
        self._host(REPORTING, [f"--raise-again={key}" for key in raise_again], plan)

    def remediate(self, plan: Plan = None) -> None:
        self._host(REMEDIATION, ["--batch"], plan)

    def remediate_elsewhere(self, settings: Settings, plan: Plan = None) -> None:
        """A run on another host or laptop, whose configuration has other settings; the whitelist is the same."""
        here, self.settings = self.settings, settings
        self.write_files()
        try:
            self.remediate(plan)
        finally:
            self.settings = here
            self.write_files()

    def restore(self, plan: Plan = None) -> None:
        self._host(RESTORE, ["--batch", "--since", "900d"], plan)

    def _host(self, module: str, arguments: list[str], plan: Plan) -> None:
        main = import_module(module).main
        with self.out.command(module, plan) as command:
            nested = any(each.name != "scan" for each in self.out.running[:-1])
            held = module != RESTORE and self._is_leased()
            try:
                main.main(arguments, standalone_mode=False)
            except SystemExit as ended:
                if plan is None and held != (ended.code == 3):
                    self.wrong.append(f"{module} ended with {ended.code}; was the lease held? {held}")
                if ended.code != 0 and not (nested or held):
                    self._must_not_fail(command, f"exit code {ended.code}")
            except Exception as error:
                self.wrong.append(f"{module} ended with {error!r}")
            except BaseException as error:
                if not command.dead:
                    raise error

    def _is_leased(self) -> bool:
        """Whether a run is at work, or one has died so shortly ago that nobody can know."""
        ends = self.out.states.rows.get((LEASE,), {}).get("ends")
        # It is written to the second.
        return ends is not None and self.now < datetime.fromisoformat(ends["S"]) + timedelta(minutes=1, seconds=1)

    def _refused(self) -> None:
        self.out.running[-1].refused = True

    def _must_not_fail(self, command: Command, how: str) -> None:
        if command.name == REPORTING and any(map(_is_unproven, self.rows.values())):
            # It ends with 1 until an operator has looked.
            return
        if command.plan is None and not command.refused and len(self.out.running) == 1:
            self.wrong.append(f"{command.name} failed although nothing stood in its way: {how}")

    # --- what the truth says ---

    def idle(self, key: Key, at: datetime) -> bool:
        long_ago = at - key.idle_since > timedelta(days=self.settings.criteria_days)
        return key.exists and key.status == "Active" and long_ago

    def whitelisted(self, key: Key, at: datetime) -> bool:
        return any(each.covers(key, at) for each in self.whitelist)

    def _switching(self, key: Key, status: str) -> None:
        """Our code calls UpdateAccessKey."""
        command, now = self.out.running[-1], self.now
        if status == "Active":
            if command.name != RESTORE or not (key.our_offs or key.intended):
                self.wrong.append(f"{key.id} was switched on by {command.name}, which had not switched it off")
        else:
            self.wrong += [f"{key.id} was switched off: {reason}" for reason in self._protections(key, command, now)]
            if key.status == "Active":
                key.our_offs.append(now)
        self._switched(key, status)

    def _protections(self, key: Key, command: Command, now: datetime) -> list[str]:
        settings, row = self.settings, self.rows.get((key.user.account, key.id))
        retention = timedelta(days=settings.retention_days)
        reported = row.timestamps.reported if row else None
        promised = row.timestamps.promised if row else None
        again = key.on_again
        reasons = {
            f"by {command.name}": command.name != REMEDIATION,
            "remediation is switched off": not settings.remediation,
            "the host is stopped": settings.stopped,
            "its account is not one to remediate": key.user.account not in settings.remediation_accounts,
            "it is Hammer's own": key.id == OWN_KEY,
            f"it was used {key.idle_since}": now - key.idle_since <= timedelta(days=settings.criteria_days),
            f"it was used {key.last_used}, after its report": reported is not None
            and key.last_used is not None
            and key.last_used > reported,
            f"its account was not scanned since {self.scanned.get(key.user.account)}": now
            - self.scanned.get(key.user.account, START)
            > FRESH,
            "nobody was told a date": not key.dates or promised is None,
            f"people were told the dates {key.dates}": bool(key.dates) and now < min(key.dates),
            f"people were promised {promised}": promised is not None and now < promised,
            "it is whitelisted": self.whitelisted(key, now),
            "there is no open issue": row is None or row.status is not Status.OPEN,
            "nobody was told": key.told is None,
            f"people were told only {key.told}": key.told is not None and now - key.told < retention - RUN,
            "it was not reported": reported is None,
            f"it was reported only {reported}": reported is not None and now - reported < retention,
            f"it was switched on again {again} and nobody was told since": again is not None
            and (key.told is None or key.told < again),
            f"it was switched on again {again}, of which people were told only {key.told}": again is not None
            and key.told is not None
            and now - key.told < GRACE - RUN,
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _row_written(self, account: str, key_id: str) -> None:
        """The row of a key was written: nothing is forgotten, nothing is claimed, nothing is opened without cause."""
        where, command = (account, key_id), self.out.running[-1]
        before, item = self.rows.get(where), self.out.row(account, key_id)
        if item is None:
            self.wrong.append(f"the row of {key_id} was removed")
            return
        after = self.rows[where] = from_item(item, self.out.now)
        key = self.out.iam.keys.get(key_id)
        if key is None:
            self.wrong.append(f"there never was a key {key_id}")
            return
        was = before.timestamps if before else None
        new_episode = was is None or was.identified != after.timestamps.identified
        if new_episode or after.status is not Status.OPEN:
            key.told, key.dates = None, []
        if new_episode and after.episode is Episode.REOPENED and key.last_used is not None:
            self._ended_by_use(key, key.last_used)
        self._check_promise(key, None if new_episode else was, after)
        if before is not None and not new_episode:
            self._check_kept(key, before, after, command)
        self._check_off(key, before, after, command)
        self._check_status(key, before, after, command)

    def _check_kept(self, key: Key, before: Issue, after: Issue, command: Command) -> None:
        """Within an episode nothing is forgotten, and nothing is recorded as said that nobody was told."""
        was, times = before.timestamps, after.timestamps
        steps = ("reported", "remediated", "restored")
        lost = [name for name in steps if getattr(was, name) and not getattr(times, name)]
        if before.jira.ticket and not after.jira.ticket:
            lost.append("ticket")
        if lost:
            self.wrong.append(f"{command.name} lost {lost} of {key.id}")
        reported = was.reported is None and times.reported is not None
        if reported and key.told is None and after.status is Status.OPEN:
            self.wrong.append(f"{key.id} is recorded as reported, but nobody was told")

    def _check_off(self, key: Key, before: Issue | None, after: Issue, command: Command) -> None:
        """Nothing is called off, or on again, that is not."""
        was, times = before.timestamps if before else None, after.timestamps
        if times.remediated is not None and (was is None or was.remediated != times.remediated):
            self._claims_off(key, after, "the record says")
        ended_off = after.details.resolution in (Resolution.REMEDIATED, Resolution.DEACTIVATED)
        if key.status != "Active" and (times.remediated is not None or ended_off):
            key.off_known = True
        if after.details.resolution is Resolution.USED:
            # It was needed after all, and what comes next is an episode like any other.
            key.on_again = None
        off_since = was.remediated if was is not None and key.status != "Active" else None
        new_episode = was is None or was.identified != times.identified
        if new_episode and off_since is not None and (key.on_again is None or key.on_again < off_since):
            self.wrong.append(f"{command.name} says that {key.id} was switched on again, which it was not")

    def _check_status(self, key: Key, before: Issue | None, after: Issue, command: Command) -> None:
        """Only a scan opens an issue, and what it makes of it is right; only what has ended is closed."""
        new_episode = before is None or before.timestamps.identified != after.timestamps.identified
        changed = before is None or before.status is not after.status
        if command.name != "scan":
            if after.status is Status.OPEN and (new_episode or changed):
                self.wrong.append(f"{command.name} opened {key.id}")
        elif not command.held_up and (changed or new_episode):
            self._check_verdict(key, after, command)
        if after.status is Status.CLOSED and changed:
            if before is None or before.status is Status.OPEN:
                self.wrong.append(f"{command.name} closed {key.id}, which is open")
            if not self.settings.jira:
                self.orphans.update(ticket.key for ticket in self.tickets(key))

    def _ended_by_use(self, key: Key, last_used: datetime) -> None:
        if key.on_again is None or key.on_again < last_used:
            # It was needed after all, and what comes next is an episode like any other.
            key.on_again = None

    def _check_promise(self, key: Key, was: Timestamps | None, after: Issue) -> None:
        """A date is recorded as told only if people could read it or an earlier one, and it never comes forward."""
        before, promised = was.promised if was is not None else None, after.timestamps.promised
        if before is not None and (promised is None or promised < before):
            self.wrong.append(f"{key.id} was promised {before}, and now {promised}")
        if promised is None or promised == before or after.status is not Status.OPEN:
            return
        if not any(date <= promised for date in key.dates):
            self.wrong.append(f"{key.id} is recorded as promised {promised}, people were told {key.dates}")

    def _check_verdict(self, key: Key, after: Issue, command: Command) -> None:
        idle, exempt = self.idle(key, command.began), self.whitelisted(key, command.began)
        wanted = (Status.WHITELISTED if exempt else Status.OPEN) if idle else Status.RESOLVED
        if after.status is not wanted:
            self.wrong.append(f"the scan made {key.id} {after.status}, it is {wanted}: {key}")

    def _claims_off(self, key: Key, row: Issue | None, who: str) -> None:
        since = row.timestamps.identified if row else None
        ours = [off for off in key.our_offs if since is None or off >= since]
        if not ours and not key.intended:
            self.wrong.append(f"{who} that we switched {key.id} off, which we did not")

    def _jira_answered(self, request: JiraRequest, status: int, body: Any) -> None:
        if status >= 300:
            return
        answered = json.dumps(body)
        for key in self.out.iam.keys.values():
            open_ones = [ticket for ticket in self.tickets(key) if ticket.status not in ("Closed", "Done")]
            if len(open_ones) > 1:
                self.wrong.append(f"{key.id} has the open tickets {', '.join(t.key for t in open_ones)}")
            named = [t for t in open_ones if f"/{t.key}" in f"{request.path}/" or f'"{t.key}"' in answered]
            label = f"hammer-{key.user.account}-{key.id}"
            if named or (label in request.query.get("jql", "") and open_ones):
                key.told = key.told or self.now
        text = str((request.body or {}).get("body", "")) if request.path.endswith("/comment") else ""
        self._dates_in(text or str(((request.body or {}).get("fields") or {}).get("description", "")))
        if request.method == "POST" and re.search("Hammer switched th(is|e) access key off", text):
            self._said_off(text, "a comment says")

    def _slack_answered(self, method: str, arguments: dict[str, Any]) -> None:
        text = str(arguments.get("text", ""))
        for key in self.out.iam.keys.values():
            if key.id in text and "*Inactive IAM access key*" in text:
                key.told = key.told or self.now
        self._dates_in(text)
        if "*Switched off:*" in text or "Hammer switched the access key off" in text:
            self._said_off(text, "Slack was told")

    def _dates_in(self, text: str) -> None:
        """The dates that a message of ours names."""
        for key in self.out.iam.keys.values():
            for found in _DATE.finditer(text if key.id in text else ""):
                named = datetime.fromisoformat(f"{found[1]}+00:00") if found[1] else self.out.running[-1].began
                key.dates.append(named)

    def _said_off(self, text: str, who: str) -> None:
        for key in self.out.iam.keys.values():
            if key.id in text:
                self._claims_off(key, self.rows.get((key.user.account, key.id)), who)

    # --- what must hold in the end ---

    def catch_up(self) -> None:
        """A round that nothing disturbs; then truth, table and tickets are one."""
        self.out.pass_time(MARGIN)
        scanned = {}
        for account in NAMES:
            scanned[account] = self.now
            self.scan(account)
        self.out.pass_time(REPORT_LATER)
        self.report(raise_again=self._not_in_jira())
        self._compare(scanned)

    def _compare(self, scanned: Mapping[str, datetime]) -> None:
        settings = self.settings
        reports = settings.reporting and (settings.jira or settings.slack)
        for key in self.out.iam.keys.values():
            row = self.rows.get((key.user.account, key.id))
            open_ones = [
                t for t in self.tickets(key) if t.status not in ("Closed", "Done") and t.key not in self.orphans
            ]
            wrong: list[str] = []
            then = scanned[key.user.account]
            if self.idle(key, then) and not self.whitelisted(key, then):
                if row is None or row.status is not Status.OPEN or row.timestamps.remediated is not None:
                    wrong.append("is idle, and has no open issue")
                elif reports and row.timestamps.reported is None and not self.whitelisted(key, self.now):
                    wrong.append("is open, and not reported")
            elif row is not None and row.status is Status.OPEN:
                wrong.append("is not to be reported, and has an open issue")
            elif row is not None and reports and row.status is Status.RESOLVED and not self._waits_for_jira(row):
                wrong.append("is resolved, and was not closed")
            # Of what was never reported nothing is said, even if a run that was killed left a ticket.
            silent = row is not None and row.status is Status.WHITELISTED and row.timestamps.reported is None
            silent = silent and row is not None and row.jira.ticket is None
            closed = row is not None and row.status is not Status.OPEN and not silent
            if closed and reports and settings.jira and open_ones:
                wrong.append(f"has no open issue, and the open ticket {open_ones[0].key}")
            if row is not None and reports and row.status is Status.OPEN:
                if settings.jira and row.jira.failed:
                    wrong.append("owes JIRA a message")
                if settings.slack and row.slack.failed:
                    wrong.append("owes Slack a message")
            self.wrong += [f"after a calm round {key.id} {each}: {_short(row)}" for each in wrong]

    def _not_in_jira(self) -> list[str]:
        """The keys of which an operator who has looked says that JIRA has no ticket: nobody else can prove that."""
        return [
            key.id
            for key in self.out.iam.keys.values()
            if (row := self.rows.get((key.user.account, key.id))) is not None
            and _is_unproven(row)
            and all(ticket.status in ("Closed", "Done") for ticket in self.tickets(key))
        ]

    def _waits_for_jira(self, row: Issue) -> bool:
        """An issue with a ticket is not closed while JIRA is switched off."""
        return row.jira.may_have_ticket and not self.settings.jira

    def end_of_all(self) -> None:
        """With everything switched on and nobody in the way, every idle key is off and every ticket closed."""
        self.settings.reporting = self.settings.remediation = self.settings.jira = self.settings.slack = True
        self.settings.max_keys, self.settings.remediation_accounts = None, (MAIN, OTHER)
        self.settings.stopped = False
        self.write_files()
        self.catch_up()
        told = [key for (account, key), row in self.rows.items() if row.status is Status.OPEN and key != OWN_KEY]
        promised = [row.timestamps.promised for row in self.rows.values() if row.timestamps.promised is not None]
        self.out.pass_time(max([GRACE, *(date - self.now for date in promised)]) + timedelta(hours=1))
        for account in NAMES:
            self.scan(account)
        self.remediate()
        # Failures that may be the account's end its run after three; so many more runs try every key of it.
        nobody_can = [key for key in self.existing_keys() if key.user.protected == "ServiceFailure"]
        held_up = {key.user.account for key in nobody_can}
        self._all_off(told, set(NAMES) - held_up)
        for _ in range(len(nobody_can) // 3):
            self.remediate()
        self._all_off(told, held_up)
        self.catch_up()

    def _all_off(self, told: Iterable[str], accounts: Container[str]) -> None:
        for key in (self.out.iam.keys[each] for each in told):
            spared = key.user.protected or self.whitelisted(key, self.now)
            if key.user.account in accounts and key.exists and key.status == "Active" and not spared:
                row = self.rows[key.user.account, key.id]
                self.wrong.append(f"{key.id} is due, and was not switched off: {_short(row)}")


def _is_unproven(row: Issue) -> bool:
    """Whether JIRA was asked for a ticket of which it has shown nothing since."""
    return row.jira.asked is not None or (row.jira.ticket is not None and row.jira.seen is None)


def _short(row: Issue | None) -> str:
    return "no row" if row is None else f"{row.status}, {row.details.resolution}, {row.jira}, {row.timestamps}"
