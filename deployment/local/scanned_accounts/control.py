"""The client of the control endpoint: fills the accounts, ages their keys, makes calls fail."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from datetime import datetime

    from deployment.local.scanned_accounts.seeds import Population, State

CONTROL = "/_stand_in/"
"""The path below which the control endpoint is served."""

ALWAYS = -1
"""A number of failures without an end."""

_SECONDS = 30


class Control:
    """Talks to the control endpoint of the server at `url`.

    Every method raises RuntimeError with the server's words if the server refuses.
    """

    def __init__(self, url: str) -> None:
        self._url = url + CONTROL

    def populate(self, population: Population, now: datetime) -> None:
        """Make these users with their keys, aged as seen from `now`; a user that exists already is replaced."""
        self._call("POST", "population", {"now": now.isoformat(), "accounts": population})

    def use_key(self, account: str, key: str, at: datetime | None, service: str = "s3") -> None:
        """Set when a key was used last; None makes it a key that was never used."""
        self._call(
            "POST",
            "last_use",
            {"account": account, "key": key, "at": at.isoformat() if at else None, "service": service},
        )

    def let_time_pass(self, days: float) -> None:
        """Move every time of every user and key back by these days, as if they had passed."""
        self._call("POST", "time", {"days": days})

    def fail(self, account: str, operation: str, code: str, times: int = ALWAYS) -> None:
        """Let an operation (`ListUsers`) on an account fail with an AWS error code (`AccessDenied`, `Throttling`).

        It fails `times` times. For AssumeRole the account is the one whose role is asked for.
        """
        self._call("POST", "faults", {"account": account, "operation": operation, "code": code, "times": times})

    def heal(self) -> None:
        """End all failures."""
        self._call("DELETE", "faults", None)

    def reset(self) -> None:
        """Remove all users, keys and sessions of all accounts, and end all failures."""
        self._call("POST", "reset", None)

    def state(self) -> State:
        """All users with their keys, as they are now."""
        return cast("State", self._call("GET", "state", None))

    def _call(self, method: str, action: str, body: object) -> object:
        request = urllib.request.Request(self._url + action, json.dumps(body).encode(), method=method)
        # No proxy: the server is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_SECONDS) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {CONTROL}{action}: {error.read().decode()}") from error
