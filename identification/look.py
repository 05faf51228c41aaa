"""Scans the accounts that a first look is to cover, several at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import click

from library import messages
from library.aws import organizations
from library.aws.caller import signed_in
from library.aws.key_lists import KeyLists
from library.aws.sessions import CLIENT_CONFIG, Account, AccountAccess
from library.cli import terminal
from library.cli.logs import logger
from library.errors import HammerError
from library.messages import Message
from library.reports.first_look import AccountKeys, FailedAccount, FirstLook, days_to_read, first_look

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from library.aws_clients import Session

PURPOSE = "hammer-first-look"
"""The name of the sessions of assumed roles, in the CloudTrail of each account."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts to look at, and how to reach those that are not the caller's own.

    `days` is the criterion. Without `accounts` and `organization` it is the caller's account alone.
    """

    days: int
    accounts: tuple[str, ...] = ()
    organization: bool = False
    role_name: str = ""
    external_id: str = ""


def look_at(wanted: Wanted, now: datetime) -> FirstLook:
    """Scan what is wanted, as of `now` (UTC); accounts that could not be scanned are part of the answer.

    Raises CredentialsUnusable, AwsCallFailed if it is not known which accounts there are, and click.UsageError if an
    account is not the caller's own and no role is named.
    """
    own, caller = signed_in()
    access = AccountAccess(
        own.region_name, caller.partition, caller.account, wanted.role_name, external_id=wanted.external_id
    )
    accounts = _accounts(own, access, wanted)
    logger.info("Accounts to scan: %d, as %s", len(accounts), caller.arn)
    with terminal.progress("Scanning", len(accounts)) as advance:
        tally = _Tally(advance)
        key_lists = KeyLists(own, access, purpose=PURPOSE, answered=tally.answered)
        found = _scanned(key_lists, accounts, days_to_read(wanted.days), now, tally)
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


def _accounts(own: Session, access: AccountAccess, wanted: Wanted) -> list[Account]:
    names = dict.fromkeys(wanted.accounts or (access.own_account_id,), "")
    if wanted.organization:
        client = own.client("organizations", config=CLIENT_CONFIG)
        names = organizations.active_accounts(client, instead="name the accounts with --accounts")
    accounts = [access.account_of(id, name) for id, name in names.items()]
    others = [account.id for account in accounts if account.role == ""]
    if others:
        raise click.UsageError(
            f"the credentials are of account {access.own_account_id}; to scan {', '.join(others)}, add --role-name, "
            "the role to assume there"
        )
    return accounts


class _Tally:
    """What the bar says: accounts that are done, and the users and calls so far, which also move in a large one."""

    def __init__(self, advance: terminal.Advance) -> None:
        self._advance = advance
        self._lock = Lock()
        self._users = 0
        self._calls = 0

    def answered(self, parsed: Mapping[str, Any], **_: object) -> None:
        """Count an answer of IAM (botocore's event after-call)."""
        self._add(users=len(parsed.get("Users", ())), calls=1, accounts=0)

    def account_is_done(self) -> None:
        """Count an account."""
        self._add(users=0, calls=0, accounts=1)

    def _add(self, *, users: int, calls: int, accounts: int) -> None:
        with self._lock:
            self._users += users
            self._calls += calls
            self._advance(f"{self._users:,} users, {self._calls:,} calls", accounts)


def _scanned(
    key_lists: KeyLists, accounts: Sequence[Account], days: int, now: datetime, tally: _Tally
) -> list[AccountKeys | FailedAccount]:
    """The keys of each account, or why they cannot be had, in the order of the accounts."""

    def scan(account: Account) -> AccountKeys | FailedAccount:
        found = _keys_or_failure(key_lists, account, days, now)
        tally.account_is_done()
        return found

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        return list(pool.map(scan, accounts))
    finally:
        # Ctrl-C does not wait for them.
        pool.shutdown(wait=False, cancel_futures=True)


def _keys_or_failure(key_lists: KeyLists, account: Account, days: int, now: datetime) -> AccountKeys | FailedAccount:
    try:
        listing = key_lists.of(account, days, now)
    except HammerError as error:
        cause, id = str(error), error.id
    except Exception as error:
        # A mistake of ours on one account must not lose the others.
        cause, id = f"The scan failed in {account}: {error!r}", Message.UNEXPECTED
    else:
        if listing.report_problem:
            text = f"Account {account.id}: every key is listed, which takes longer: {listing.report_problem}"
            messages.warning(logger, Message.EVERY_KEY_IS_LISTED, text)
        return AccountKeys(
            account.id, account.name, listing.users, listing.keys, listing.active_keys, listing.root_keys
        )
    messages.error(logger, id, cause)
    return FailedAccount(account.id, account.name, cause)
