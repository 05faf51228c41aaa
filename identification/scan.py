"""Command: a first look at the idle access keys of one account or many; it deploys nothing and changes nothing."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TextIO

import boto3
import click
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from library.aws import organizations
from library.aws.iam_clients import IamClients
from library.aws.iam_scan import scan_access_keys
from library.aws.sessions import CLIENT_CONFIG, Account, AccountAccess
from library.cli import terminal
from library.errors import AwsCallFailed, HammerError
from library.issues.access_keys import is_long_ago
from library.reports.files import csv_text, write
from library.reports.first_look import (
    AccountKeys,
    FailedAccount,
    FirstLook,
    IdleKey,
    as_object,
    days_to_read,
    first_look,
    rows,
)
from library.reports.first_look_page import page_of
from library.reports.page import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_iam import IAMClient

FINDINGS = 10
"""Exit code of --fail-on-findings, apart from every other one so that a pipeline can tell them."""
PURPOSE = "hammer-first-look"
_AT_ONCE = 8
_HOME_REGION = "us-east-1"
"""Where STS is asked if no region is set: IAM has none, and the credentials are good in every region of theirs."""
# Whoever sits before a laptop without a network wants to know it before ten attempts are over.
_FIRST_CALL = CLIENT_CONFIG.merge(ClientConfig(retries={"mode": "standard", "total_max_attempts": 3}))
_HEADINGS = ("account", "user", "key", "created", "last used (UTC)", "service", "region", "idle days")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_ROLE_NAME = re.compile(r"[\w+=,.@/-]+", re.ASCII)

logger = logging.getLogger("hammer")


class CredentialsUnusable(HammerError):
    """There are no AWS credentials, or AWS does not take them."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the credentials belong to."""

    account: str
    partition: str
    arn: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts to look at and how to reach those that are not the caller's own."""

    days: int
    accounts: tuple[str, ...] = ()
    organization: bool = False
    role_name: str = ""
    external_id: str = ""


def _account_ids(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    ids = [part.strip() for value in values for part in value.split(",")]
    for each in ids:
        if not _ACCOUNT_ID.fullmatch(each):
            raise click.BadParameter(f"found {each!r}; expected account ids of 12 digits, separated by commas")
    return tuple(ids)


def _role_name(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if value and not _ROLE_NAME.fullmatch(value):
        raise click.BadParameter(f"found {value!r}; expected the name of a role, without account and arn:")
    return value


def _writable(_context: click.Context, _parameter: click.Parameter, value: Path | None) -> Path | None:
    # Said before a scan of an hour, and not after it.
    if value is not None and not value.exists() and not os.access(value.absolute().parent, os.W_OK):
        raise click.BadParameter(f"the folder {value.absolute().parent} does not exist, or no file can be made in it")
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    default=90,
    show_default=True,
    help="List keys that were not used for more than so many days; of a key never used, its age counts.",
)
@click.option(
    "--accounts",
    "--account",
    callback=_account_ids,
    multiple=True,
    metavar="ID[,ID]",
    help="Scan these accounts instead of the one that the credentials belong to. Repeatable.",
)
@click.option("--organization", is_flag=True, help="Scan every ACTIVE account of the AWS Organization.")
@click.option(
    "--role-name",
    callback=_role_name,
    default="",
    metavar="NAME",
    help="The role to assume in every account but one's own; it needs to read IAM only.",
)
@click.option(
    "--external-id", default="", metavar="ID", help="With --role-name: the external id that the role wants."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "html"]),
    default="table",
    show_default=True,
    help="How to print it. What is printed comes alone on standard output; everything else goes to standard error.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    callback=_writable,
    metavar="FILE",
    help="Write it to this file, which is overwritten, instead of standard output.",
)
@click.option("--fail-on-findings", is_flag=True, help="Exit with code 10 if there is an idle key, for pipelines.")
def main(
    days: int,
    accounts: tuple[str, ...],
    organization: bool,
    role_name: str,
    external_id: str,
    form: str,
    output: Path | None,
    fail_on_findings: bool,
) -> None:
    """List the access keys that nobody uses, and count what other thresholds would catch.

    Deploys nothing, changes nothing, and needs no configuration: only AWS credentials, from wherever the AWS command
    line has them (AWS_PROFILE, environment, a role). Without options it scans the account they belong to. Others are
    reached through a role of the same name in each of them, which these credentials may assume:

    \b
      python -m identification.scan
      python -m identification.scan --days 180 --format csv --output idle.csv
      python -m identification.scan --accounts 111111111111,222222222222 --role-name audit
      python -m identification.scan --organization --role-name audit

    It is the same scan and the same rule as the Lambda's: an Active key is idle if its last use, or its creation if
    it was never used, is more than --days times 24 hours ago. The longest idle come first. Then it says how many keys
    30, 60, 90, 180 and 365 days would catch, which helps to choose a threshold. So that these counts are exact, the
    last use of every key older than 30 days is read, whatever --days is.

    The calls are sts:GetCallerIdentity; iam:ListUsers, ListAccessKeys, GetAccessKeyLastUsed and, in accounts with
    more than 150 users, GenerateCredentialReport and GetCredentialReport (without these two it takes longer, and
    finds the same); sts:AssumeRole with --role-name; organizations:ListAccounts with --organization. AWS's policies
    SecurityAudit and IAMReadOnlyAccess allow those of IAM.

    Exit codes: 0 done, 1 an account could not be scanned (the others are shown), 2 usage, or the AWS credentials are
    missing or not accepted, 10 an idle key was found (--fail-on-findings only, and only if nothing failed), 130
    Ctrl-C.
    """
    if accounts and organization:
        raise click.UsageError("--accounts and --organization exclude each other: name accounts, or take them all")
    if organization and not role_name:
        raise click.UsageError("--organization needs --role-name, the role to assume in the other accounts")
    if role_name and not (accounts or organization):
        raise click.UsageError("--role-name is for other accounts: add --accounts or --organization")
    if external_id and not role_name:
        raise click.UsageError("--external-id is for a role: add --role-name")
    wanted = Wanted(days, accounts, organization, role_name, external_id)
    with terminal.logging_to_standard_error():
        sys.exit(_run(wanted, form, output, fail_on_findings=fail_on_findings))


