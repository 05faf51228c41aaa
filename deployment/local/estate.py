"""A whole estate on this machine: the embedded AWS with the deployed stack, JIRA, Slack, and the host's commands."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from deployment.build_packages import build
from deployment.local import jira_stand_in, slack_stand_in
from deployment.local.embedded_aws import EmbeddedAws
from deployment.local.jira_stand_in import JiraStandIn
from deployment.local.runs import CommandRun, Scan, scan_of
from deployment.local.scanned_accounts import UserState
from deployment.local.slack_stand_in import SlackChannel, SlackStandIn
from library.aws.issues_table import IssuesTable
from library.config.loading import load
from library.config.settings import Config
from library.errors import HammerError
from library.issues.record import Issue

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient


REPORTING: Final = "reporting.create_iam_key_inactive_tickets"
REMEDIATION: Final = "remediation.clean_iam_keys_inactive"
RESTORING: Final = "remediation.restore_iam_keys"
PAGE: Final = "reporting.inactive_keys_report"
INITIATION: Final = "hammer-initiate-iam-user-inactive-keys"
IDENTIFICATION: Final = "hammer-describe-iam-user-inactive-keys"

_REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS_FOR_A_COMMAND = 120
_SECONDS_FOR_THE_SCANS = 120
_LINES = 20
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")

CONFIG = Path(__file__).resolve().parent / "config"
"""The configuration of the demo, in which everything is switched on."""


class EstateError(HammerError):
    """A part of the estate did not start, or did something else than it should."""


class Estate:
    """Everything that the product meets, on this machine, from `start()` to `stop()` or for the length of a `with`.

    `folder` holds the configuration. Its JIRA and Slack must be on this machine; they are served at its ports.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._in_force = folder
        self.settings: Config = load(str(folder))
        owners = [self.settings.owners.for_account(account.id) for account in self.settings.accounts()]
        self.aws = EmbeddedAws()
        self.jira = JiraStandIn(
            port=_port(self.settings.jira.server),
            projects=sorted({owner.jira_project for owner in owners if owner.jira_project}),
            issues=sorted({owner.jira_parent_ticket for owner in owners if owner.jira_parent_ticket}),
        )
        self.slack = SlackStandIn(
            port=_port(self.settings.slack.base_url),
            channels=channels_of(self.settings),
        )
        self._stack = ExitStack()
        self._scratch = Path()

    def start(self) -> None:
        """Start all servers. Raises EstateError or EmbeddedAwsError, and leaves nothing running, if one cannot."""
        with ExitStack() as stack:
            self._scratch = Path(tempfile.mkdtemp(prefix="hammer-estate-"))
            stack.callback(shutil.rmtree, self._scratch, ignore_errors=True)
            for name, server, url in (
                ("JIRA", self.jira, self.settings.jira.server),
                ("Slack", self.slack, self.settings.slack.base_url),
            ):
                try:
                    stack.enter_context(server)
                except OSError as error:
                    raise EstateError(
                        f"the {name} stand-in cannot listen at {url} ({error.strerror}): stop the program that has "
                        f"this port, or choose another one in {self.folder / 'config.json'}"
                    ) from error
            stack.enter_context(self.aws)
            self._stack = stack.pop_all()

    def stop(self) -> None:
        """End all servers, and remove their files."""
        self._stack.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def deploy(self) -> tuple[Path, dict[str, str]]:
        """Build the zip with this configuration, create the stack, fill its secret; the zip and the outputs."""
        package = build(str(self.folder), self._scratch)
        outputs = self.aws.deploy(package)
        secret = {
            "jira": {"token": jira_stand_in.DEFAULT_TOKEN, "server": self.settings.jira.server},
            "slack": {"api_token": slack_stand_in.DEFAULT_TOKEN, "server": self.settings.slack.base_url},
        }
        self.aws.session.client("secretsmanager", endpoint_url=self.aws.endpoint).put_secret_value(
            SecretId=self.settings.credentials_secret, SecretString=json.dumps(secret)
        )
        return package, outputs

    def set_for_the_host(self, **settings: object) -> None:
        """Run the host's commands with these settings of `user_inactivekeys` from now on; the functions do not."""
        self._in_force = self._scratch / "config"
        shutil.copytree(self.folder, self._in_force, dirs_exist_ok=True)
        file = self._in_force / "config.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        content["user_inactivekeys"] |= settings
        file.write_text(json.dumps(content, indent=2), encoding="utf-8")

    def scan(self) -> Scan:
        """Invoke the initiation as the schedule does, and wait until every account's scan has ended, well or not.

        Raises EstateError if a scan ended without a word.
        """
        accounts = len(self.settings.accounts())
        runs = {name: self.aws.finished_runs(name) for name in (INITIATION, IDENTIFICATION)}
        seen = len(self.aws.log(IDENTIFICATION))
        self.aws.invoke_schedule()
        self.aws.wait_for(
            lambda: self.aws.finished_runs(IDENTIFICATION) >= runs[IDENTIFICATION] + accounts,
            f"the scans of {accounts} accounts\n" + "\n".join(self.aws.log(INITIATION)[-5:]),
            seconds=_SECONDS_FOR_THE_SCANS,
        )
        lines = self.aws.log(IDENTIFICATION)[seen:]
        scan = scan_of(lines)
        if len(scan.counts) < accounts and not scan.errors:
            raise EstateError(f"the scan of {accounts} accounts left only this log:\n" + "\n".join(lines[-_LINES:]))
        return scan

    def run(self, module: str, *arguments: str, expected: tuple[int, ...] = (0,)) -> CommandRun:
        """Run a command of the host as cron does, without a terminal.

        Raises EstateError with everything it printed if it ends with a code that is not `expected`.
        """
        command = " ".join(("python -m", module, *arguments))
        try:
            ended = subprocess.run(
                [sys.executable, "-m", module, *arguments],
                cwd=self._scratch,
                env=self.aws.process_environment() | self.exports(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS_FOR_A_COMMAND,
            )
        except subprocess.TimeoutExpired as error:
            raise EstateError(f"{command} did not end within {_SECONDS_FOR_A_COMMAND} seconds") from error
        if ended.returncode not in expected:
            raise EstateError(f"{command} ended with code {ended.returncode}\n{ended.stdout}{ended.stderr}")
        return CommandRun(command, ended.returncode, ended.stdout, ended.stderr)

    def exports(self) -> dict[str, str]:
        """The variables with which a command finds this estate."""
        return self.aws.environment() | {"HAMMER_CONFIG": str(self._in_force.resolve())}

    def invoke_and_wait(self, function: str, event: Mapping[str, Any]) -> dict[str, Any] | None:
        """Run a function to its end; what it failed with (`errorType`, `errorMessage`), None if it did not fail."""
        functions = self.aws.session.client("lambda", endpoint_url=self.aws.endpoint)
        answer = functions.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        return dict(json.loads(answer["Payload"].read())) if answer.get("FunctionError") else None

    def log_streams(self, group: str) -> set[str]:
        """The names of the streams in a log group."""
        logs = self.aws.session.client("logs", endpoint_url=self.aws.endpoint)
        return {stream["logStreamName"] for stream in logs.describe_log_streams(logGroupName=group)["logStreams"]}

    def let_time_pass(self, days: int) -> None:
        """Move all recorded times back: those of users and keys, and those in the issues table."""
        self.aws.accounts.let_time_pass(days)
        client = self._dynamodb()
        for page in client.get_paginator("scan").paginate(TableName=self.settings.inactive_keys.table_name):
            for item in page["Items"]:
                client.put_item(
                    TableName=self.settings.inactive_keys.table_name, Item=_moved_back(item, timedelta(days=days))
                )

    def issues(self) -> list[Issue]:
        """Every row of the table, by account, user and key."""
        table = IssuesTable(self._dynamodb(), self.settings.inactive_keys.table_name)
        found = [issue for account in self.settings.accounts() for issue in table.of_account(account.id)]
        return sorted(found, key=lambda issue: (issue.account_id, issue.details.username, issue.issue_id))

    def users(self, account: str) -> dict[str, UserState]:
        """The users of an account with their keys, as they are now."""
        return self.aws.accounts.state().get(account, {})

    def key_statuses(self) -> dict[str, str]:
        """The status of every key of every account, by its id."""
        accounts = self.aws.accounts.state()
        return {
            key["id"]: key["status"] for users in accounts.values() for user in users.values() for key in user["keys"]
        }

    def key_of(self, account: str, user: str, position: int = 0) -> str:
        """The id of a user's key."""
        return self.users(account)[user]["keys"][position]["id"]

    def use_key(self, account: str, user: str) -> None:
        """Let somebody sign a request with the key of a user just now."""
        self.aws.accounts.use_key(account, self.key_of(account, user), datetime.now(UTC), "monitoring")

    def iam(self, account: str) -> "IAMClient":
        """IAM of an account, for what its people do there by themselves."""
        endpoint = self.aws.environment()["AWS_ENDPOINT_URL_IAM"]
        session = self.aws.session
        if account == self.settings.aws.main_account_id:
            return session.client("iam", endpoint_url=endpoint)
        sts = session.client("sts", endpoint_url=endpoint)
        role = f"arn:aws:iam::{account}:role/administrator"
        assumed = sts.assume_role(RoleArn=role, RoleSessionName="somebody")["Credentials"]
        return session.client(
            "iam",
            endpoint_url=endpoint,
            aws_access_key_id=assumed["AccessKeyId"],
            aws_secret_access_key=assumed["SecretAccessKey"],
            aws_session_token=assumed["SessionToken"],
        )

    def account_name(self, account: str) -> str:
        """The name of an account in the configuration."""
        return self.settings.aws.accounts.get(account, account)

    def _dynamodb(self) -> "DynamoDBClient":
        return self.aws.session.client("dynamodb", endpoint_url=self.aws.endpoint)


def _port(url: str) -> int:
    parts = urlsplit(url)
    if parts.hostname != "127.0.0.1" or parts.port is None:
        raise EstateError(f"{url!r} is not a stand-in: expected a port of http://127.0.0.1")
    return parts.port


def channels_of(settings: Config) -> tuple[SlackChannel, ...]:
    """Every channel that a configuration names."""
    names = {name for place in settings.owners.places for name in place.slack_owner if name.startswith("#")}
    return tuple(SlackChannel(name[1:]) for name in sorted(names))


def _moved_back(value: Any, by: timedelta) -> Any:
    """The value of an item, in DynamoDB's form or a part of it, with every time in it earlier."""
    if isinstance(value, dict):
        return {name: _moved_back(part, by) for name, part in value.items()}
    if isinstance(value, list):
        return [_moved_back(part, by) for part in value]
    if isinstance(value, str) and _TIME.fullmatch(value):
        return (datetime.fromisoformat(value) - by).isoformat()
    return value
