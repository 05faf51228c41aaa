"""The server of the Slack stand-in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from deployment.local.slack_stand_in.methods import Refusal, carry_out
from deployment.local.slack_stand_in.workspace import DEFAULT_CHANNELS, DEFAULT_USERS, workspace_of
from deployment.local.stand_in import Rule, StandIn, StandInHandler

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployment.local.slack_stand_in.workspace import SlackChannel, SlackMessage, SlackUser
    from deployment.local.stand_in import Answer, Silence

DEFAULT_TOKEN = "xoxb-stand-in"
_API = "/api/"


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """A call as it came in; the token is not kept."""

    api_method: str
    arguments: Mapping[str, Any]


class SlackStandIn(StandIn[SlackRequest]):
    """A workspace on a local port, from `start()` to `stop()` or for the length of a `with`.

    A page of a listing has at most `page_size` entries whatever `limit` asks for.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        users: tuple[SlackUser, ...] = DEFAULT_USERS,
        channels: tuple[SlackChannel, ...] = DEFAULT_CHANNELS,
        page_size: int = 2,
        port: int = 0,
    ) -> None:
        super().__init__(_Handler, port)
        self.workspace = workspace_of(users, channels, page_size)
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
        silence: Silence | None = None,
        after_doing: bool = False,
        times: int = 1,
    ) -> None:
        """Fail the next `times` calls of a method.

        The answer is `status` with `headers` and Slack's error body, or `silence`; `after_doing` carries the call out
        first. Slack's own refusals have status 200.
        """

        def applies(request: SlackRequest) -> bool:
            return request.api_method == api_method

        answer: Answer = (status, headers or {}, {"ok": False, "error": error})
        self.add_rule(Rule(applies, silence or answer, after_doing, times))

    def state(self) -> dict[str, Any]:
        """Everything that was received, for JSON."""
        with self._lock:
            return {
                "messages": [asdict(message) for message in self.messages],
                "requests": [asdict(request) for request in self.requests],
            }

    def answer(self, api_method: str, authorization: str, arguments: Mapping[str, Any]) -> Answer | Silence:
        """Carry out one call: status, headers and body, or no answer."""

        def answer() -> Answer:
            try:
                self._check_token(authorization)
                return 200, {}, carry_out(self.workspace, api_method, arguments)
            except Refusal as refusal:
                return 200, {}, refusal.body

        return self.respond(SlackRequest(api_method, dict(arguments)), answer)

    def _check_token(self, authorization: str) -> None:
        if not authorization.startswith("Bearer "):
            raise Refusal("not_authed")
        if authorization != f"Bearer {self._token}":
            raise Refusal("invalid_auth")


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
