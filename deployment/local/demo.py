"""Shows the whole product at work on an AWS, a JIRA and a Slack that start on this machine, step by step."""

import io
import shlex
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from deployment.local import estate as local
from deployment.local.estate import Estate, EstateError
from deployment.local.population import MASTER, SLAVE, population
from deployment.local.story import Story
from library.errors import ConfigurationError, HammerError
from library.issues.record import Episode, Issue, Resolution, Status

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "build" / "inactive-keys-report.html"
_INTERRUPTED = 130


class Demo:
    """The steps of the story; each does something on the estate, shows it, and checks that it came out right.

    Every step raises HammerError if it did not. `page` is where the report of the last step is written to.
    """

    def __init__(self, estate: Estate, story: Story, page: Path = PAGE) -> None:
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
            off = sum(key["status"] != "Active" for key in keys)
            never = sum(key["last_used"] is None for key in keys)
            users = len(self._estate.users(account.id))
            rows.append((account.id, account.name, str(users), str(len(keys)), str(off), str(never)))
        self._story.table(("account", "name", "users", "keys", "switched off", "never used"), rows)

    def scan(self) -> None:
        """Step 4: from the schedule to the issues table."""
        self._story.step("The schedule fires: each account is scanned by a run of its own")
        self._scan()
        self._story.say(f"The issues table has {len(self._estate.issues())} rows.")

    def report(self) -> None:
        """Step 5: tickets and messages."""
        self._story.step("Reporting tells the owners")
        self._report()
        issues = self._with_status(Status.OPEN)
        _check(bool(issues), "an issue to report")
        for issue in issues:
            _check(issue.jira.ticket in self._estate.jira.issues, f"a ticket for {issue.issue_id}")
            _check(bool(issue.slack.recipients), f"a message for {issue.issue_id}")
        first = self._estate.jira.issues[issues[0].jira.ticket or ""]
        self._story.say(f"One of the tickets, {first.key}, {', '.join(first.labels)}, linked to {first.links[0]}:")
        self._story.lines(f"{first.summary}\n\n{first.description}\n")
        message = next(message for message in self._estate.slack.messages if issues[0].issue_id in message.text)
        self._story.say(f"One of the messages, to {message.recipient}:")
        self._story.lines(message.text)

    def let_time_pass(self) -> None:
        """Step 6: the retention period, in which some owners do something."""
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
        """Step 7: what is still idle is switched off, and nothing else."""
        self._story.step("Remediation looks at each key again, and switches off what is still idle")
        before = self._estate.key_statuses()
        plan = self._estate.run(local.REMEDIATION, "--dry-run")
        self._story.command(plan)
        _check(self._estate.key_statuses() == before, "a dry run that changes nothing")
        batch = self._estate.run(local.REMEDIATION, "--batch")
        self._story.command(batch)
        in_order = sorted(batch.decisions, key=lambda one: (one.verdict != "switched off", one.account, one.user))
        self._story.decisions(in_order, "what was done")
        planned = {one.key for one in plan.decisions if one.verdict == "would be switched off"}
        done = {one.key for one in batch.decisions if one.verdict == "switched off"}
        now = self._estate.key_statuses()
        changed = {key for key, status in now.items() if status != before[key]}
        _check(bool(done), "a key that was switched off")
        _check(planned == done == changed, "switching off what the dry run had announced, and nothing else")
        _check(all(now[key] == "Inactive" for key in done), "keys that are Inactive in IAM")

    def scan_and_report_again(self) -> None:
        """Step 8: what went away is resolved and its ticket closed; what is new is reported."""
        self._story.step("A day later the schedule fires again, and reporting closes what is done")
        # A scan right after a remediation would not trust what it sees: IAM is eventually consistent.
        self._estate.let_time_pass(1)
        self._scan()
        self._report()

    def give_back(self) -> None:
        """Step 9: a key that was switched off is switched on again; its owner gets another chance."""
        self._story.step("Somebody needs a key after all")
        key = self._estate.key_of(SLAVE, "grafana-reader")
        self._story.command(self._estate.run(local.RESTORING, "--key", key, "--batch"))
        self._story.say("A day passes, the schedule fires, and reporting and remediation run:")
        self._estate.let_time_pass(1)
        self._scan()
        self._report()
        (issue,) = (issue for issue in self._estate.issues() if issue.issue_id == key)
        _check(issue.episode is Episode.REACTIVATED, "a new episode of the key that was given back")
        run = self._estate.run(local.REMEDIATION, "--batch")
        _check(self._estate.key_statuses()[key] == "Active", "a key that is left to its owner for now")
        self._story.command(run)
        self._story.decisions([one for one in run.decisions if one.key == key], "what was done")

    def show_where_everything_stands(self) -> None:
        """Step 10: the final table."""
        self._story.step("Where everything stands")
        issues = self._estate.issues()
        self._story.issues(issues)
        jira = self._estate.jira.issues
        tickets = [jira[issue.jira.ticket] for issue in issues if issue.jira.ticket]
        closed = sum(ticket.status == "Closed" for ticket in tickets)
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
        """Step 11: what a security lead is sent."""
        self._story.step("The same as a page, for who must explain it to others")
        self._page.parent.mkdir(parents=True, exist_ok=True)
        run = self._estate.run(local.PAGE, "--output", str(self._page.resolve()))
        self._story.command(run)
        text = self._page.read_text(encoding="utf-8")
        issues = self._estate.issues()
        _check(all(issue.issue_id in text for issue in issues), f"every issue in {self._page}")
        size = self._page.stat().st_size / 1024
        self._story.say(f"All {len(issues)} issues, {size:.0f} KiB, one file that needs no network. Open it:")
        self._story.lines(str(self._page))

    def _scan(self) -> None:
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
        idle = {one.key for one in scan.decisions if one.verdict in ("open", "whitelisted")}
        _check(after.keys() == before.keys() | idle, "a row for each idle key")
        fine = sum(one.verdict == "in use" for one in scan.decisions)
        if before:
            shown = [one for one in scan.decisions if one.key in after and after[one.key] != before.get(one.key)]
            self._story.say(f"{fine} keys are in use. The issues that changed, and why:")
        else:
            shown = [one for one in scan.decisions if one.verdict != "in use"]
            self._story.say(f"{fine} keys are in use. Every other one, and why:")
        self._story.decisions(shown, "found")

    def _report(self) -> None:
        told = len(self._estate.slack.messages)
        run = self._estate.run(local.REPORTING)
        self._story.command(run)
        self._story.tickets([one for one in run.decisions if one.verdict != "skipped"])
        self._story.messages(self._estate.slack.messages[told:])

    def _with_status(self, status: Status) -> list[Issue]:
        return [issue for issue in self._estate.issues() if issue.status is status]

    def keep_up(self) -> None:
        """Tell what can be tried by hand, and do what is typed, until KeyboardInterrupt."""
        estate, story = self._estate, self._story
        days = self._retention + 1
        story.step("It stays up until Ctrl-C. In another terminal:")
        story.lines("unset AWS_PROFILE AWS_DEFAULT_PROFILE")
        story.lines("\n".join(f"export {name}={shlex.quote(value)}" for name, value in estate.exports().items()))
        story.lines(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH")
        story.say("Then, for example:")
        slack = estate.slack.base_url.removesuffix("/api/")
        examples = (
            ("python -m identification.scan", "a first look, without the table"),
            (f"python -m {local.REPORTING}", "raises the tickets"),
            (f"python -m {local.REMEDIATION} --dry-run", "not due yet: press Enter here, and again"),
            (f"python -m {local.REMEDIATION}", "asks for each key"),
            (f"python -m {local.RESTORING} --since 1d", "and back"),
            (f"python -m {local.PAGE}", "a page of all this"),
            (f"curl {estate.jira.url}/_stand_in/state", "what JIRA received"),
            (f"curl {slack}/_stand_in/state", "what Slack received"),
        )
        story.lines("\n".join(f"{command:<60} # {what}" for command, what in examples))
        story.say(f"Here: Enter lets {days} days pass, s and Enter lets the schedule fire.")
        for line in sys.stdin:
            if line.strip() == "s":
                self._scan()
                story.say("Scanned.")
            else:
                estate.let_time_pass(days)
                story.say(f"{days} days passed: all recorded times are moved back.")
        while True:
            signal.pause()


@click.command()
@click.option("--up", is_flag=True, help="Stop after the first scan, and keep everything up until Ctrl-C.")
def main(up: bool) -> None:
    """Run the product's main job on an AWS, a JIRA and a Slack that start on this machine; nothing is left running.

    Exit codes: 0 all came out as it should, 1 something did not, 2 the configuration is wrong, 130 interrupted.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # In a pipe, too, a step shows when it is done.
        sys.stdout.reconfigure(line_buffering=True)
    # Being terminated and being interrupted are the same here: everything is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    is_up = False
    try:
        estate = Estate(REPOSITORY / "config")
        demo = Demo(estate, Story(estate))
        try:
            demo.tell_until_the_first_scan()
            if up:
                is_up = True
                demo.keep_up()
            demo.tell_the_rest()
        finally:
            estate.stop()
    except ConfigurationError as error:
        click.echo(error, err=True)
        sys.exit(2)
    except HammerError as error:
        click.echo(f"\nThe demo failed: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing is left running.", err=True)
        sys.exit(0 if is_up else _INTERRUPTED)
    click.echo(f"\nDone in {time.monotonic() - began:.0f} seconds. Nothing is left running.")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise EstateError(f"expected {what}; it is not so")


if __name__ == "__main__":
    main()
