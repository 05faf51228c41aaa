"""What a JIRA holds: its users, projects and tickets, and the statuses that tickets may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Flavour = Literal["server", "cloud"]

_CATEGORIES = {"To Do": "new", "In Progress": "indeterminate", "Closed": "done", "Done": "done"}


@dataclass(frozen=True, slots=True)
class JiraUser:
    """A user; Server knows them by `name`, Cloud by `account_id`. An e-mail address that is hidden is not shown."""

    name: str
    email: str = ""
    display_name: str = ""
    email_hidden: bool = False
    active: bool = True
    assignable: bool = True

    @property
    def account_id(self) -> str:
        """The id that Cloud uses."""
        return f"712020:{self.name}"


@dataclass(frozen=True, slots=True)
class Transition:
    """A way to the status `to`, whose category is `new`, `indeterminate` or `done`, from those `of`, or from any.

    `screen` are the fields that may be sent, with the names of the values that are allowed, if they are limited;
    `required` are those that it wants, as `needs_resolution` says of the resolution; `wants` are those that a
    validator asks for, which the screen does not say. A transition that `refuses` says so to everybody; one that
    `lies` answers as if it had been taken.
    """

    name: str
    to: str
    category: str
    needs_resolution: bool = False
    of: tuple[str, ...] = ()
    screen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    wants: tuple[str, ...] = ()
    refuses: str = ""
    lies: bool = False


@dataclass(slots=True)
class JiraIssue:
    """A ticket; `assignee` and `creator` are user names (Server) or account ids (Cloud), `links` are keys.

    An archived one is shown and refuses every change; a hidden one has a security level without the caller. `created`
    is a time as ISO 8601 writes it.
    """

    key: str
    project: str
    summary: str
    description: str = ""
    issue_type: str = "Task"
    priority: str | None = None
    labels: list[str] = field(default_factory=list)
    assignee: str | None = None
    status: str = "To Do"
    resolution: str | None = None
    comments: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    creator: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    archived: bool = False
    hidden: bool = False
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))


DEFAULT_USERS = (
    JiraUser("hammer", "hammer@example.com", "Hammer"),
    JiraUser("Support-General", "support@example.com", "General Support"),
    JiraUser("Support-Cloud", "support-cloud@example.com", "Cloud Support"),
    JiraUser("alice", "alice@example.com", "Alice Adams"),
    JiraUser("bob", "bob@example.com", "Bob Brown"),
)
DEFAULT_TRANSITIONS = (
    Transition("Start Progress", "In Progress", "indeterminate"),
    Transition("Close Issue", "Closed", "done"),
)


@dataclass(slots=True)
class JiraSite:
    """The state of a JIRA; everything may be changed at any time.

    The first of `users` is the one who logs in. `projects` is the number of the last ticket by the project's key.
    `refused_fields` are on none of JIRA's screens. The search has not noticed yet that the tickets in `unnoticed` are
    done. A page of a listing has at most `page_size` entries whatever is asked for, as JIRA may do, so that clients
    have to page.

    `archived` are projects; `denied` the permissions (`BROWSE_PROJECTS`) that the caller lacks, by project. The
    search does not know the tickets in `unsearchable`, to which a new one belongs where it `lags`. With `hides_new`
    a new ticket has a security level without its creator. `required` has, by project, the fields that a creation
    wants, by id, with their names; `issue_types` are those of a project, any if it says nothing. `base_url` is what
    JIRA believes its own address to be, if not the one that it is called by; `below` is a path that comes before all
    of its own, as at a gateway (`/ex/jira/1`).
    """

    flavour: Flavour = "server"
    users: tuple[JiraUser, ...] = DEFAULT_USERS
    projects: dict[str, int] = field(default_factory=lambda: {"AWSSEC": 0})
    issues: dict[str, JiraIssue] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = DEFAULT_TRANSITIONS
    refused_fields: set[str] = field(default_factory=set)
    unnoticed: set[str] = field(default_factory=set)
    page_size: int = 50
    archived: set[str] = field(default_factory=set)
    unsearchable: set[str] = field(default_factory=set)
    lags: bool = False
    denied: dict[str, set[str]] = field(default_factory=dict)
    hides_new: bool = False
    required: dict[str, dict[str, str]] = field(default_factory=dict)
    issue_types: dict[str, tuple[str, ...]] = field(default_factory=dict)
    base_url: str = ""
    below: str = ""

    def add(self, key: str) -> None:
        """Add a ticket with a key of its own; new keys of its project follow after it."""
        project = key.rpartition("-")[0]
        self.issues[key] = JiraIssue(key, project, f"What {key} is about")
        self.projects[project] = max(self.projects.get(project, 0), number_of(key))

    def new_key(self, project: str) -> str:
        """The next key of a project."""
        self.projects[project] += 1
        return f"{project}-{self.projects[project]}"

    def identity(self, user: JiraUser) -> str:
        """How this flavour identifies a user."""
        return user.account_id if self.flavour == "cloud" else user.name

    def user(self, identity: str | None) -> JiraUser | None:
        """The user with this identity."""
        return next((user for user in self.users if self.identity(user) == identity), None)

    def status(self, name: str) -> dict[str, Any]:
        """A status as JIRA shows it."""
        return {"name": name, "statusCategory": {"key": self.category(name)}}

    def category(self, status: str) -> str:
        """The category of a status: `new`, `indeterminate` or `done`."""
        categories = _CATEGORIES | {transition.to: transition.category for transition in self.transitions}
        return categories.get(status, "indeterminate")


def number_of(key: str) -> int:
    """The number in a ticket's key."""
    return int(key.rpartition("-")[2])