def _run(wanted: Wanted, form: str, output: Path | None, *, fail_on_findings: bool) -> int:
    try:
        look = look_at(wanted, datetime.now(UTC))
        _write(look, form, output)
    except CredentialsUnusable as error:
        logger.error(str(error))
        return terminal.USAGE
    except HammerError as error:
        logger.error(str(error))
        return terminal.FAILED
    except (ClientError, BotoCoreError) as error:
        logger.error("AWS: %s", error)
        return terminal.FAILED
    except OSError as error:
        logger.error("The result cannot be written: %s", error)
        return terminal.FAILED
    except KeyboardInterrupt:
        logger.error("Interrupted; nothing was changed anywhere")
        # The threads are in the middle of reads, which nobody has to wait for.
        os._exit(terminal.INTERRUPTED)
    if look.failed:
        return terminal.FAILED
    return FINDINGS if fail_on_findings and look.idle_keys else terminal.OK


def look_at(wanted: Wanted, now: datetime) -> FirstLook:
    """Scan what is wanted, as of `now` (UTC); accounts that could not be scanned are part of the answer.

    Raises CredentialsUnusable, AwsCallFailed if it is not known which accounts there are, and click.UsageError if an
    account is not the caller's own and no role is named.
    """
    own, caller = _signed_in()
    names = dict.fromkeys(wanted.accounts or (caller.account,), "")
    if wanted.organization:
        client = own.client("organizations", config=CLIENT_CONFIG)
        names = organizations.active_accounts(client, instead="name the accounts with --accounts")
    access = AccountAccess(
        own.region_name, caller.partition, caller.account, wanted.role_name, external_id=wanted.external_id
    )
    accounts = [access.account_of(id, name) for id, name in names.items()]
    others = [account.id for account in accounts if account.role == ""]
    if others:
        raise click.UsageError(
            f"the credentials are of account {caller.account}; to scan {', '.join(others)}, add --role-name, the "
            "role to assume there"
        )
    logger.info("Accounts to scan: %d, as %s", len(accounts), caller.arn)
    with terminal.progress("Scanning", len(accounts)) as advance:
        scanner = Scanner(own, access, wanted.days, now, _Tally(advance))
        pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            found = list(pool.map(scanner.scan, accounts))
        finally:
            # Ctrl-C does not wait for them.
            pool.shutdown(wait=False, cancel_futures=True)
    look = first_look(
        [each for each in found if isinstance(each, AccountKeys)],
        [each for each in found if isinstance(each, FailedAccount)],
        wanted.days,
        now,
    )
    logger.info(
        "Accounts scanned: %d of %d; keys not used for more than %d days: %d",
        len(look.accounts),
        len(accounts),
        look.days,
        len(look.idle_keys),
    )
    return look


def _signed_in() -> tuple[boto3.Session, Caller]:
    """A session with the credentials that there are, and whose they are."""
    try:
        own = boto3.Session(region_name=boto3.Session().region_name or _HOME_REGION)
        answer = own.client("sts", config=_FIRST_CALL).get_caller_identity()
    except (ConnectionError, HTTPClientError) as error:
        raise AwsCallFailed(f"AWS cannot be reached (sts:GetCallerIdentity): {error}") from error
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise AwsCallFailed(
                f"AWS does not say whose the credentials are (sts:GetCallerIdentity): {error}"
            ) from error
        raise CredentialsUnusable(
            f"AWS does not accept these credentials (sts:GetCallerIdentity): {error}. Sign in again, or name another "
            "profile with AWS_PROFILE. In GovCloud or China set AWS_REGION to a region there."
        ) from error
    except BotoCoreError as error:
        raise CredentialsUnusable(
            f"There are no usable AWS credentials: {error}. Sign in (`aws sso login`, `aws configure`) or name a "
            "profile with AWS_PROFILE; `aws sts get-caller-identity` shows whether it worked."
        ) from error
    return own, Caller(answer["Account"], answer["Arn"].split(":")[1], answer["Arn"])


