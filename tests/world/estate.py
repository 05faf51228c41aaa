"""An estate to run the host's commands on: two accounts, the table, the secret, JIRA, Slack and the configuration."""

from __future__ import annotations

import json
import os
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import boto3
from click.testing import CliRunner, Result

from deployment.local.jira_stand_in import DEFAULT_PASSWORD, DEFAULT_USERNAME, JiraIssue, JiraStandIn
from deployment.local.scanned_accounts import Control, KeySeed, UserSeed
from deployment.local.slack_stand_in import DEFAULT_CHANNELS, SlackChannel, SlackStandIn
from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    SlackDetails,
    Status,
    Timestamps,
)
from tests.wire import SAFE, not_of_aws
from tests.world import (
    CRITERIA_DAYS,
    LABEL,
    MAIN,
    NAMES,
    OWN_KEY,
    REGION,
    REMEDIATION,
    REPORTING,
    RESTORE,
    RETENTION_DAYS,
    SECRET,
    label_of,
    table,
)
from tests.world.configuration import CREDENTIALS, OWNERS, PARENT, settings, write, write_whitelist
from tests.world.process import Dialogue, run_in

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import pytest


@contextmanager
def estate_at(aws: str, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """An estate on the server of the scanned accounts, which is emptied, and the environment that leads there.

    The configuration lies in `folder`, which is made.
    """
    folder.mkdir()
    for name in set(os.environ) - set(not_of_aws(os.environ)):
        patch.delenv(name)
    environment = SAFE | {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": OWN_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "HAMMER_CONFIG": str(folder),
    }
    for name, value in environment.items():
        patch.setenv(name, value)
    reset(aws)
    channels = (*DEFAULT_CHANNELS, SlackChannel("cloud-team"))
    with JiraStandIn(issues=[PARENT]) as jira, SlackStandIn(channels=channels) as slack:
        estate = Estate(Control(aws), jira, slack, folder)
        estate.set_up()
        try:
            yield estate
        finally:
            estate.tear_down()


def reset(aws: str) -> None:
    """Empty everything that moto plays at this address, and end all failures."""
    Control(aws).reset()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(f"{aws}/moto-api/reset", method="POST"), timeout=30) as done:
        assert done.status == 200


