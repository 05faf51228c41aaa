"""Switches access keys off and on, account by account, and says why it did not work."""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal

import botocore.session

from library.aws import iam_keys, permissions
from library.aws.calls import AWS_ERRORS, error_of, sentence_of
from library.aws.iam_clients import IamClients
from library.aws.sessions import CLIENT_CONFIG
from library.aws_clients import Session
from library.errors import AccessDenied, AwsCallFailed
from library.issues.whitelist import BY_TAG, exemption_by_tag
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.aws.sessions import AccountAccess
    from library.issues.access_keys import AccessKey
    from library.issues.record import Issue

SESSION_SECONDS = 45 * 60
"""How long an assumed role is used: STS gives it for an hour, and a prompt may wait longer than that."""

_DENIED_BY_TAG = (
    f"The user has the tag {BY_TAG.id}, for which the role may switch none of their keys, off or on: take the tag "
    "off for as long, or switch the key with credentials of your own"
)

_USER = re.compile(r"arn:[^:]+:(?:iam|sts)::([0-9]+):user/(?:.*/)?([^/]+)")


class KeySwitch:
    """The keys of every account, through one session for each, made when it is needed first.

    `names` are the accounts' names by account id. Every method raises AccessDenied or AwsCallFailed, which name the
    account, the role and the call.
    """

    def __init__(self, access: AccountAccess, names: Mapping[str, str]) -> None:
        self._access = access
        self._names = names
        self._clients: dict[str, tuple[float, IamClients]] = {}
        self._session = Session(region_name=access.region)
        self._identity: str | None = None
        # Every profile counts: a role may have been assumed with it, by this process or by what started it.
        profiles = botocore.session.get_session().full_config.get("profiles", {}).values()
        self._known = {os.environ.get("AWS_ACCESS_KEY_ID"), *(each.get("aws_access_key_id") for each in profiles)}

    @property
    def identity(self) -> str:
        """The ARN of the user or role that runs this process; the first look at it takes a call."""
        if self._identity is None:
            try:
                answer = self._session.client("sts", config=CLIENT_CONFIG).get_caller_identity()
            except AWS_ERRORS as error:
                raise error_of(
                    "sts:GetCallerIdentity",
                    error,
                    f"It is not known who runs this (sts:GetCallerIdentity): {sentence_of(error)}",
                    id=Message.IDENTITY_UNKNOWN,
                ) from error
            self._identity = answer["Arn"]
        return self._identity

    def is_own(self, account_id: str, key: AccessKey) -> bool:
        """Whether this process may sign its requests with the key, or get what it signs them with by the key."""
        if key.key_id in self._known:
            return True
        # Read each time, as they may be renewed during the run.
        credentials = self._session.get_credentials()
        if credentials is None:
            return False
        own = credentials.get_frozen_credentials()
        if key.key_id == own.access_key:
            return True
        # A user's session token: AWS does not say which of the user's keys it was made with.
        user = _USER.fullmatch(self.identity) if own.token is not None else None
        return user is not None and user.groups() == (account_id, key.user_name)

    def look(self, issue: Issue) -> AccessKey | None:
        """The issue's key as it is at this moment, None if it does not exist.

        Takes two calls, four if its user was renamed since the scan, and one more to assume the role first.
        """
        iam = self._iam(issue.account_id)
        return iam_keys.find_access_key(iam, issue.issue_id, issue.details.username, denied_is_gone=True)

    def set_status(self, account_id: str, key: AccessKey, status: Literal["Active", "Inactive"]) -> None:
        """Switch the key on or off, and read back that it is so; an error says if the user's tag is in the way."""
        try:
            iam_keys.set_status(self._iam(account_id), key, status)
        except AccessDenied as error:
            if not self._is_tagged(account_id, key):
                raise
            text = f"{error}. {_DENIED_BY_TAG}"
            raise AccessDenied(text, call=error.call, code=error.code, status=error.status, id=error.id) from error

    def _is_tagged(self, account_id: str, key: AccessKey) -> bool:
        with suppress(AwsCallFailed):
            return exemption_by_tag(self.tags_of_user(account_id, key)) is not None
        return False

    def tags_of_user(self, account_id: str, key: AccessKey) -> dict[str, str] | None:
        """The tags of the key's user at this moment, None if there is no such user. Takes a call."""
        return iam_keys.user_tags(self._iam(account_id), key.user_name)

    def is_about_one_user(self, account_id: str, error: AwsCallFailed) -> bool:
        """Whether AWS refused a call for its user's sake: the same one about a user who does not exist is allowed.

        Takes a call, which can have no effect. A refusal to say when a key was used last is taken for one of this
        kind: AWS refuses everybody that of a key that does not exist.
        """
        if not isinstance(error, AccessDenied):
            return False
        nothing = {"UserName": permissions.nobody(), "AccessKeyId": permissions.NO_KEY}
        try:
            if error.call == "iam:UpdateAccessKey":
                self._iam(account_id).call("UpdateAccessKey", **nothing, Status="Inactive")
            elif error.call in ("iam:ListAccessKeys", "iam:ListUserTags"):
                self._iam(account_id).call(error.call.removeprefix("iam:"), UserName=nothing["UserName"])
        except AwsCallFailed as answer:
            return answer.code == "NoSuchEntity"
        return error.call == "iam:GetAccessKeyLastUsed"

    def _iam(self, account_id: str) -> IamClients:
        made, iam = self._clients.get(account_id, (0.0, None))
        # The wall clock, not a monotonic one: the session of a laptop that sleeps ends, too.
        if iam is None or time.time() - made > SESSION_SECONDS:
            account = self._access.account_of(account_id, self._names.get(account_id, account_id))
            session = self._access.session_in(account, "hammer-remediation")
            iam = IamClients(account, partial(session.client, "iam", config=CLIENT_CONFIG))
            self._clients[account_id] = (time.time(), iam)
        return iam


def was_refused(error: AwsCallFailed) -> bool:
    """Whether AWS said that it did not switch the key; anything else leaves open whether it did."""
    return (
        error.call in ("iam:UpdateAccessKey", "sts:AssumeRole")
        and error.status is not None
        and HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    )
