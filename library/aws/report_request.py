"""Has IAM make the credential report of an account, and waits for it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

from library.aws.credential_report import CredentialReport, UnusableReport
from library.errors import AwsCallFailed, HammerError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from library.aws.iam_clients import IamClients

REPORT_PAUSES = (2.0, 1.25, 1.75, 3.0, 5.0, 7.0, 10.0, 10.0, 20.0)
"""Seconds before each look whether the report is ready, which mostly takes a few: a minute in all."""

_NOT_READY = "ReportInProgress"


@dataclass(frozen=True, slots=True)
class Fetched:
    """A report; `made_meanwhile` is whether it was made after the scan began."""

    report: CredentialReport
    made_meanwhile: bool


class ReportRequest:
    """The report of an account for the scan that began at `now` (UTC), asked for beside everything else.

    `is_long_ago` is whether a key last used at a time (UTC) is idle; a report that old is of no use.
    """

    def __init__(self, iam: IamClients, is_long_ago: Callable[[datetime], bool], now: datetime) -> None:
        self._iam = iam
        self._is_long_ago = is_long_ago
        self._now = now
        self._done, self._given_up = Event(), Event()
        self._fetched: Fetched | None = None
        self._error: BaseException | None = None
        pool = ThreadPoolExecutor(1)
        pool.submit(self._run)
        pool.shutdown(wait=False)

    @property
    def arrived(self) -> bool:
        """Whether it is known by now if there is a report."""
        return self._done.is_set()

    def result(self, patience: float | None = None) -> Fetched | None:
        """The report; None if it is not there after so many seconds.

        Raises UnusableReport or AwsCallFailed if it cannot be had.
        """
        if not self._done.wait(patience):
            return None
        if self._error is not None:
            raise self._error
        return self._fetched

    def give_up(self) -> None:
        """Wait for it no longer."""
        self._given_up.set()

    def _run(self) -> None:
        try:
            self._fetched = self._fetch()
        except BaseException as error:
            self._error = error
        self._done.set()

    def _fetch(self) -> Fetched:
        begun = state = self._iam.call("GenerateCredentialReport").get("State", "")
        for pause in REPORT_PAUSES:
            if state != "COMPLETE" and self._given_up.wait(pause):
                break
            try:
                answer = self._iam.call("GetCredentialReport")
            except AwsCallFailed as error:
                if error.code != _NOT_READY:
                    raise
                state = "INPROGRESS"
                continue
            content, made = answer["Content"], answer["GeneratedTime"]
            if self._is_long_ago(made):
                raise UnusableReport(f"the credential report is of {made.isoformat()}")
            report = CredentialReport(content, self._is_long_ago, made)
            return Fetched(report, made_meanwhile=begun == "STARTED" and made >= self._now)
        raise UnusableReport(f"the credential report was not ready after {sum(REPORT_PAUSES):.0f} seconds")


def usable(request: ReportRequest, patience: float | None = None) -> tuple[Fetched | None, str]:
    """The report if it can be had within so many seconds, and why it cannot be had at all, if that is known."""
    try:
        return request.result(patience), ""
    except HammerError as error:
        return None, str(error)
