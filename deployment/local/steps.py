"""The steps of the demo's story: each does something on the estate, shows it, and checks that it came out right."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deployment.local import estate as local
from deployment.local.estate import EstateError
from deployment.local.population import MASTER, SLAVE, population
from library.issues.record import Episode, Issue, Resolution, Status

if TYPE_CHECKING:
    from pathlib import Path

    from deployment.local.estate import Estate
    from deployment.local.story import Story


class Demo:
    """The steps of the story; every step raises HammerError if something did not come out right.

    `page` is where the last step writes the report.
    """

    def __init__(self, estate: Estate, story: Story, page: Path) -> None:
        self._estate = estate
        self._story = story
        self._page = page
        self._days = estate.settings.inactive_keys.inactive_criteria_days
        self._retention = estate.settings.inactive_keys.remediation_retention_period

    def tell_until_the_first_scan(self) -> None:
        """Steps 1 to 4, after which the estate is what a new deployment finds."""
        for step in (self.start, self.deploy, self.populate, self.scan):
            step()

    def tell_the_rest(self) -> None:
        """All further steps."""
        for step in (
            self.report,
            self.turn_remediation_on,
            self.let_time_pass,
            self.remediate,
            self.scan_and_report_again,
            self.give_back,
            self.show_where_everything_stands,
            self.write_the_page,
        ):
            step()

    def start(self) -> None:
        """Step 1: the servers."""
        self._story.step("An AWS, a JIRA and a Slack start on this machine")
        self._estate.start()
        endpoints = self._estate.aws.environment()
        self._story.table(
            ("what", "where", "played by"),
            (
                ("AWS", endpoints["AWS_ENDPOINT_URL"], "ministack"),
                ("IAM and STS of every account", endpoints["AWS_ENDPOINT_URL_IAM"], "moto"),
                ("JIRA", self._estate.jira.url, "a stand-in"),
                ("Slack", self._estate.slack.base_url, "a stand-in"),
            ),
        )

    def deploy(self) -> None:
        """Step 2: the stack and the secret."""
        self._story.step("The project's CloudFormation template is deployed, with both functions from the built zip")
        package, outputs = self._estate.deploy()
        self._story.say(f"{package.name}, {package.stat().st_size / 1024:.0f} KiB. What the stack made:")
        self._story.table(("output", "value"), sorted(outputs.items()))
        self._story.say(
            f"The tokens for JIRA and Slack are in Secrets Manager: {self._estate.settings.credentials_secret}."
        )

    def populate(self) -> None:
        """Step 3: users and keys."""
        self._story.step("Two accounts are filled with users")
        self._estate.aws.accounts.populate(population(), datetime.now(UTC))
        rows = []
        for account in self._estate.settings.accounts():
            keys = [key for user in self._estate.users(account.id).values() for key in user["keys"]]
            off = sum(1 for key in keys if key["status"] != "Active")
            never = sum(1 for key in keys if key["last_used"] is None)
            users = len(self._estate.users(account.id))
            rows.append((account.id, account.name, str(users), str(len(keys)), str(off), str(never)))
        self._story.table(("account", "name", "users", "keys", "switched off", "never used"), rows)

    def scan(self) -> None:
        """Step 4: from the schedule to the issues table."""
        self._story.step("The schedule fires: each account is scanned by a run of its own")
        self.scan_accounts()
        self._story.say(f"The issues table has {len(self._estate.issues())} rows.")

    def report(self) -> None:
        """Step 5: tickets and messages."""
        self._story.step("Reporting tells the owners, while remediation is switched off: it names no date")
        self._estate.set_for_the_host(remediation=False)
        self._report()
        issues = self._with_status(Status.OPEN)
        _check(bool(issues), "an issue to report")
        for issue in issues:
            _check(issue.jira.ticket in self._estate.jira.issues, f"a ticket for {issue.issue_id}")
            _check(bool(issue.slack.recipients), f"a message for {issue.issue_id}")
            _check(issue.timestamps.promised is None, f"no date for {issue.issue_id}")
        first = self._estate.jira.issues[issues[0].jira.ticket or ""]
        self._story.say(f"One of the tickets, {first.key}, {', '.join(first.labels)}, linked to {first.links[0]}:")
        self._story.lines(f"{first.summary}\n\n{first.description}\n")
        message = next(message for message in self._estate.slack.messages if issues[0].issue_id in message.text)
        self._story.say(f"One of the messages, to {message.recipient}:")
        self._story.lines(message.text)

    def turn_remediation_on(self) -> None:
        """Step 6: nothing is switched off before the owners were told the date."""
        self._story.step("Remediation is switched on: first the owners are told the date")
        self._estate.set_for_the_host(remediation=True)
        before = self._estate.key_statuses()
        run = self._estate.run(local.REMEDIATION, "--batch")
        self._story.command(run)
        self._story.decisions(run.decisions, "what was done")
        _check(self._estate.key_statuses() == before, "no key that is switched off before a date was told")
        self._report()
        for issue in self._with_status(Status.OPEN):
            _check(issue.timestamps.promised is not None, f"a date for {issue.issue_id}")

    def let_time_pass(self) -> None:
        """Step 7: the retention period, in which some owners do something."""
        days = self._retention + 1
        self._story.step(f"{days} days pass: all recorded times, those of the keys, too, are moved back")
        self._estate.let_time_pass(days)
        self._story.say("Meanwhile some people did something:")
        master = self._estate.iam(MASTER)
        self._estate.use_key(MASTER, "svc-metrics")
        importer = self._estate.key_of(MASTER, "svc-importer")
        master.update_access_key(UserName="svc-importer", AccessKeyId=importer, Status="Inactive")
        lee = self._estate.key_of(MASTER, "contractor-lee")
        master.delete_access_key(UserName="contractor-lee", AccessKeyId=lee)
        master.update_user(UserName="marketing-site", NewUserName="web-site")
        self._story.table(
            ("account", "user", "what happened"),
            (
                ("master", "svc-metrics", "the key is in use again"),
                ("master", "svc-importer", "somebody switched the key off"),
                ("master", "contractor-lee", "somebody deleted the key"),
                ("master", "marketing-site", "the user is called web-site now"),
                ("master", "quarterly-close", f"nothing, and so the key is idle for more than {self._days} days"),
            ),
        )

    def remediate(self) -> None:
        """Step 8: what is still idle is switched off, and nothing else."""
        self._story.step("Remediation looks at each key again, and switches off what is still idle")
        before = self._estate.key_statuses()
        plan = self._estate.run(local.REMEDIATION, "--dry-run")
        self._story.command(plan)
        _check(self._estate.key_statuses() == before, "a dry run that changes nothing")
        batch = self._estate.run(local.REMEDIATION, "--batch")
        self._story.command(batch)
        in_order = sorted(batch.decisions, key=lambda decision: (decision.verdict != "switched off", decision.place))
        self._story.decisions(in_order, "what was done")
        planned = {decision.key for decision in plan.decisions if decision.verdict == "would be switched off"}
        done = {decision.key for decision in batch.decisions if decision.verdict == "switched off"}
        now = self._estate.key_statuses()
        changed = {key for key, status in now.items() if status != before[key]}
        _check(bool(done), "a key that was switched off")
        _check(planned == done == changed, "switching off what the dry run had announced, and nothing else")
        _check(all(now[key] == "Inactive" for key in done), "keys that are Inactive in IAM")

    def scan_and_report_again(self) -> None:
        """Step 9: what went away is resolved and its ticket closed; what is new is reported."""
        self._story.step("A day later the schedule fires again, and reporting closes what is done")
        # A scan right after a remediation would not trust what it sees: IAM is eventually consistent.
        self._estate.let_time_pass(1)
        self.scan_accounts()
        self._report()

    def give_back(self) -> None:
        """Step 10: a key that was switched off is switched on again; its owner gets another chance."""
        self._story.step("Somebody needs a key after all")
        key = self._estate.key_of(SLAVE, "grafana-reader")
        self._story.command(self._estate.run(local.RESTORING, "--key", key, "--batch"))
        self._story.say("A day passes, the schedule fires, and reporting and remediation run:")
        self._estate.let_time_pass(1)
        self.scan_accounts()
        self._report()
        (issue,) = (issue for issue in self._estate.issues() if issue.issue_id == key)
        _check(issue.episode is Episode.REACTIVATED, "a new episode of the key that was given back")
        run = self._estate.run(local.REMEDIATION, "--batch")
        _check(self._estate.key_statuses()[key] == "Active", "a key that is left to its owner for now")
        self._story.command(run)
        self._story.decisions([decision for decision in run.decisions if decision.key == key], "what was done")

    def show_where_everything_stands(self) -> None:
        """Step 11: the final table."""
        self._story.step("Where everything stands")
        issues = self._estate.issues()
        self._story.issues(issues)
        jira = self._estate.jira.issues
        tickets = [jira[issue.jira.ticket] for issue in issues if issue.jira.ticket]
        closed = sum(1 for ticket in tickets if ticket.status == "Closed")
        self._story.say(f"JIRA has {len(tickets)} tickets of these issues; {closed} are closed.")
        self._story.messages(self._estate.slack.messages)
        ends = {issue.details.resolution for issue in issues if issue.status is Status.CLOSED}
        _check(ends == set(Resolution), "an issue for each way to end")
        for issue in issues:
            if issue.status is Status.CLOSED:
                _check(jira[issue.jira.ticket or ""].status == "Closed", f"a closed ticket for {issue.issue_id}")
        left = {(issue.account_id, issue.details.username) for issue in issues if issue.status is Status.OPEN}
        _check((MASTER, "quarterly-close") in left, "the key that became idle only now")
        _check(len({issue.jira.ticket for issue in issues if issue.jira.ticket}) == len(tickets), "one ticket each")

    def write_the_page(self) -> None:
        """Step 12: what a security lead is sent."""
        self._story.step("The same as a shareable HTML report")
        self._page.parent.mkdir(parents=True, exist_ok=True)
        run = self._estate.run(local.PAGE, "--output", str(self._page.resolve()))
        self._story.command(run)
        text = self._page.read_text(encoding="utf-8")
        issues = self._estate.issues()
        _check(all(issue.issue_id in text for issue in issues), f"every issue in {self._page}")
        size = self._page.stat().st_size / 1024
        self._story.say(f"All {len(issues)} issues, {size:.0f} KiB, one file that needs no network. Open it:")
        self._story.lines(str(self._page))

    def scan_accounts(self) -> None:
        """Let the schedule fire, and show what each scan found."""
        before = {issue.issue_id: issue for issue in self._estate.issues()}
        scan = self._estate.scan()
        if scan.errors:
            raise EstateError("a scan failed:\n" + "\n".join(scan.errors))
        names = ("users", "keys", "idle_keys", "opened", "resolved", "api_calls")
        self._story.table(
            ("account", *(name.replace("_", " ") for name in names)),
            (
                (self._estate.account_name(account), *(str(counts[name]) for name in names))
                for account, counts in sorted(scan.counts.items())
            ),
        )
        after = {issue.issue_id: issue for issue in self._estate.issues()}
        _check(len(scan.counts) == len(self._estate.settings.accounts()), "a complete scan of every account")
        idle = {decision.key for decision in scan.decisions if decision.verdict in ("open", "whitelisted")}
        _check(after.keys() == before.keys() | idle, "a row for each idle key")
        keys, idle_now = (sum(counts[name] for counts in scan.counts.values()) for name in ("keys", "idle_keys"))
        fine = f"{keys - idle_now} of {keys} keys are in use or off."
        if before:
            changed = {key for key, issue in after.items() if issue != before.get(key)}
            shown = [decision for decision in scan.decisions if decision.key in changed]
            self._story.say(f"{fine} The issues that changed, and why:")
        else:
            shown = [decision for decision in scan.decisions if decision.key in idle]
            self._story.say(f"{fine} The others, and why:")
        self._story.decisions(shown, "found")

    def _report(self) -> None:
        told = len(self._estate.slack.messages)
        run = self._estate.run(local.REPORTING)
        self._story.command(run)
        self._story.tickets([decision for decision in run.decisions if decision.verdict != "skipped"])
        self._story.messages(self._estate.slack.messages[told:])

    def _with_status(self, status: Status) -> list[Issue]:
        return [issue for issue in self._estate.issues() if issue.status is status]


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise EstateError(f"expected {what}, but found otherwise")
