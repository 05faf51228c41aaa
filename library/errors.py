"""The errors of this project, one sentence each, below one base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Sequence


class HammerError(Exception):
    """Something failed in a way that is understood; the text says what, where and what to do.

    `id` is the message's id, under which the guide says more: that of the class, where none is given.
    """

    ID: ClassVar[Message] = Message.UNEXPECTED

    def __init__(self, text: str, *, id: Message | None = None) -> None:
        self.id = id or self.ID
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration.

    `place` is the path inside the file (`user_inactivekeys.inactive_criteria_days`), empty for the file itself.
    """

    file: str
    place: str
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.place}" if self.place else self.file
        return f"{where}: found {self.found}; expected {self.expected}"


class ConfigurationError(HammerError):
    """The configuration cannot be used; carries every problem of every file, not the first one only."""

    ID = Message.CONFIGURATION_UNUSABLE

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class CredentialsError(HammerError):
    """The secret with the JIRA and Slack credentials cannot be had, or lacks an entry that is needed."""

    ID = Message.SECRET_UNUSABLE


class WrongOption(HammerError):
    """An option of the command line names what the configuration does not know; a sentence for each value."""

    ID = Message.NOTHING_NAMED_SO

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class AlreadyRunning(HammerError):
    """Another run that changes something is going on."""

    ID = Message.ANOTHER_RUN


class LeaseLost(HammerError):
    """This run has lost what keeps every other run out; it may change nothing more."""

    ID = Message.LEASE_LOST


class AwsCallFailed(HammerError):
    """A call to AWS failed permanently, after botocore's retries.

    `call` is what was called (`iam:ListUsers`), empty if no single call is to blame. `code` is AWS's error code
    (`Throttling`) and `status` the HTTP status of its answer; without an answer they are empty and None.
    """

    ID = Message.AWS_FAILED

    def __init__(
        self, text: str, *, call: str = "", code: str = "", status: int | None = None, id: Message | None = None
    ) -> None:
        self.call = call
        self.code = code
        self.status = status
        super().__init__(text, id=id)


class AwsUnusable(AwsCallFailed):
    """A call failed for what is the same for every account: credentials, network, region, table. It ends a run."""


class CredentialsUnusable(AwsUnusable):
    """There are no AWS credentials, or AWS does not accept them."""

    ID = Message.CREDENTIALS_UNUSABLE


class AccessDenied(AwsCallFailed):
    """AWS refused a call: a permission, a trust policy or an external id is missing."""

    ID = Message.ACCESS_DENIED


class RecordChanged(HammerError):
    """A row of the issues table kept changing under a step, which therefore wrote nothing."""

    ID = Message.ROW_KEPT_CHANGING


class TicketError(HammerError):
    """JIRA did not do what was asked of it."""

    ID = Message.JIRA_REFUSED


class MessageError(HammerError):
    """Slack did not deliver a message to anybody."""

    ID = Message.SLACK_NOBODY_TOLD