class _Tally:
    """What the bar says: accounts that are done, and the users and calls so far, which also move in a large one."""

    def __init__(self, advance: terminal.Advance) -> None:
        self._advance = advance
        self._lock = Lock()
        self._users = 0
        self._calls = 0

    def answered(self, parsed: Mapping[str, Any], **_: object) -> None:
        """Take note of an answer of IAM (botocore's event after-call)."""
        self._add(users=len(parsed.get("Users", ())), calls=1, accounts=0)

    def account_is_done(self) -> None:
        self._add(users=0, calls=0, accounts=1)

    def _add(self, *, users: int, calls: int, accounts: int) -> None:
        with self._lock:
            self._users += users
            self._calls += calls
            self._advance(f"{self._users:,} users, {self._calls:,} calls", accounts)


class Scanner:
    """Scans accounts: the caller's with its own session, others with the role that is assumed there."""

    def __init__(self, own: boto3.Session, access: AccountAccess, days: int, now: datetime, tally: _Tally) -> None:
        self._own = own
        # One for all of them: a profile that asks for an MFA code asks once.
        self._sts = own.client("sts", config=CLIENT_CONFIG)
        self._access = access
        self._days = days
        self._now = now
        self._tally = tally

    def scan(self, account: Account) -> AccountKeys | FailedAccount:
        """The keys of an account, or why they cannot be had."""
        try:
            return self._keys_of(account)
        except HammerError as error:
            cause = str(error)
        except Exception as error:
            # A mistake of ours on one account must not lose the others.
            cause = f"The scan failed in {account}: {error!r}"
        finally:
            self._tally.account_is_done()
        logger.error(cause)
        return FailedAccount(account.id, account.name, cause)

    def _keys_of(self, account: Account) -> AccountKeys:
        days, now = days_to_read(self._days), self._now
        iam = IamClients(account, partial(self._client, self._session(account)))
        listing = scan_access_keys(iam, lambda moment: is_long_ago(moment, days, now), (), now)
        if listing.report_problem:
            logger.warning(
                "Account %s: every key is listed, which takes longer: %s", account.id, listing.report_problem
            )
        return AccountKeys(account.id, account.name, listing.users, listing.keys)

    def _session(self, account: Account) -> boto3.Session:
        if account.role is None:
            return self._own
        return self._access.session_in(account, PURPOSE, self._sts)

    def _client(self, session: boto3.Session) -> IAMClient:
        client = session.client("iam", config=CLIENT_CONFIG)
        client.meta.events.register("after-call.iam", self._tally.answered)
        return client


def _write(look: FirstLook, form: str, output: Path | None) -> None:
    if output is None:
        _print(look, form, sys.stdout)
        sys.stdout.flush()
        return
    text = io.StringIO()
    _print(look, form, text)
    write(output, text.getvalue())
    logger.info("Written: %s", output)


def _print(look: FirstLook, form: str, file: TextIO) -> None:
    if form == "json":
        file.write(json.dumps(as_object(look), indent=2, ensure_ascii=False) + "\n")
    elif form == "csv":
        file.write(csv_text([field.name for field in fields(IdleKey)], rows(look)))
    elif form == "html":
        file.write(render(page_of(look)))
    else:
        _print_tables(look, file)


def _print_tables(look: FirstLook, file: TextIO) -> None:
    console = terminal.console(file)
    if look.idle_keys:
        title = f"Not used for more than {look.days} days, longest idle first"
        console.print(terminal.table_of(title, _HEADINGS, [_cells(key) for key in look.idle_keys]))
    else:
        console.print(f"No Active key was unused for more than {look.days} days.")
    counts = [(f"{each.days} days", f"{each.keys:,}") for each in look.thresholds]
    tables = [terminal.table_of("What a threshold would catch", ("threshold", "keys it would catch"), counts)]
    if len(look.accounts) > 1:
        by_account = [
            (each.account, each.account_name, f"{each.idle_keys:,}", f"{each.users:,}") for each in look.accounts
        ]
        tables.append(terminal.table_of("By account", ("account", "name", "idle keys", "users"), by_account))
    if look.failed:
        failed = [(each.account, each.account_name, each.error) for each in look.failed]
        tables.append(terminal.table_of("Not scanned, and not counted above", ("account", "name", "why"), failed))
    for table in tables:
        console.print()
        console.print(table)


def _cells(key: IdleKey) -> tuple[str, ...]:
    account = f"{key.account_name} ({key.account})" if key.account_name else key.account
    used = f"{key.last_used:%Y-%m-%d %H:%M}" if key.last_used else "never"
    service, region = key.last_used_service or "", key.last_used_region or ""
    return account, key.user, key.key, f"{key.created:%Y-%m-%d}", used, service, region, str(key.idle_days)


if __name__ == "__main__":
    main()
