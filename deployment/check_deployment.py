"""Says which calls of a scan would be refused, account by account, and what is missing in the main account."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import click
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from deployment import stacks
from deployment.artifacts import foreign_code
from deployment.commands import (
    EXIT_CODES,
    config_argument,
    exit_codes,
    main_account_session,
    settings_of,
)
from library import messages, text
from library.aws import organizations
from library.aws.calls import AWS_ERRORS, code_of
from library.aws.permissions import Refusal
from library.aws.secrets import fetch_credentials
from library.aws_clients import pages
from library.cli import wiring
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.cli.exit_codes import FAILED
from library.cli.look_ahead import look_ahead
from library.config.checks import with_organization
from library.errors import CredentialsError
from library.messages import Message
from library.text import unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

    from library.aws_clients import Session
    from library.config.settings import AccountRef, Config

_ACCOUNTS_AT_ONCE = 8
# The function may have to start first (seconds); botocore must not start a second run meanwhile.
_PATIENT = ClientConfig(read_timeout=120, retries={"total_max_attempts": 1}, max_pool_connections=_ACCOUNTS_AT_ONCE)
_NOT_ASKED = "lambda:InvokeFunction"
# A run that was refused so has not begun.
_BUSY = "TooManyRequestsException"
# Seconds, where Lambda names none. Scans of most accounts take less than the last one.
_PAUSES_WHILE_BUSY = (2, 5, 10, 20)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Something that would keep scans or the host from working, and what to do about it.

    `part` is the name of the account, or a part of the main account; `what` is the call that is refused or the thing
    that is missing, `said` what AWS says about it.
    """

    account_id: str
    part: str
    what: str
    said: str
    remedy: str

    def __str__(self) -> str:
        return "\n    ".join(map(text.plain, (f"{self.account_id} {self.part}: {self.what}", self.said, self.remedy)))


def scanned_accounts(functions: LambdaClient, function: str, settings: Config) -> Iterator[Obstacle]:
    """What is refused to the identification function, in every account that it scans.

    The function is asked to try the calls itself, because the roles of the accounts trust its role and no other one.
    """
    accounts = settings.accounts()
    with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE) as pool:
        answers = pool.map(partial(_refusals, functions, function), accounts)
        for account, refusals in zip(accounts, answers, strict=True):
            for refusal in refusals:
                remedy = _remedy(settings, account, refusal)
                yield Obstacle(account.id, account.name, refusal.call, refusal.said, remedy)


def _refusals(functions: LambdaClient, function: str, account: AccountRef) -> list[Refusal]:
    try:
        answer = _asked(functions, function, account)
        content = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            return [Refusal(_NOT_ASKED, str(content.get("errorMessage")))]
        return [Refusal(**refusal) for refusal in content["refusals"]]
    except AWS_ERRORS as error:
        return [Refusal(_NOT_ASKED, str(error))]
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        return [Refusal(_NOT_ASKED, f"the answer of {function} is not understood: {unexpected(error)}")]


def _asked(functions: LambdaClient, function: str, account: AccountRef) -> InvocationResponseTypeDef:
    """What the function answers; while it scans as many accounts as it may, a call waits as long as Lambda says."""
    event = json.dumps({"check": {"account_id": account.id, "account_name": account.name}}).encode()
    for pause in _PAUSES_WHILE_BUSY:
        try:
            return functions.invoke(FunctionName=function, Payload=event)
        except ClientError as error:
            if code_of(error) != _BUSY:
                raise
            time.sleep(_pause_asked_for(error, pause))
    return functions.invoke(FunctionName=function, Payload=event)


def _pause_asked_for(error: ClientError, otherwise: int) -> int:
    asked = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return min(int(asked), _PAUSES_WHILE_BUSY[-1]) if asked.isdecimal() else otherwise


def _remedy(settings: Config, account: AccountRef, refusal: Refusal) -> str:
    role = settings.aws.role_name_identification
    if refusal.call == _NOT_ASKED:
        return (
            "the account was not asked, so nothing is known of it. The function was busy: try again when fewer scans "
            "run. Another failure: its log says more; deploy the main stack again (`make deploy`)"
        )
    if refusal.call == "sts:AssumeRole":
        return (
            f"deploy the roles there (`make deploy-roles`); {role} must trust the function's role and ask for "
            "aws.external_id of config.json"
        )
    if refusal.call.startswith("dynamodb:"):
        return (
            "the function looks for the table that its configuration names: publish the configuration "
            "(`make publish-config`), then deploy the main stack again (`make deploy`)"
        )
    if not refusal.call.startswith("iam:") or account.id == settings.aws.main_account_id:
        return "deploy the main stack again (`make deploy`); the function's log says more"
    return (
        f"deploy the roles there again (`make deploy-roles`); if {role} allows it, an organization's policy or a "
        "permissions boundary denies it"
    )


