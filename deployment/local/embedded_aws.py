"""Starts and stops an AWS on this machine, and deploys the project's own template into it.

`scanned_accounts` plays IAM and STS, for the main account, too, because only its keys have a last use, and the
organization with its StackSets; ministack plays the rest. Both are child processes that end with this one, however it
ends.
"""

import atexit
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import boto3
import botocore.session
from botocore.config import Config

from deployment.local.children import (
    HOST,
    SECONDS_BETWEEN_LOOKS,
    Child,
    EmbeddedAwsError,
    usable_ports,
)
from deployment.local.scanned_accounts import Control
from deployment.local.stack import create_stack

MAIN_ACCOUNT = "123456789012"
REGION: Final = "eu-west-1"
STACK = "hammer-iam-user-inactive-keys"
TEMPLATE = Path(__file__).resolve().parents[1] / "cloudformation" / "main-account.yaml"

_ARTIFACT_BUCKET = f"hammer-deployment-{MAIN_ACCOUNT}"
_LONG_AGO = "2018-02-14T16:48:02Z"
# Nothing else: what a shell has set for AWS, Hammer, ministack or moto would reach the functions.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_MINISTACK_SETTINGS = {
    "BIND_HOST": HOST,
    "MINISTACK_HOST": HOST,
    "MINISTACK_REGION": REGION,
    # AWS waits one minute, then two, before it runs a failed function again.
    "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1",
    # Both would listen on fixed ports, so that only one embedded AWS could run at a time.
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
}

T = TypeVar("T")


