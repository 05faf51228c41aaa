"""A small JIRA, spoken to over real HTTP, that keeps what it is told and fails when it is asked to.

`site` is what it holds, `routes` which call is carried out by what, `stand_in` the server. A new way to refuse a call
is a check in a table (`tickets.CREATION`), a column of the table of routes, or a `Rule` that a test adds.
"""

from deployment.local.jira_stand_in.callers import (
    DEFAULT_ACCESS_TOKEN,
    DEFAULT_CONSUMER_KEY,
    DEFAULT_PASSWORD,
    DEFAULT_TOKEN,
    DEFAULT_USERNAME,
)
from deployment.local.jira_stand_in.calls import JiraRequest
from deployment.local.jira_stand_in.site import Flavour, JiraIssue, JiraSite, JiraUser, Transition
from deployment.local.jira_stand_in.stand_in import JiraStandIn

__all__ = [
    "DEFAULT_ACCESS_TOKEN",
    "DEFAULT_CONSUMER_KEY",
    "DEFAULT_PASSWORD",
    "DEFAULT_TOKEN",
    "DEFAULT_USERNAME",
    "Flavour",
    "JiraIssue",
    "JiraRequest",
    "JiraSite",
    "JiraStandIn",
    "JiraUser",
    "Transition",
]