def main_account(session: Session, outputs: Mapping[str, str], settings: Config) -> Iterator[Obstacle]:
    """What else is missing in the main account: credentials, a schedule that is on, somebody who gets the alarms.

    `outputs` are those of the main stack.
    """
    main = settings.aws.main_account_id
    try:
        fetch_credentials(
            session.client("secretsmanager"), settings.credentials_secret, **wiring.token_addresses(settings)
        )
    except CredentialsError as error:
        yield Obstacle(main, "credentials", settings.credentials_secret, str(error), "run `make put-credentials`")
    rule = session.client("events").describe_rule(Name=outputs["ScheduleRuleName"])
    if rule["State"] != "ENABLED":
        said = f"its state is {rule['State']}"
        yield Obstacle(main, "schedule", outputs["ScheduleRuleName"], said, "no account is scanned: enable the rule")
    topic = outputs["OperatorsTopicArn"]
    listing = session.client("sns").get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [
        subscription["SubscriptionArn"] for page in pages(listing) for subscription in page["Subscriptions"]
    ]
    # An unconfirmed one has a word in the place of its ARN.
    if not any(arn.startswith("arn:") for arn in subscriptions):
        said = "nobody has confirmed the subscription" if subscriptions else "nobody has subscribed"
        remedy = "confirm the e-mail, or deploy with --parameter OperatorsEmail=…"
        yield Obstacle(main, "alarms", topic, said, remedy)


def code(session: Session, outputs: Mapping[str, str], settings: Config) -> Iterator[Obstacle]:
    """The functions that do not run the package that the main stack was deployed with."""
    deployed = stacks.parameters(session.client("cloudformation"), stacks.MAIN_STACK)
    bucket, key = deployed["ArtifactBucket"], deployed["ArtifactKey"]
    functions = session.client("lambda")
    for function in (outputs["InitiationFunctionName"], outputs["IdentificationFunctionName"]):
        foreign = foreign_code(functions, function, key)
        if foreign is not None:
            remedy = (
                "CloudTrail says who has changed it; deploy the main stack again (`make deploy`), then "
                f"aws lambda update-function-code --function-name {function} --s3-bucket {bucket} --s3-key {key}"
            )
            said = f"it runs code with the SHA-256 {foreign}, and was deployed with {key}"
            yield Obstacle(settings.aws.main_account_id, "code", function, said, remedy)


def host(cloudformation: CloudFormationClient, settings: Config) -> Iterator[Obstacle]:
    """What is missing for the host, as far as it shows from outside: permission for the issues table."""
    table = stacks.parameters(cloudformation, stacks.HOST_STACK).get(stacks.ISSUES_TABLE_PARAMETER)
    if table not in (None, settings.inactive_keys.table_name):
        said = f"its role may use the table {table}, and not {settings.inactive_keys.table_name}"
        remedy = "deploy the host again (`make deploy ARGS='--stack host'`)"
        yield Obstacle(settings.aws.main_account_id, "host", stacks.HOST_STACK, said, remedy)


def channels(settings: Config) -> Iterator[Message]:
    """Say what JIRA and Slack will refuse of what ticket_owners.json names; the messages that are obstacles."""
    places = settings.owners.places
    projects = {place.jira_project for place in places} - {""}
    for message, said in look_ahead(settings, projects, {each for place in places for each in place.slack_owner}):
        click.echo(text.plain(messages.line(message, said)))
        if message in (Message.JIRA_WILL_REFUSE, Message.SLACK_WILL_REFUSE):
            yield message


def _summary(accounts: int, refused: Sequence[Obstacle], missing: int) -> str:
    not_asked = len({each.account_id for each in refused if each.what == _NOT_ASKED})
    well = accounts - len({each.account_id for each in refused})
    unknown = f", {not_asked} could not be asked" if not_asked else ""
    return f"{well} of {accounts} accounts can be scanned{unknown}; {missing} missing otherwise"


@command(epilog=EXIT_CODES)
@config_argument
@aws_options
def main(config_folder: str | None) -> None:
    """Try every AWS call that a scan needs, with no effect, in every account of CONFIG_FOLDER (config/ if not given).

    The identification function does it, with its own role: the roles of the scanned accounts trust nobody else.
    Then the main account: the functions' code, the credentials that are needed, the schedule, somebody who gets the
    alarms, the issues table. JIRA and Slack are asked what they will refuse, where the credentials are there and they
    can be reached. Each obstacle is named with what to do about it; if there is one, the exit code is 1.

    What the host needs is checked on the host: python -m remediation.check_access
    """
    with exit_codes():
        settings = settings_of(config_folder)
        session = main_account_session(settings)
        if settings.aws.accounts_from_organization:
            settings = with_organization(settings, organizations.active_accounts(session.client("organizations")))
        cloudformation = session.client("cloudformation")
        outputs = stacks.outputs(cloudformation, stacks.MAIN_STACK)
        stacks.refuse_another_table(cloudformation, settings)
        functions = session.client("lambda", config=_PATIENT)
        refused = list(scanned_accounts(functions, outputs["IdentificationFunctionName"], settings))
        missing = [
            *code(session, outputs, settings),
            *main_account(session, outputs, settings),
            *host(cloudformation, settings),
        ]
        for obstacle in refused + missing:
            click.echo(str(obstacle))
        unwilling = list(channels(settings))
        accounts = settings.accounts()
        click.echo(_summary(len(accounts), refused, len(missing)))
        if refused or missing or unwilling:
            sys.exit(FAILED)
        click.echo("What the host needs is checked on the host: python -m remediation.check_access")


if __name__ == "__main__":
    main()