@dataclass
class Estate:
    """The outside world of one test, and the commands that are run in it."""

    accounts: Control
    jira: JiraStandIn
    slack: SlackStandIn
    folder: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    dialogues: list[Dialogue] = field(default_factory=list)

    def set_up(self) -> None:
        table.create()
        for account in NAMES:
            table.scanned(account, self.now)
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(CREDENTIALS))
        self.settings = settings(
            self.jira.url,
            self.slack.base_url,
            inactive_criteria_days=CRITERIA_DAYS,
            reporting=True,
            remediation=True,
            remediation_retention_period=RETENTION_DAYS,
            reminder_days_before_remediation=[7, 1],
        )
        self.configure()
        self.whitelist()
        self.owners(OWNERS)

    def tear_down(self) -> None:
        for dialogue in self.dialogues:
            dialogue.end()
        self.accounts.heal()

    # --- configuration ---

    def configure(self, **sections: Mapping[str, object]) -> None:
        """Write config.json with these settings changed, section by section."""
        for section, changed in sections.items():
            self.settings.setdefault(section, {}).update(changed)
        write(self.folder, "config.json", self.settings)

    def keys(self, **changed: object) -> None:
        """Change settings of `user_inactivekeys`."""
        self.configure(user_inactivekeys=changed)

    def whitelist(self, *entries: object, account: str = MAIN) -> None:
        write_whitelist(self.folder, {account: entries})

    def owners(self, content: Mapping[str, object]) -> None:
        write(self.folder, "ticket_owners.json", content)

    def secret(self, content: Mapping[str, object]) -> None:
        boto3.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=json.dumps(content))

    def use_cloud(self) -> JiraStandIn:
        """Replace JIRA Server by JIRA Cloud, which takes e-mail and API token."""
        self.use_jira(JiraStandIn(flavour="cloud", issues=[PARENT]))
        basic = {"username": DEFAULT_USERNAME, "password": DEFAULT_PASSWORD}
        self.secret({**CREDENTIALS, "jira": {"basic": basic}})
        return self.jira

    def use_jira(self, jira: JiraStandIn) -> None:
        """Replace JIRA by another one."""
        self.jira.stop()
        self.jira = jira.start()
        self.configure(jira={"server": self.jira.url})

    # --- keys and issues ---

    def ago(self, **span: float) -> datetime:
        """A moment before this test began."""
        return self.now - timedelta(**span)

    def add_key(
        self,
        user: str,
        *,
        account: str = MAIN,
        idle_days: float = 200,
        status: str = "Active",
        key_id: str = "",
    ) -> str:
        """Make a user with one key in IAM, and return the key's id."""
        key: KeySeed = {"created_days_ago": 400, "last_used_days_ago": idle_days, "status": status}
        if key_id:
            key["id"] = key_id
        seed: UserSeed = {"keys": [key]}
        self.accounts.populate({account: {user: seed}}, self.now)
        return self.accounts.state()[account][user]["keys"][0]["id"]

    def add_issue(
        self,
        user: str = "joe",
        *,
        account: str = MAIN,
        idle_days: float = 200,
        key_status: str = "Active",
        key_id: str = "",
        **facts: Any,
    ) -> Issue:
        """Make an idle key in IAM with its row in the table.

        `facts` are status, episode, resolution, tags, ticket, jira_failed, slack_failed, and timestamps; its people
        were told the date of the retention period in force, unless `promised` is given.
        """
        key = self.add_key(user, account=account, idle_days=idle_days, status=key_status, key_id=key_id)
        details = IssueDetails(
            create_date=self.ago(days=400).replace(microsecond=0),
            last_used=self.ago(days=idle_days).replace(microsecond=0),
            username=user,
            last_used_service="s3",
            last_used_region=REGION,
            tags=facts.pop("tags", {}),
            resolution=facts.pop("resolution", None),
        )
        issue = self._issue_of(account, key, details, facts)
        self.put(issue)
        return issue

    def _issue_of(self, account: str, key: str, details: IssueDetails, facts: dict[str, Any]) -> Issue:
        status: Status = facts.pop("status", Status.OPEN)
        episode: Episode = facts.pop("episode", Episode.FIRST)
        ticket = facts.pop("ticket", None)
        failed = {channel: facts.pop(f"{channel}_failed", None) for channel in ("jira", "slack")}
        reported = facts.get("reported")
        if reported is not None:
            grace = 7 if episode is Episode.REACTIVATED else 0
            configured: int = self.settings["user_inactivekeys"]["remediation_retention_period"]
            facts.setdefault("promised", reported + timedelta(days=max(configured, grace)))
        identified = facts.pop("identified", (reported or self.now) - timedelta(hours=1))
        # The scan that ended the issue has moved this one.
        updated = facts.pop("updated", identified if status is Status.OPEN else self.ago(hours=1))
        return Issue(
            account_id=account,
            issue_id=key,
            status=status,
            episode=episode,
            details=details,
            timestamps=Timestamps(identified=identified, updated=updated, **facts),
            jira=JiraDetails(
                ticket=ticket,
                ticket_assignee_id=OWNERS["jira_owner"] if ticket else None,
                failed=failed["jira"],
                seen=self.ago(days=30) if ticket else None,
            ),
            slack=SlackDetails(
                notified=reported, recipients=(OWNERS["slack_owner"],) if reported else (), failed=failed["slack"]
            ),
        )

    def add_due_issue(self, user: str = "joe", **more: Any) -> Issue:
        """An issue with an open ticket, whose retention period was over a day ago."""
        issue = self.add_issue(user, **{"reported": self.ago(days=RETENTION_DAYS + 1), **more})
        if "ticket" not in more:
            ticket = replace(
                issue.jira,
                ticket=self.add_ticket(issue),
                ticket_assignee_id=OWNERS["jira_owner"],
                seen=self.ago(days=30),
            )
            issue = replace(issue, jira=ticket)
            self.put(issue)
        return issue

    def add_ticket(self, issue: Issue, *, status: str = "To Do") -> str:
        """A ticket as an earlier run has raised it; returns its key."""
        key = f"AWSSEC-{100 + len(self.jira.issues)}"
        self.jira.issues[key] = JiraIssue(
            key,
            "AWSSEC",
            "raised by an earlier run",
            labels=[LABEL, label_of(issue)],
            assignee=OWNERS["jira_owner"],
            status=status,
            creator="hammer",
        )
        return key

    def put(self, issue: Issue) -> None:
        table.put(issue)

    def read(self, issue: Issue) -> Issue:
        """The issue as it is in the table now."""
        return table.read(issue)

    def rows(self) -> list[dict[str, Any]]:
        """The whole table, as DynamoDB writes it."""
        return table.rows()

    def key_status(self, issue: Issue) -> str:
        """What IAM says of the key: Active, Inactive, or gone."""
        users = self.accounts.state().get(issue.account_id, {}).values()
        return next((key["status"] for user in users for key in user["keys"] if key["id"] == issue.issue_id), "gone")

    def iam(self, account: str = MAIN) -> Any:
        """IAM of an account, as somebody there uses it."""
        if account == MAIN:
            return boto3.client("iam")
        role = f"arn:aws:iam::{account}:role/somebody"
        credentials = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        return boto3.client(
            "iam",
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )

    def tickets_of(self, issue: Issue) -> list[JiraIssue]:
        return [ticket for ticket in self.jira.issues.values() if label_of(issue) in ticket.labels]

    def messages(self) -> list[tuple[str, str]]:
        """Recipient and text of everything that was said in Slack."""
        return [(message.recipient, message.text) for message in self.slack.messages]

    def jira_is_down(self) -> None:
        """Fail the next login, and with it the next thing that a run wants of JIRA."""
        self.jira.fail_next("GET", "/rest/api/2/serverInfo", status=500)

    def slack_is_down(self) -> None:
        """Fail the next message."""
        self.slack.fail_next("chat.postMessage", status=200, error="fatal_error")

    # --- commands ---

    def run(self, module: str, *arguments: str) -> Result:
        """Run a command in this process, with nobody at the terminal."""
        result = CliRunner().invoke(import_module(module).main, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def report(self) -> Result:
        return self.run(REPORTING)

    def remediate(self, *arguments: str) -> Result:
        return self.run(REMEDIATION, "--batch", *arguments)

    def restore(self, *arguments: str) -> Result:
        return self.run(RESTORE, "--batch", *arguments)

    def process(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as an operator or cron does: a process of its own, no terminal."""
        return run_in(self.folder, module, *arguments)

    def dialogue(self, module: str, *arguments: str, kind: str = "dumb", columns: int = 200) -> Dialogue:
        """Start a command on a terminal of its own, of this kind (TERM) and width."""
        dialogue = Dialogue(module, *arguments, cwd=self.folder, kind=kind, columns=columns)
        self.dialogues.append(dialogue)
        return dialogue
