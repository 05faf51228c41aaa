"""Starts and stops an AWS on this machine, and deploys the project's own template into it.

ministack plays everything but IAM and STS. These `scanned_accounts` plays, for the main account too, because only
there do keys have a last use. Both are child processes that end with this one, however it ends.
"""

import atexit
import contextlib
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

from deployment.local.scanned_accounts import Control
from library.errors import HammerError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

MAIN_ACCOUNT = "123456789012"
REGION: Final = "eu-west-1"
STACK = "hammer-iam-user-inactive-keys"
TEMPLATE = Path(__file__).resolve().parents[1] / "cloudformation" / "main-account.yaml"

_REPOSITORY = Path(__file__).resolve().parents[2]
_HOST = "127.0.0.1"
_ARTIFACT_BUCKET = f"hammer-deployment-{MAIN_ACCOUNT}"
_SECONDS_TO_START = 60
_SECONDS_BETWEEN_LOOKS = 0.1
_LOG_LINES_SHOWN = 15
_LONG_AGO = "2018-02-14T16:48:02Z"
# Below the ports that systems give to outgoing connections, one of which could take a port between the look and the
# start. Drawn by chance, not in order, because several of these may start at the same moment.
_PORT_RANGE = range(20000, 32000)
_PORTS_TRIED = 50
_SOME_PORTS = random.SystemRandom()
# And nothing else: what a shell has set for AWS, Hammer, ministack or moto would reach the functions.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_MINISTACK_SETTINGS = {
    "BIND_HOST": _HOST,
    "MINISTACK_HOST": _HOST,
    "MINISTACK_REGION": REGION,
    # AWS waits one minute, then two, before it runs a failed function again.
    "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.1",
    # Both would listen on fixed ports, so that only one embedded AWS could run at a time.
    "IOT_MTLS_ENABLED": "0",
    "SFTP_ENABLED": "0",
}

