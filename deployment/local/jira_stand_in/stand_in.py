"""The server of the JIRA stand-in."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from deployment.local.jira_stand_in.callers import is_known
from deployment.local.jira_stand_in.calls import Call, JiraRequest, Refusal
from deployment.local.jira_stand_in.routes import carry_out
from deployment.local.jira_stand_in.site import DEFAULT_USERS, JiraSite
from deployment.local.stand_in import Rule, StandIn, StandInHandler

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from deployment.local.jira_stand_in.site import Flavour, JiraIssue, JiraUser
    from deployment.local.stand_in import Answer, Raw, Silence


class JiraStandIn(StandIn[JiraRequest]):
    """A JIRA on a local port, from `start()` to `stop()` or for the length of a `with`; `site` is what it holds.

    `issues` are keys of tickets that exist from the start. With `oauth_public_key` the signature of OAuth calls is
    verified.
    """

    def __init__(
        self,
        *,
        flavour: Flavour = "server",
        users: Iterable[JiraUser] = DEFAULT_USERS,
        projects: Iterable[str] = ("AWSSEC",),
        issues: Iterable[str] = (),
        oauth_public_key: RSAPublicKey | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(_Handler, port, tls)
        self.site = JiraSite(flavour, tuple(users), dict.fromkeys(projects, 0))
        for key in issues:
            self.site.add(key)
        self._oauth_public_key = oauth_public_key

    @property
    def issues(self) -> dict[str, JiraIssue]:
        """The tickets, by key."""
        return self.site.issues

    def fail_next(
        self,
        method: str,
        path_prefix: str,
        *,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        silence: Silence | None = None,
        after_doing: bool = False,
        times: int = 1,
    ) -> None:
        """Fail the next `times` calls whose path begins with `path_prefix` (`/rest/api/2/issue`).

        The answer is `status` with `headers` and `body` (by default JIRA's error body), or `silence`; `after_doing`
        carries the call out first.
        """

        def applies(request: JiraRequest) -> bool:
            return request.method == method and request.path.startswith(path_prefix)

        answer: Answer = (status, headers or {}, body or Refusal(status, "The stand-in was told to fail.").body)
        self.add_rule(Rule(applies, silence or answer, after_doing, times))

    def state(self) -> dict[str, Any]:
        """Everything that was received, for JSON."""
        with self._lock:
            return {
                "flavour": self.site.flavour,
                "issues": {key: asdict(issue) for key, issue in self.issues.items()},
                "requests": [asdict(request) for request in self.requests],
            }

    def answer(self, request: JiraRequest, authorization: str, url: str) -> Answer | Raw | Silence:
        """Carry out one call to `url`: status, headers and body, or no answer."""

        def answer() -> Answer:
            known = is_known(request.method, url, authorization, self._oauth_public_key)
            status, body = carry_out(self.site, Call(request, known, self._own_address()))
            return status, {}, body

        return self.respond(request, answer)

    def _own_address(self) -> str:
        """What JIRA takes for its address behind a proxy when nobody told it that the outside speaks https."""
        return self.url.replace("https:", "http:")


class _Handler(StandInHandler):
    stand_in: JiraStandIn

    def call(self, body: bytes) -> None:
        """Answer the call at hand."""
        address = urlsplit(self.path)
        try:
            content = json.loads(body) if body else None
        except ValueError:
            self.send_json(400, {}, Refusal(400, "The body is not JSON.").body)
            return
        query: dict[str, str] = {}
        for name, value in parse_qsl(address.query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        authorization = self.headers.get("Authorization", "")
        scheme = authorization.partition(" ")[0]
        url = f"{urlsplit(self.stand_in.url).scheme}://{self.headers.get('Host', '')}{self.path}"
        path = address.path.removeprefix(self.stand_in.site.below)
        request = JiraRequest(self.command, path, query, content, scheme)
        self.send(self.stand_in.answer(request, authorization, url))
