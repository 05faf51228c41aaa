"""The id of each message at ERROR and WARNING that an operator may meet, declared once.

The id begins the line, and deployment/OPERATING.md has a row for each, which says what to do. So the words of a
message may get better at any time. `E-` stands for a line at ERROR, `W-` for one at WARNING.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Message(StrEnum):
    """An id is never given to another message, also after its own is gone."""

    CONFIGURATION_UNUSABLE = "E-CONFIG-01"
    CONFIGURATION_DOUBTFUL = "W-CONFIG-01"
    EXEMPTION_MEANS_NOTHING = "W-CONFIG-02"

    AWS_FAILED = "E-AWS-01"
    ACCESS_DENIED = "E-AWS-02"
    ROLE_NOT_ASSUMED = "E-AWS-03"
    ORGANIZATION_NOT_LISTED = "E-AWS-04"
    IDENTITY_UNKNOWN = "E-AWS-05"
    CREDENTIALS_UNUSABLE = "E-AWS-06"

    TABLE_FAILED = "E-TABLE-01"
    ROW_UNREADABLE = "E-TABLE-02"
    ROW_KEPT_CHANGING = "E-TABLE-03"
    ROW_REMOVED = "E-TABLE-04"
    STATE_NOT_UNDERSTOOD = "E-TABLE-05"

    SCAN_NOT_ASKED_FOR = "E-SCAN-01"
    SCAN_MESSAGE_NOT_UNDERSTOOD = "E-SCAN-02"
    USERS_KEEP_VANISHING = "E-SCAN-03"
    SCAN_CUT_OFF = "E-SCAN-04"
    USERS_PROTECTED = "E-SCAN-05"
    SHORTCUT_WAS_WRONG = "E-SCAN-06"
    ACCOUNT_NOT_SCANNED = "E-SCAN-07"
    EVERY_KEY_IS_LISTED = "W-SCAN-01"
    ACCOUNT_LEFT_ALONE = "W-SCAN-02"
    REPORT_WITHOUT_SCAN = "W-SCAN-03"
    NOT_ARCHIVED = "W-SCAN-04"

    UNEXPECTED = "E-RUN-01"
    ANOTHER_RUN = "E-RUN-02"
    FILE_OR_NETWORK = "E-RUN-03"
    INTERRUPTED = "E-RUN-04"
    NOTHING_NAMED_SO = "E-RUN-05"
    SECRET_UNUSABLE = "E-RUN-06"
    CRON_NOT_WRITTEN = "E-RUN-07"
    BOOTSTRAP_FAILED = "E-RUN-08"
    LEASE_LOST = "E-RUN-09"
    RUN_TOO_LONG = "E-RUN-10"
    HOST_NOT_UPDATED = "E-RUN-11"
    LOGS_STAY_HERE = "W-RUN-01"
    NO_CHANNEL = "W-RUN-02"
    SWITCHED_OFF_IN_CONFIGURATION = "W-RUN-03"
    NOBODY_TO_ASK = "W-RUN-04"
    STOPPING = "W-RUN-05"
    CLOSING_WAITS = "W-RUN-06"
    LEASE_NOT_GIVEN_BACK = "W-RUN-07"
    STOPPED_BY_HAND = "W-RUN-08"
    TOKEN_FOR_ANY_SERVER = "W-RUN-09"

    KEY_NOT_LOOKED_AT = "E-KEY-01"
    KEY_NOT_SWITCHED = "E-KEY-02"
    FAILURES_IN_A_ROW = "E-KEY-03"

    JIRA_UNREACHABLE = "E-JIRA-01"
    JIRA_LOGIN = "E-JIRA-02"
    JIRA_REFUSED = "E-JIRA-03"
    NOT_JIRA = "E-JIRA-04"
    JIRA_GIVEN_UP = "E-JIRA-05"
    NO_CLOSING_TRANSITION = "E-JIRA-06"
    TICKET_GONE = "E-JIRA-07"
    NO_PROJECT = "E-JIRA-08"
    TICKET_LOOKED_FOR = "E-JIRA-09"
    NOT_BROWSABLE = "E-JIRA-10"
    TICKET_HIDDEN_OR_LOST = "E-JIRA-11"
    TICKET_NOT_OURS = "W-JIRA-05"
    JIRA_WILL_REFUSE = "W-JIRA-06"
    JIRA_NOT_ASKED = "W-JIRA-07"
    TICKET_ARCHIVED = "W-JIRA-04"
    JIRA_PERSON_UNKNOWN = "W-JIRA-01"
    TICKET_WITHOUT_A_PART = "W-JIRA-02"
    TICKET_GONE_MEANWHILE = "W-JIRA-03"

    SLACK_UNREACHABLE = "E-SLACK-01"
    SLACK_LIMIT = "E-SLACK-02"
    SLACK_SCOPE = "E-SLACK-03"
    SLACK_NOBODY_TOLD = "E-SLACK-04"
    NO_SLACK_OWNER = "E-SLACK-06"
    NOT_SLACK = "E-SLACK-07"
    SLACK_REDIRECTS = "E-SLACK-08"
    SLACK_LOGIN = "E-SLACK-09"
    SLACK_RECIPIENT_UNKNOWN = "W-SLACK-01"
    SLACK_WILL_REFUSE = "W-SLACK-02"
    SLACK_NOT_ASKED = "W-SLACK-03"

    OTHER_ACCOUNT = "E-DEPLOY-01"
    NO_STACK = "E-DEPLOY-02"
    STACK_FAILED = "E-DEPLOY-03"
    STACK_SET_FAILED = "E-DEPLOY-04"
    PUBLISHED_UNREAD = "E-DEPLOY-05"
    PUBLISHED_BESIDE_FILES = "E-DEPLOY-06"
    NOTHING_TO_STORE = "E-DEPLOY-07"
    SECRET_NOT_WRITTEN = "E-DEPLOY-08"
    LEFT_IN_THE_QUEUE = "E-DEPLOY-09"
    NOT_BUILT = "E-DEPLOY-10"
    NOTHING_PUBLISHED_BEFORE = "E-DEPLOY-11"


class Log(Protocol):
    """What a logger of the standard library and one of the functions have in common."""

    def error(self, msg: object, /, *args: object) -> None:
        """Write a line at ERROR."""

    def warning(self, msg: object, /, *args: object) -> None:
        """Write a line at WARNING."""


def line(message: Message, text: str) -> str:
    """The line of a message, as it is logged or printed."""
    return f"{message} {text}"


def error(log: Log, message: Message, text: str) -> None:
    """Log a message at ERROR."""
    log.error("%s %s", message, text)


def warning(log: Log, message: Message, text: str) -> None:
    """Log a message at WARNING."""
    log.warning("%s %s", message, text)