# Runs a module as `python -m` does. Its standard input is a pipe whose other end only the parent holds: when the
# parent ends, even by SIGKILL, the pipe closes, and the child ends with everything that it has started.
_LAUNCHER = """
import os, runpy, signal, sys, threading
def end_with_parent():
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_parent, daemon=True).start()
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""

T = TypeVar("T")


class EmbeddedAwsError(HammerError):
    """The embedded AWS did not start, did not take the stack, or did not get to a state in time."""


class EmbeddedAws:
    """An AWS on this machine; a context manager, or `start` and `stop`.

    Ports that are not given are chosen free. Nothing is served before `start`. The main account is MAIN_ACCOUNT; the
    accounts that hold the users are filled through `accounts`.

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
        self._children: list[_Child] = []
        self._folder: Path | None = None

    def start(self) -> None:
        """Start both children and return when they answer, after about two seconds.

        Raises EmbeddedAwsError if a port is taken or a child does not come up; then nothing is left running.
        """
        port, accounts_port = _usable_ports(*self._wanted_ports)
        self._endpoint = f"http://{_HOST}:{port}"
        self._accounts_endpoint = f"http://{_HOST}:{accounts_port}"
        self._folder = Path(tempfile.mkdtemp(prefix="hammer-embedded-aws-"))
        atexit.register(self.stop)
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment |= self.environment() | {"TMPDIR": str(self._folder)}
        accounts = _Child(
            "IAM and STS of the scanned accounts (moto)",
            ["deployment.local.scanned_accounts", "--port", str(accounts_port)],
            environment,
            self._folder / "scanned-accounts.log",
        )
        # What ministack has in its environment, the functions have in theirs: this is how they find the endpoints, of
        # which neither the template nor the code knows.
        ministack = _Child(
            "the embedded AWS (ministack)",
            ["deployment.local.ministack_server"],
            environment
            | _MINISTACK_SETTINGS
            | {"GATEWAY_PORT": str(port)}
            | ({"AUTH": "true", "IAM_CREATED": _LONG_AGO} if self._permissions else {}),
            self._folder / "ministack.log",
        )
        self._children = [accounts, ministack]
        try:
            for child in self._children:
                child.start()
            accounts.wait_until_it_answers(accounts_port, "/_stand_in/state")
            ministack.wait_until_it_answers(port, "/_ministack/health")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the children with everything they have started, and remove their files. Can be called twice."""
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
            # ministack takes an access key id of 12 digits for the account. moto, which does not know the key, takes
            # it for one of 123456789012.
            "AWS_ACCESS_KEY_ID": MAIN_ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "embedded",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            # The profiles of whoever runs this must not get in the way, or come to harm.
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": f"{_HOST},localhost",
            "no_proxy": f"{_HOST},localhost",
        }

    def process_environment(self) -> dict[str, str]:
        """The whole environment for a child process: this process's, with no AWS settings but `environment`'s."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return others | self.environment()

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
        s3 = self.session.client("s3", endpoint_url=self._endpoint, config=_NO_PROXY)
        s3.create_bucket(Bucket=_ARTIFACT_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=_ARTIFACT_BUCKET, Key=key, Body=code)
        values = {"ArtifactBucket": _ARTIFACT_BUCKET, "ArtifactKey": key} | dict(parameters or {})
        return self.create_stack(STACK, TEMPLATE, values)

    def create_stack(self, name: str, template: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Create a stack, wait for it, and return its outputs.

        Raises EmbeddedAwsError with the reason if the stack is refused, and with the resources that failed, and why,
        if it does not come up.
        """
        cloudformation = self.session.client("cloudformation", endpoint_url=self._endpoint, config=_NO_PROXY)
        try:
            cloudformation.create_stack(
                StackName=name,
                TemplateBody=template.read_text(encoding="utf-8"),
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
            cloudformation.get_waiter("stack_create_complete").wait(
                StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": _SECONDS_TO_START}
            )
        except ClientError as error:
            raise EmbeddedAwsError(f"the stack {name} was refused: {error}") from error
        except WaiterError as error:
            raise EmbeddedAwsError(f"the stack {name} failed:\n{_failures(cloudformation, name)}") from error
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def invoke_schedule(self, rule: str = "hammer-initiate-iam-user-inactive-keys") -> None:
        """Do what EventBridge does when the schedule rule is due: invoke its targets asynchronously with its event.

        Returns at once; the scans run afterwards. Raises EmbeddedAwsError if the rule has no target.
        """
        events = self.session.client("events", endpoint_url=self._endpoint, config=_NO_PROXY)
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
        functions = self.session.client("lambda", endpoint_url=self._endpoint, config=_NO_PROXY)
        functions.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event).encode())

    def finished_runs(self, function: str) -> int:
        """How many runs of a function have ended, well or not, retries included: the REPORT lines of its log."""
        return sum(line.startswith("REPORT RequestId") for line in self.log(function))

    def log(self, function: str) -> list[str]:
        """The lines of a function's log group, oldest first."""
        logs = self.session.client("logs", endpoint_url=self._endpoint, config=_NO_PROXY)
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
                raise EmbeddedAwsError(f"waited {seconds:g} seconds in vain for {what}")
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    @cached_property
    def session(self) -> boto3.Session:
        """A session with the main account's credentials; its clients need `endpoint_url`, from `environment`."""
        # Neither a profile nor a file of whoever runs this is looked at.
        nothing = (None, None, None, None)
        own = botocore.session.Session(
            session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
        )
        settings = self.environment()
        return boto3.Session(
            aws_access_key_id=settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=settings["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
            botocore_session=own,
        )


_NO_PROXY = Config(proxies={})


class _Child:
    """A child process in a process group of its own, its output in a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], log: Path) -> None:
        self._name = name
        self._command = command
        self._environment = environment
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCHER, *self._command],
                cwd=_REPOSITORY,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_it_answers(self, port: int, path: str) -> None:
        deadline = time.monotonic() + _SECONDS_TO_START
        # Its own log must name the port: an answer alone could be another server's.
        while not (f"http://{_HOST}:{port}" in self._log.read_text(errors="replace") and _answers(port, path)):
            self.raise_if_ended()
            if time.monotonic() > deadline:
                raise EmbeddedAwsError(
                    f"{self._name} did not answer on port {port} within {_SECONDS_TO_START} seconds:\n"
                    + self._last_lines()
                )
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def raise_if_ended(self) -> None:
        code = self._process.poll() if self._process else None
        if code is not None:
            raise EmbeddedAwsError(f"{self._name} ended with code {code}:\n{self._last_lines()}")

    def kill(self) -> None:
        if self._process is None:
            return
        # The whole group, and before the leader is waited for: until then its number cannot be another group's.
        # Nothing of what it holds is worth an orderly end.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        self._process = None

    def _last_lines(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-_LOG_LINES_SHOWN:])


def _usable_ports(*wanted: int | None) -> list[int]:
    """The wanted ports if nobody listens on them; any free one for None. Raises EmbeddedAwsError if one is taken."""
    with contextlib.ExitStack() as probes:
        # All are held until all are found, or the same one could be found twice.
        return [_hold(probes.enter_context(socket.socket()), port) for port in wanted]


def _hold(probe: socket.socket, wanted: int | None) -> int:
    # As servers do, so that a port that was in use a moment ago counts as free.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for port in [wanted] if wanted is not None else _SOME_PORTS.sample(_PORT_RANGE, _PORTS_TRIED):
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            reason = error.strerror
        else:
            return port
    if wanted is None:
        raise EmbeddedAwsError(f"found no free port of {_HOST} in {_PORTS_TRIED} attempts ({reason})")
    raise EmbeddedAwsError(
        f"port {wanted} of {_HOST} cannot be used ({reason}); stop the program that has it, or choose another port"
    )


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(_HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _failures(cloudformation: "CloudFormationClient", stack: str) -> str:
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(
        f"    {event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', '')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("_FAILED")
    )
