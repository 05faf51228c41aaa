"""The server of the Slack stand-in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from deployment.local.slack_stand_in.methods import SCOPES, Refusal, carry_out
from deployment.local.slack_stand_in.workspace import DEFAULT_CHANNELS, DEFAULT_USERS, workspace_of
from deployment.local.stand_in import Rule, StandIn, StandInHandler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployment.local.slack_stand_in.workspace import SlackChannel, SlackMessage, SlackUser
    from deployment.local.stand_in import Answer, Raw, Silence

DEFAULT_TOKEN = "xoxb-stand-in"
_API = "/api/"


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """A call as it came in; the token is not kept."""

    api_method: str
    arguments: Mapping[str, Any]


class SlackStandIn(StandIn[SlackRequest]):
    """A workspace on a local port, from `start()` to `stop()` or for the length of a `with`.

    A page of a listing has at most `page_size` entries whatever `limit` asks for. The token is allowed what `scopes`
    names (None: everything); while `token_error` is not empty it is refused with this code, for whatever method. An
    `org_wide` token must say of which workspace a listing is wanted.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        users: tuple[SlackUser, ...] = DEFAULT_USERS,
        channels: tuple[SlackChannel, ...] = DEFAULT_CHANNELS,
        page_size: int = 2,
        port: int = 0,
        scopes: frozenset[str] | None = None,
        token_error: str = "",
        org_wide: bool = False,
    ) -> None:
        super().__init__(_Handler, port)
        self.workspace = workspace_of(users, channels, page_size)
        self.workspace.org_wide = org_wide
        self.scopes = scopes
        self.token_error = token_error
        self._token = token

    @property
    def base_url(self) -> str:
        """Where the Web API is, ending with `/api/`."""
        return f"{self.url}{_API}"

    @property
    def messages(self) -> list[SlackMessage]:
        """Every message posted, the oldest first."""
        return self.workspace.messages

    def fail_next(
        self,
        api_method: str,
        *,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        error: str = "service_unavailable",
        silence: Raw | Silence | None = None,
        after_doing: bool = False,
        times: int | None = 1,
        channel: str = "",
    ) -> None:
        """Fail the next `times` calls of a method (None: all), or those to one `channel`, named as the client does.

        The answer is `status` with `headers` and Slack's error body, or `silence`; `after_doing` carries the call out
        first. Slack's own refusals have status 200.
        """

        def applies(request: SlackRequest) -> bool:
            return request.api_method == api_method and channel in ("", request.arguments.get("channel"))

        answer: Answer = (status, headers or {}, {"ok": False, "error": error})
        self.add_rule(Rule(applies, silence or answer, after_doing, times))

    def limit(self, channel: str, retry_after: str, *, times: int | None = None) -> None:
        """Let Slack's limit of one conversation be reached: it asks to wait, for as long as `retry_after` says.

        `channel` is the name without #, or the id.
        """
        names = {channel, self.workspace.channel_id(channel) or channel}

        def applies(request: SlackRequest) -> bool:
            return request.api_method == "chat.postMessage" and request.arguments.get("channel") in names

        self.add_rule(
            Rule(applies, (429, {"Retry-After": retry_after}, {"ok": False, "error": "ratelimited"}), times=times)
        )

    def state(self) -> dict[str, Any]:
        """Everything that was received, for JSON."""
        with self._lock:
            return {
                "messages": [asdict(message) for message in self.messages],
                "requests": [asdict(request) for request in self.requests],
            }

    def answer(self, api_method: str, authorization: str, arguments: Mapping[str, Any]) -> Answer | Raw | Silence:
        """Carry out one call: status, headers and body, or no answer."""

        def answer() -> Answer:
            try:
                self._check_token(authorization)
                self._check_scope(api_method)
                return 200, self._headers(), carry_out(self.workspace, api_method, arguments)
            except Refusal as refusal:
                return 200, self._headers(), refusal.body

        return self.respond(SlackRequest(api_method, dict(arguments)), answer)

    def _check_token(self, authorization: str) -> None:
        if not authorization.startswith("Bearer "):
            raise Refusal("not_authed")
        if authorization != f"Bearer {self._token}":
            raise Refusal("invalid_auth")
        if self.token_error:
            raise Refusal(self.token_error)

    def _check_scope(self, api_method: str) -> None:
        needed = SCOPES.get(api_method, "")
        if needed and self.scopes is not None and needed not in self.scopes:
            raise Refusal("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))

    def _headers(self) -> dict[str, str]:
        scopes = sorted(set(SCOPES.values()) if self.scopes is None else self.scopes)
        return {"X-OAuth-Scopes": ",".join(scopes)}


def arguments_of(content_type: str, body: bytes) -> dict[str, Any]:
    """The arguments in the body of a call: JSON, a form, or a form of several parts."""
    if content_type.startswith("application/json"):
        return dict(json.loads(body or b"{}"))
    if content_type.startswith("multipart/form-data"):
        form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        return {
            str(part.get_param("name", header="Content-Disposition")): part.get_content().rstrip("\r\n")
            for part in form.iter_parts()
        }
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


class _Handler(StandInHandler):
    stand_in: SlackStandIn

    def call(self, body: bytes) -> None:
        """Answer the call at hand."""
        address = urlsplit(self.path)
        if not address.path.startswith(_API):
            self.send_json(404, {}, {"ok": False, "error": "not_found"})
            return
        if self.command == "GET":
            arguments: dict[str, Any] = dict(parse_qsl(address.query))
        else:
            arguments = arguments_of(self.headers.get("Content-Type", ""), body)
        authorization = self.headers.get("Authorization", "")
        self.send(self.stand_in.answer(address.path.removeprefix(_API), authorization, arguments))
