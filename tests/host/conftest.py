"""An estate to run the host's commands on: two accounts, the table, the secret, JIRA, Slack and a configuration."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from click.testing import CliRunner, Result

from deployment.local.jira_stand_in import (
    DEFAULT_PASSWORD,
    DEFAULT_TOKEN,
    DEFAULT_USERNAME,
    Flavour,
    JiraIssue,
    JiraStandIn,
)
from deployment.local.scanned_accounts import Control, KeySeed, ScannedAccounts, UserSeed
from deployment.local.slack_stand_in import DEFAULT_CHANNELS, SlackChannel, SlackStandIn
from deployment.local.slack_stand_in import DEFAULT_TOKEN as SLACK_TOKEN
from library.issues.record import (
    Episode,
    Issue,
    IssueDetails,
    JiraDetails,
    Resolution,
    SlackDetails,
    Status,
    Timestamps,
    from_item,
    to_item,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
HOST_CODE = REPOSITORY / "reporting_remediation"

MAIN = "123456789012"
OTHER = "210987654321"
REGION = "eu-west-1"
TABLE = "hammer-iam-user-keys-inactive"
SECRET = "hammer-credentials"
OWN_KEY = "AKIAHAMMERSOWNKEY001"
LABEL = "inactive-iam-keys"

REPORTING = "reporting.create_iam_key_inactive_tickets"
REMEDIATION = "remediation.clean_iam_keys_inactive"
RESTORE = "remediation.restore_iam_keys"
SHOW = "remediation.show_issue"

CRITERIA_DAYS = 90
RETENTION_DAYS = 14
_DEADLINE_SECONDS = 60


@pytest.fixture(scope="session", autouse=True)
def _host_code() -> None:
    # On the host, this folder is where the commands are started from.
    if str(HOST_CODE) not in sys.path:
        sys.path.append(str(HOST_CODE))


@pytest.fixture
def estate(moto_server: ScannedAccounts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    for name in [name for name in os.environ if name.startswith(("AWS_", "HAMMER_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "config"
    folder.mkdir()
    environment = {
        "AWS_ENDPOINT_URL": moto_server.url,
        "AWS_ACCESS_KEY_ID": OWN_KEY,
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "HAMMER_CONFIG": str(folder),
        # Another test, or a real run, on this machine must not hold up this one.
        "HAMMER_LOCK_FOLDER": str(tmp_path),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        urllib.request.Request(f"{moto_server.url}/moto-api/reset", method="POST")
    ).close()
    channels = (*DEFAULT_CHANNELS, SlackChannel("cloud-team"))
    with JiraStandIn(issues=["AWSSEC-1"]) as jira, SlackStandIn(channels=channels) as slack:
        estate = Estate(Control(moto_server.url), jira, slack, folder)
        estate.set_up()
        try:
            yield estate
        finally:
            estate.tear_down()


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
        dynamodb = boto3.client("dynamodb")
        dynamodb.create_table(
            TableName=TABLE,
            KeySchema=[
                {"AttributeName": "account_id", "KeyType": "HASH"},
                {"AttributeName": "issue_id", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "account_id", "AttributeType": "S"},
                {"AttributeName": "issue_id", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        content = {"jira": {"token": DEFAULT_TOKEN}, "slack": {"api_token": SLACK_TOKEN}}
        boto3.client("secretsmanager").create_secret(Name=SECRET, SecretString=json.dumps(content))
        self.settings = {
            "aws": {
                "region": REGION,
                "main_account_id": MAIN,
                "accounts": {MAIN: "master", OTHER: "slave1"},
            },
            "jira": {"enabled": True, "server": self.jira.url},
            "slack": {"enabled": True, "base_url": self.slack.base_url},
            "user_inactivekeys": {
                "inactive_criteria_days": CRITERIA_DAYS,
                "reporting": True,
                "remediation": True,
                "remediation_retention_period": RETENTION_DAYS,
                "reminder_days_before_remediation": [7, 1],
            },
        }
        self.configure()
        self.whitelist()
        self.owners(
            {
                "jira_project": "AWSSEC",
                "jira_owner": "Support-General",
                "jira_parent_ticket": "AWSSEC-1",
                "slack_owner": "#devops-channel",
            }
        )

    def tear_down(self) -> None:
        for dialogue in self.dialogues:
            dialogue.end()
        self.accounts.heal()

    # --- configuration ---

    def configure(self, **sections: Mapping[str, object]) -> None:
        """Write config.json with these settings changed, section by section."""
        for section, changed in sections.items():
            self.settings.setdefault(section, {}).update(changed)
        self._write("config.json", self.settings)

    def keys(self, **changed: object) -> None:
        """Change settings of `user_inactivekeys`."""
        self.configure(user_inactivekeys=changed)

    def whitelist(self, *entries: object, account: str = MAIN) -> None:
        self._write("whitelist.json", {"user_inactivekeys": {account: list(entries)}})

    def owners(self, content: Mapping[str, object]) -> None:
        self._write("ticket_owners.json", content)

    def secret(self, content: Mapping[str, object]) -> None:
        boto3.client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=json.dumps(content))

    def use_cloud(self) -> JiraStandIn:
        """Replace JIRA Server by JIRA Cloud, which takes e-mail and API token."""
        flavour: Flavour = "cloud"
        self.use_jira(JiraStandIn(flavour=flavour, issues=["AWSSEC-1"]))
        basic = {"username": DEFAULT_USERNAME, "password": DEFAULT_PASSWORD}
        self.secret({"jira": {"basic": basic}, "slack": {"api_token": SLACK_TOKEN}})
        return self.jira

    def use_jira(self, jira: JiraStandIn) -> None:
        """Replace JIRA by another one."""
        self.jira.stop()
        self.jira = jira.start()
        self.configure(jira={"server": self.jira.url})

    def _write(self, name: str, content: object) -> None:
        (self.folder / name).write_text(json.dumps(content), encoding="utf-8")

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
        status: Status = Status.OPEN,
        reported: datetime | None = None,
        ticket: str | None = None,
        idle_days: float = 200,
        key_status: str = "Active",
        key_id: str = "",
        tags: Mapping[str, str] | None = None,
        resolution: Resolution | None = None,
        episode: Episode = Episode.FIRST,
        slack_failed: datetime | None = None,
        jira_failed: datetime | None = None,
        **times: datetime,
    ) -> Issue:
        """Make an idle key in IAM with its row in the table; `times` are timestamps beside `reported`."""
        key = self.add_key(user, account=account, idle_days=idle_days, status=key_status, key_id=key_id)
        identified = times.pop("identified", (reported or self.now) - timedelta(hours=1))
        # The scan that ended the issue has moved this one.
        updated = times.pop("updated", identified if status is Status.OPEN else self.ago(hours=1))
        issue = Issue(
            account_id=account,
            issue_id=key,
            status=status,
            episode=episode,
            details=IssueDetails(
                create_date=self.ago(days=400).replace(microsecond=0),
                last_used=self.ago(days=idle_days).replace(microsecond=0),
                username=user,
                last_used_service="s3",
                last_used_region=REGION,
                tags=tags or {},
                resolution=resolution,
            ),
            timestamps=Timestamps(identified=identified, updated=updated, reported=reported, **times),
            jira=JiraDetails(
                ticket=ticket, ticket_assignee_id="Support-General" if ticket else None, failed=jira_failed
            ),
            slack=SlackDetails(
                notified=reported, recipients=("#devops-channel",) if reported else (), failed=slack_failed
            ),
        )
        self.put(issue)
        return issue

    def add_due_issue(self, user: str = "joe", **more: Any) -> Issue:
        """An issue with an open ticket, whose retention period was over a day ago."""
        issue = self.add_issue(user, **{"reported": self.ago(days=RETENTION_DAYS + 1), **more})
        if "ticket" not in more:
            issue = replace(
                issue, jira=replace(issue.jira, ticket=self.add_ticket(issue), ticket_assignee_id="Support-General")
            )
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
            assignee="Support-General",
            status=status,
        )
        return key

    def put(self, issue: Issue) -> None:
        serialize = TypeSerializer().serialize
        item = {name: serialize(value) for name, value in to_item(issue).items()}
        boto3.client("dynamodb").put_item(TableName=TABLE, Item=item)

    def read(self, issue: Issue) -> Issue:
        """The issue as it is in the table now."""
        deserialize = TypeDeserializer().deserialize
        key = {"account_id": {"S": issue.account_id}, "issue_id": {"S": issue.issue_id}}
        item = boto3.client("dynamodb").get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]
        return from_item({name: deserialize(value) for name, value in item.items()})

    def rows(self) -> list[dict[str, Any]]:
        """The whole table, as DynamoDB writes it."""
        return [dict(item) for item in boto3.client("dynamodb").scan(TableName=TABLE, ConsistentRead=True)["Items"]]

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
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=process_environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
        )

    def dialogue(self, module: str, *arguments: str, kind: str = "dumb") -> Dialogue:
        """Start a command on a terminal of its own, of this kind (TERM)."""
        dialogue = Dialogue(module, *arguments, cwd=self.folder, kind=kind)
        self.dialogues.append(dialogue)
        return dialogue


class Dialogue:
    """A command that runs on a pseudo-terminal, as in an operator's shell."""

    def __init__(self, module: str, *arguments: str, cwd: Path, kind: str) -> None:
        self._terminal, far_end = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**process_environment(), "TERM": kind, "COLUMNS": "200"},
            cwd=cwd,
            stdin=far_end,
            stdout=far_end,
            stderr=far_end,
            start_new_session=True,
        )
        os.close(far_end)
        self.screen = ""
        self._read_to = 0

    def wait_for(self, text: str) -> None:
        """Return when `text` shows up on the screen after what was waited for last."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while text not in self.screen[self._read_to :]:
            if time.monotonic() > deadline or not self._read_more():
                raise AssertionError(f"{text!r} did not show up on the screen:\n{self.screen}")
        self._read_to = self.screen.index(text, self._read_to) + len(text)

    def answer(self, line: str) -> None:
        """Wait for the prompt and type a line."""
        self.wait_for("[y/N]")
        self.type(line)

    def type(self, line: str) -> None:
        os.write(self._terminal, f"{line}\n".encode())

    def press(self, characters: bytes) -> None:
        """Press keys without Enter, as Ctrl-D."""
        os.write(self._terminal, characters)

    def interrupt(self, number: int = signal.SIGINT) -> None:
        """Press Ctrl-C at a prompt, or send another signal."""
        self._process.send_signal(number)
        # A signal that comes before the process really waits for input is seen only when the line ends.
        with contextlib.suppress(OSError):
            self.type("")

    def exit_code(self) -> int:
        """Wait for the end, and return the exit code."""
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while self._read_more() and time.monotonic() < deadline:
            pass
        return self._process.wait(_DEADLINE_SECONDS)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1

    def _read_more(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], 0.2)
        if not ready:
            return True
        try:
            read = os.read(self._terminal, 65536)
        except OSError:
            # Linux answers so when the far end was closed.
            return False
        self.screen += read.decode(errors="replace")
        return bool(read)


def process_environment() -> dict[str, str]:
    path = os.pathsep.join((str(REPOSITORY), str(HOST_CODE)))
    return {**os.environ, "PYTHONPATH": path, "TERM": "dumb"}


def label_of(issue: Issue) -> str:
    """The label that is unique to the issue."""
    return f"hammer-{issue.account_id}-{issue.issue_id}"
