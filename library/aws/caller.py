"""Whose AWS credentials these are."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from library.aws.calls import error_of, part_of
from library.aws.sessions import CLIENT_CONFIG
from library.errors import CredentialsUnusable

_HOME_REGION = "us-east-1"
"""Where STS is asked if no region is set: IAM has none, and the credentials are good in every region."""
# Fail fast when offline: three attempts instead of ten.
_FIRST_CALL = CLIENT_CONFIG.merge(ClientConfig(retries={"mode": "standard", "total_max_attempts": 3}))


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the credentials belong to: the account's id, its partition (`aws`, `aws-cn`, …) and the caller's ARN."""

    account: str
    partition: str
    arn: str


def signed_in() -> tuple[boto3.Session, Caller]:
    """A session with the credentials that the AWS command line would use, and whose they are.

    Raises CredentialsUnusable if there are none or AWS does not accept them, and AwsCallFailed if AWS cannot say.
    """
    try:
        own = boto3.Session(region_name=boto3.Session().region_name or _HOME_REGION)
        answer = own.client("sts", config=_FIRST_CALL).get_caller_identity()
    except (ConnectionError, HTTPClientError) as error:
        text = f"AWS cannot be reached (sts:GetCallerIdentity): {error}"
        raise error_of("sts:GetCallerIdentity", error, text) from error
    except ResponseParserError as error:
        text = f"What answers is not AWS (sts:GetCallerIdentity): {error}"
        raise error_of("sts:GetCallerIdentity", error, text) from error
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            text = f"AWS does not say whose the credentials are (sts:GetCallerIdentity): {error}"
            raise error_of("sts:GetCallerIdentity", error, text) from error
        raise CredentialsUnusable(
            f"AWS does not accept these credentials (sts:GetCallerIdentity): {error}. Sign in again, or name another "
            "profile with AWS_PROFILE. In GovCloud or China set AWS_REGION to a region there."
        ) from error
    except BotoCoreError as error:
        raise CredentialsUnusable(
            f"There are no usable AWS credentials: {error}. Sign in (`aws sso login`, `aws configure`) or name a "
            "profile with AWS_PROFILE; `aws sts get-caller-identity` shows whether it worked."
        ) from error
    where = "AWS does not say whose the credentials are"
    account, arn = (part_of(answer, name, "sts:GetCallerIdentity", where) for name in ("Account", "Arn"))
    return own, Caller(account, arn.split(":")[1], arn)
