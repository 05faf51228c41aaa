"""Whose AWS credentials these are."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from library.aws.calls import error_of, none_usable, not_accepted, unusable
from library.aws.sessions import FIRST_CALL
from library.aws_clients import Session

_HOME_REGION = "us-east-1"
"""Where STS is asked if no region is set: IAM has none, and the credentials are good in every region."""
_CALL = "sts:GetCallerIdentity"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the credentials belong to: the account's id, its partition (`aws`, `aws-cn`, …) and the caller's ARN."""

    account: str
    partition: str
    arn: str


def signed_in(region: str = "") -> tuple[Session, Caller]:
    """A session with the credentials that the AWS command line would use, and whose they are.

    It is in `region`, without one in that of the environment. Raises CredentialsUnusable if there are none or AWS
    does not accept them, AwsUnusable if AWS cannot be reached, and AwsCallFailed if AWS cannot say.
    """
    try:
        own = Session(region_name=region or Session().region_name or _HOME_REGION)
        answer = own.client("sts", config=FIRST_CALL).get_caller_identity()
    except ResponseParserError as error:
        text = f"What answers is not AWS (sts:GetCallerIdentity): {error}"
        raise error_of(_CALL, error, text) from error
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            text = f"AWS does not say whose the credentials are (sts:GetCallerIdentity): {error}"
            raise error_of(_CALL, error, text) from error
        raise not_accepted(_CALL, error) from error
    except BotoCoreError as error:
        raise unusable(_CALL, error) or none_usable(error) from error
    arn = answer["Arn"]
    return own, Caller(answer["Account"], arn.split(":")[1], arn)