class EmbeddedAws:
    """An AWS on this machine; a context manager, or `start` and `stop`.

    Ports that are not given are chosen free. Nothing is served before `start`. The main account is MAIN_ACCOUNT; the
    accounts are filled with users through `accounts`.

    With `permissions` every call needs what IAM's policies allow. ministack then plays IAM and STS, too, where all
    users and keys are old and were never used; `accounts` is of no use. An access key id of 12 digits is an account's
    root.

        with EmbeddedAws() as aws:
            aws.accounts.populate({...}, now)
            aws.deploy(build(None, folder))
            runs = aws.finished_runs("hammer-describe-iam-user-inactive-keys")
            aws.invoke_schedule()
            aws.wait_for(lambda: aws.finished_runs("hammer-describe-…") >= runs + 2, "the scan of both accounts")
            subprocess.run([...], env=aws.process_environment())
    """

    def __init__(
        self, *, port: int | None = None, accounts_port: int | None = None, permissions: bool = False
    ) -> None:
        self._wanted_ports = (port, accounts_port)
        self._permissions = permissions
        self._endpoint = ""
        self._accounts_endpoint = ""
        self._children: list[Child] = []
        self._folder: Path | None = None

    def start(self) -> None:
        """Start both children and return when they answer, after about two seconds.

        Raises EmbeddedAwsError if a port is taken or a child does not come up; then nothing is left running.
        """
        port, accounts_port = usable_ports(*self._wanted_ports)
        self._endpoint = f"http://{HOST}:{port}"
        self._accounts_endpoint = f"http://{HOST}:{accounts_port}"
        self._folder = Path(tempfile.mkdtemp(prefix="hammer-embedded-aws-"))
        atexit.register(self.stop)
        accounts, ministack = self._children = self._new_children(port, accounts_port, self._folder)
        try:
            for child in self._children:
                child.start()
            accounts.wait_until_it_answers(accounts_port, "/_stand_in/state")
            ministack.wait_until_it_answers(port, "/_ministack/health")
        except BaseException:
            self.stop()
            raise

    def _new_children(self, port: int, accounts_port: int, folder: Path) -> list[Child]:
        """Those for IAM and STS, and for everything else; their logs and files are in `folder`."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment = inherited | self.environment() | {"TMPDIR": str(folder)}
        accounts = Child(
            "IAM and STS of the scanned accounts (moto)",
            ["deployment.local.scanned_accounts", "--port", str(accounts_port)],
            environment,
            folder / "scanned-accounts.log",
        )
        # What ministack has in its environment, the functions have in theirs: this is how they find the endpoints, of
        # which neither the template nor the code knows.
        ministack = Child(
            "the embedded AWS (ministack)",
            ["deployment.local.ministack_server"],
            environment
            | _MINISTACK_SETTINGS
            | {"GATEWAY_PORT": str(port)}
            | ({"AUTH": "true", "IAM_CREATED": _LONG_AGO} if self._permissions else {}),
            folder / "ministack.log",
        )
        return [accounts, ministack]

    def stop(self) -> None:
        """End the children with everything they have started, and remove their files. May be called twice."""
        atexit.unregister(self.stop)
        for child in self._children:
            child.kill()
        self._children = []
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The variables by which any AWS client finds this AWS, in the main account.

        AWS_PROFILE and AWS_DEFAULT_PROFILE must not be set beside them: see `process_environment`.
        """
        accounts = self._endpoint if self._permissions else self._accounts_endpoint
        return {
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_ENDPOINT_URL_IAM": accounts,
            "AWS_ENDPOINT_URL_STS": accounts,
            "AWS_ENDPOINT_URL_ORGANIZATIONS": accounts,
            # ministack takes an access key id of 12 digits for the account. moto, which does not know the key, takes
            # it for one of 123456789012.
            "AWS_ACCESS_KEY_ID": MAIN_ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            # The profiles of the person who runs this must neither get in the way nor be changed.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": f"{HOST},localhost",
            "no_proxy": f"{HOST},localhost",
        }

    def process_environment(self) -> dict[str, str]:
        """The whole environment for a child process: this process's, with no AWS settings but `environment`'s."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return others | self.environment()

    @property
    def endpoint(self) -> str:
        """Where everything but IAM and STS is served, once it is started."""
        return self._endpoint

    @property
    def accounts(self) -> Control:
        """Users and keys of the scanned accounts: to fill, age, make fail and look at."""
        return Control(self._accounts_endpoint)

    def deploy(self, package: Path, parameters: Mapping[str, str] | None = None) -> dict[str, str]:
        """Upload the zip, create the stack of main-account.yaml with it, and return the stack's outputs.

        `parameters` are the template's; the two that name the zip are set here. To be called once. Raises as
        `create_stack` does.
        """
        code = package.read_bytes()
        key = f"{package.stem}-{hashlib.sha256(code).hexdigest()[:16]}.zip"
        s3 = self.session.client("s3", endpoint_url=self._endpoint)
        s3.create_bucket(Bucket=_ARTIFACT_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=_ARTIFACT_BUCKET, Key=key, Body=code)
        values = {"ArtifactBucket": _ARTIFACT_BUCKET, "ArtifactKey": key} | dict(parameters or {})
        return self.create_stack(STACK, TEMPLATE, values)

    def create_stack(self, name: str, template: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Create a stack, wait for it, and return its outputs.

        Raises EmbeddedAwsError with the reason if the stack is refused, and with the resources that failed, and why,
        if it does not come up.
        """
        cloudformation = self.session.client("cloudformation", endpoint_url=self._endpoint)
        return create_stack(cloudformation, name, template, parameters)

    def invoke_schedule(self, rule: str = "hammer-initiate-iam-user-inactive-keys") -> None:
        """Do what EventBridge does when the schedule rule is due: invoke its targets asynchronously with its event.

        Returns at once; the scans run afterwards. Raises EmbeddedAwsError if the rule has no target.
        """
        events = self.session.client("events", endpoint_url=self._endpoint)
        targets = events.list_targets_by_rule(Rule=rule)["Targets"]
        if not targets:
            raise EmbeddedAwsError(f"the schedule rule {rule} has no target")
        event = {
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": MAIN_ACCOUNT,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [events.describe_rule(Name=rule)["Arn"]],
            "detail": {},
        }
        for target in targets:
            self.invoke(target["Arn"], event)

    def invoke(self, function: str, event: Mapping[str, Any]) -> None:
        """Invoke a function asynchronously: it is run again if it fails; then the event goes to the failures queue.

        ministack does neither for a message of the topic: there a run that failed stays failed.
        """
        functions = self.session.client("lambda", endpoint_url=self._endpoint)
        functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())

    def finished_runs(self, function: str) -> int:
        """How many runs of a function have ended, well or not, retries included: the REPORT lines of its log."""
        return sum(1 for line in self.log(function) if line.startswith("REPORT RequestId"))

    def log(self, function: str) -> list[str]:
        """The lines of a function's log group, oldest first."""
        logs = self.session.client("logs", endpoint_url=self._endpoint)
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}")
        return [event["message"].rstrip() for page in pages for event in page["events"]]

    def wait_for(self, condition: Callable[[], T], what: str, seconds: float = 30) -> T:
        """Return the first true value of `condition`, asked ten times a second.

        Raises EmbeddedAwsError that names `what` after `seconds`, and at once if a child has ended.
        """
        deadline = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            for child in self._children:
                child.raise_if_ended()
            if time.monotonic() > deadline:
                raise EmbeddedAwsError(f"waited {seconds:g} seconds without success for {what}")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    @cached_property
    def session(self) -> boto3.Session:
        """A session with the main account's credentials; its clients need `endpoint_url`."""
        # Ignore the profiles and files of the person who runs this.
        nothing = (None, None, None, None)
        own = botocore.session.Session(
            session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
        )
        own.set_default_client_config(Config(proxies={}))
        settings = self.environment()
        return boto3.Session(
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
            botocore_session=own,
        )
