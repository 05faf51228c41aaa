"""What a failed call to AWS becomes: an error of ours, which keeps AWS's code, status and own sentence.

Whoever imports this has clients, also those that were made elsewhere, whose calls end in one of AWS_ERRORS or well.
"""

from __future__ import annotations

from traceback import walk_tb
from typing import TYPE_CHECKING, Any, TypeAlias

import botocore.handlers
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidConfigError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)
from botocore.parsers import ResponseParserError

from library.aws.answers import check, not_understood
from library.errors import AccessDenied, AwsCallFailed, AwsUnusable, CredentialsUnusable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.messages import Message

DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"})
"""The codes with which AWS's services refuse a call."""

_NOT_ACCEPTED = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
"""The codes with which AWS's services refuse credentials, whatever they are used for."""
_NONE_USABLE = (
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
    UnknownCredentialError,
)
NO_ANSWER = (ConnectionError, HTTPClientError)
"""What a call ends with if AWS cannot be reached."""

AwsError: TypeAlias = ClientError | BotoCoreError | ResponseParserError
AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""What a call can end with; botocore has no common base for them. The last one is an answer that is none of AWS's."""


_PARSERS, _AFTER_THEM = "botocore.parsers", "botocore.endpoint"
_CODES = "botocore.model"


class _Understood:
    """A part of every client: what botocore's parsers fail on is no answer of AWS, and not a mistake of ours."""

    def _make_api_call(self, operation_name: str, api_params: Mapping[str, Any]) -> Any:
        try:
            return super()._make_api_call(operation_name, api_params)  # type: ignore[misc]
        except ResponseParserError as error:
            # What follows is the whole answer, which may hold the keys of a role.
            raise ResponseParserError(str(error).partition(", invalid XML received")[0]) from None
        except AWS_ERRORS:
            raise
        except (LookupError, ValueError, TypeError, AttributeError, NameError) as error:
            if not _is_about_the_answer(error):
                raise
            raise not_understood(f"{type(error).__name__}: {error}") from error


def _is_about_the_answer(error: Exception) -> bool:
    """Whether it was raised while the answer was read, and not by whoever is asked before or after that."""
    modules = [frame.f_globals["__name__"] for frame, _ in walk_tb(error.__traceback__)]
    return _PARSERS in modules or modules[-1] == _AFTER_THEM or (_AFTER_THEM in modules and modules[-1] == _CODES)


def _understand(base_classes: list[type], **_: object) -> None:
    base_classes.insert(0, _Understood)


# boto3's way to extend every client (Boto3 documentation, Extensibility guide).
_HANDLERS: list[Any] = botocore.handlers.BUILTIN_HANDLERS
_HANDLERS.extend((("creating-client-class", _understand), ("after-call", check)))


def error_of(call: str, error: AwsError, text: str, *, id: Message | None = None) -> AwsCallFailed:
    """Our error for a call (`iam:ListUsers`) that failed, which says `text`."""
    if not isinstance(error, ClientError):
        return AwsCallFailed(text, call=call, id=id)
    kind = AccessDenied if is_denied(error) else AwsCallFailed
    return kind(text, call=call, code=code_of(error), status=_status_of(error), id=id)


def unusable(call: str, error: BaseException | None) -> AwsUnusable | None:
    """Our error if a call with this process's own credentials failed for what every other call fails for, too."""
    if isinstance(error, ClientError) and code_of(error) in _NOT_ACCEPTED:
        return not_accepted(call, error)
    if isinstance(error, NO_ANSWER):
        return AwsUnusable(f"AWS cannot be reached ({call}): {error}", call=call)
    return none_usable(error) if isinstance(error, _NONE_USABLE) else None


def not_accepted(call: str, error: ClientError) -> CredentialsUnusable:
    """AWS refuses the credentials."""
    return CredentialsUnusable(
        f"AWS does not accept these credentials ({call}): {error}. Sign in again, or name another profile with "
        "AWS_PROFILE. In GovCloud or China name a region there with AWS_DEFAULT_REGION.",
        call=call,
        code=code_of(error),
        status=_status_of(error),
    )


def none_usable(error: BotoCoreError) -> CredentialsUnusable:
    """There are no credentials."""
    return CredentialsUnusable(
        f"There are no usable AWS credentials: {error}. Sign in (`aws sso login`, `aws configure`) or name a "
        "profile with AWS_PROFILE; `aws sts get-caller-identity` shows whether it worked."
    )


def is_denied(error: AwsError) -> bool:
    """Whether AWS refused the call for want of a permission."""
    return code_of(error) in DENIED


def code_of(error: AwsError) -> str:
    """AWS's error code; empty if AWS did not answer, or without one."""
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""


def sentence_of(error: AwsError) -> str:
    """Of a refusal what AWS says of it, which names the policy that is to blame; else botocore's account of it."""
    if isinstance(error, ClientError) and is_denied(error):
        return _message_of(error) or code_of(error)
    return str(error)


def said_by(error: AwsError) -> str:
    """What AWS itself says of a failed call, on one line; botocore's account of it where AWS has said nothing."""
    said = _message_of(error) if isinstance(error, ClientError) else ""
    return " ".join((said or str(error)).split())


def _message_of(error: ClientError) -> str:
    said: object = error.response.get("Error", {}).get("Message")
    return said if isinstance(said, str) else ""


def _status_of(error: ClientError) -> int | None:
    # An error inside a stream of events has none.
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
