"""Could not look is never told as there is none: what holds for all accounts is said once, in the same words."""

from __future__ import annotations

import shutil
import socket
from typing import TYPE_CHECKING

import boto3
import pytest

from tests.wire import Wire, json_failure
from tests.world import REMEDIATION, REPORTING, RESTORE, SHOW, TABLE

if TYPE_CHECKING:
    from tests.world.estate import Estate

REPORT = "reporting.inactive_keys_report"
CHECK = "remediation.check_access"
COMMANDS = {
    SHOW: ["--key", "AKIANOSUCHKEY0000000"],
    REPORT: [],
    REPORTING: [],
    REMEDIATION: ["--batch"],
    f"{REMEDIATION} --dry-run": ["--dry-run"],
    RESTORE: ["--key", "AKIANOSUCHKEY0000000", "--batch"],
    CHECK: [],
}


def nobody(_estate: Estate, patch: pytest.MonkeyPatch, _wire: Wire) -> None:
    patch.delenv("AWS_ACCESS_KEY_ID")
    patch.delenv("AWS_SECRET_ACCESS_KEY")


def expired(_estate: Estate, _patch: pytest.MonkeyPatch, wire: Wire) -> None:
    for operation in ("GetItem", "StateTable.GetItem", "StateTable.UpdateItem", "Query", "GetCallerIdentity"):
        wire.react(operation, lambda _: json_failure("ExpiredTokenException"))


def unreachable(_estate: Estate, patch: pytest.MonkeyPatch, _wire: Wire) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")


def no_table(_estate: Estate, _patch: pytest.MonkeyPatch, _wire: Wire) -> None:
    boto3.client("dynamodb").delete_table(TableName=TABLE)


CAUSES = {
    nobody: (2, "E-AWS-06 There are no usable AWS credentials: "),
    expired: (2, "E-AWS-06 AWS does not accept these credentials ("),
    unreachable: (1, "E-AWS-01 AWS cannot be reached ("),
    no_table: (1, f"E-TABLE-01 table '{TABLE}' (dynamodb:GetItem): there is no such table in eu-west-1"),
}


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_holds_for_all_accounts_is_said_once_and_ends_the_run(
    estate: Estate, wire: Wire, monkeypatch: pytest.MonkeyPatch, command: str, cause: object
) -> None:
    if command == CHECK and cause is no_table:
        pytest.skip("a table that is missing is one of the things that it finds out")
    cause(estate, monkeypatch, wire)  # type: ignore[operator]
    code, said = CAUSES[cause]  # type: ignore[index]
    result = estate.run(command.split()[0], *COMMANDS[command])
    assert result.exit_code == code, result.output
    errors = [line for line in result.output.splitlines() if " ERROR " in line]
    assert len(errors) == 1, result.output
    assert said in errors[0]
    assert "no issue" not in result.output


def test_a_page_that_knows_nothing_does_not_replace_the_last_good_one(
    estate: Estate, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate.add_issue("joe")
    page = estate.folder / "page.html"
    assert estate.run(REPORT, "--output", str(page)).exit_code == 0
    good = shutil.copy(page, estate.folder / "good.html")
    wire.react("Query", lambda _: json_failure("AccessDeniedException"))
    result = estate.run(REPORT, "--output", str(page))
    assert result.exit_code == 1
    assert "No account could be read, so no report is written" in result.output
    wire.withdraw("Query")
    nobody(estate, monkeypatch, wire)
    assert estate.run(REPORT, "--output", str(page)).exit_code == 2
    assert page.read_bytes() == (estate.folder / good).read_bytes()
