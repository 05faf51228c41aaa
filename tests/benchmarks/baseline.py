"""What anybody would write: list the users, ask for the keys of each, ask for the last use of each Active key."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import boto3

if TYPE_CHECKING:
    from tests.benchmarks.account import Fact


def idle_keys(criteria_days: int, now: datetime) -> tuple[list[Fact], int]:
    """Every idle key, sorted, and how many calls it took."""
    client = boto3.client("iam")
    calls: list[None] = []
    client.meta.events.register("before-send.iam", lambda **_: calls.append(None))
    found: list[Fact] = []
    for page in client.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1000}):
        for user in page["Users"]:
            for key in client.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]:
                if key["Status"] != "Active":
                    continue
                use = client.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
                used = use.get("LastUsedDate")
                if now - (used or key["CreateDate"]) > timedelta(days=criteria_days):
                    names = (key["AccessKeyId"], user["UserName"], user["UserId"])
                    found.append((*names, _seconds(key["CreateDate"]), _seconds(used) if used else None))
    return sorted(found), len(calls)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
