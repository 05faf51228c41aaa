"""Runs ministack as `python -m ministack` does, after mending what would hide the end of a function's log.

IAM_CREATED, if it is set, is when everything in IAM was created: ministack itself makes no idle keys.
"""

import os
import runpy
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.lambda_runtime import Worker
from ministack.services import cloudformation, iam

_SECONDS_FOR_THE_FIRST_LINE = 0.5
_SECONDS_OF_SILENCE = 0.2
_SECONDS_AT_MOST = 5.0
_STACK_SETS = (
    *("CreateStackSet", "UpdateStackSet", "DescribeStackSet", "DeleteStackSet"),
    *("CreateStackInstances", "ListStackInstances", "DeleteStackInstances"),
    *("DescribeStackSetOperation", "ListStackSetOperationResults"),
)


def main() -> None:
    """Serve until the process is ended."""
    # ministack takes a run's log for complete after 5 ms of silence. On a busy machine lines come later than that,
    # and appear in the log of another run, or never.
    Worker._drain_stderr_bounded.__defaults__ = (_SECONDS_FOR_THE_FIRST_LINE, _SECONDS_OF_SILENCE, _SECONDS_AT_MOST)
    if created := os.environ.get("IAM_CREATED"):
        iam._now = lambda: created
    _mend_permissions()
    _mend_principals()
    if (accounts := os.environ["AWS_ENDPOINT_URL_IAM"]) != os.environ["AWS_ENDPOINT_URL"]:
        _add_stack_sets(accounts)
    runpy.run_module("ministack", run_name="__main__", alter_sys=True)


def _mend_permissions() -> None:
    """Have ministack ask for the permissions that AWS's Service Authorization Reference names, where it does not."""
    action_of, resource_of = iam_actions.extract_iam_action, iam_actions.extract_resource_arn

    def action(*request: Any) -> str | None:
        found = action_of(*request)
        return "sns:Publish" if found == "sns:PublishBatch" else found

    def resource(*request: Any) -> str:
        found: str = resource_of(*request)
        service, region, account = request[0], *request[-2:]
        if service == "iam" and found == "*":
            key = iam._access_keys.get(iam_actions._query_param(request[5], "AccessKeyId"))
            return f"arn:aws:iam::{account}:user/{key['UserName']}" if key else found
        if service == "logs":
            group = f"arn:aws:logs:{region}:{account}:log-group:" if found == "*" else f"{found}:"
            stream = iam_actions._safe_json_field(request[4], "logStreamName")
            return f"{group}log-stream:{stream}"
        return found

    iam_actions.extract_iam_action, iam_actions.extract_resource_arn = action, resource


def _mend_principals() -> None:
    """Have ministack take for aws:PrincipalArn of a role's session what AWS does: the role's ARN.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
    """
    value_of = iam_evaluator._resolve_condition_key

    def value(key: str, context: Any) -> Any:
        found = value_of(key, context)
        if key.lower() != "aws:principalarn" or ":assumed-role/" not in found:
            return found
        role = iam._roles.get_scoped(context.principal_account, None, found.split("/")[1])
        return role["Arn"] if role else found

    iam_evaluator._resolve_condition_key = value


def _add_stack_sets(accounts: str) -> None:
    """Have the server of the scanned accounts, in which their roles are, answer what ministack does not know."""
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/20260101/{os.environ['AWS_REGION']}/cloudformation/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"

    def ask(parameters: dict[str, list[str]]) -> tuple[int, dict[str, str], bytes]:
        body = urllib.parse.urlencode(parameters, doseq=True).encode()
        request = urllib.request.Request(accounts, body, {"Authorization": authorization})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, {"Content-Type": "text/xml"}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {"Content-Type": "text/xml"}, error.read()

    for operation in _STACK_SETS:
        cloudformation._ACTION_HANDLERS.setdefault(operation, ask)


if __name__ == "__main__":
    main()
