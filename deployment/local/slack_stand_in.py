"""A small Slack, spoken to over real HTTP, that keeps what it is told and fails when it is asked to."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from deployment.local.stand_in import Silence, StandIn, StandInHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_TOKEN = "xoxb-stand-in"


@dataclass(frozen=True, slots=True)
class SlackUser:
    """A member of the workspace; `name` is the handle, without @."""

    name: str
    real_name: str = ""
    display_name: str = ""
    email: str = ""
    deleted: bool = False
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class SlackChannel:
    """A channel; `name` is without #."""

    name: str
    private: bool = False
    archived: bool = False
    bot_is_member: bool = True


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """A message that was posted; `recipient` is `#channel`, or the user's name for a direct message."""

    recipient: str
    text: str
    blocks: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """A call as it came in; the token is not kept."""

    api_method: str
    arguments: Mapping[str, Any]


@dataclass(slots=True)
class _Fault:
    status: int
    headers: Mapping[str, str]
    error: str
    after_doing: bool
    silence: Silence | None


class _Refusal(Exception):
    """The call is answered with `ok` false and this error code."""

    def __init__(self, code: str, **more: str) -> None:
        self.body = {"ok": False, "error": code, **more}
        super().__init__(code)


DEFAULT_USERS = (
    SlackUser("slackbot", real_name="Slackbot"),
    SlackUser("alice", real_name="Alice Adams", display_name="Alice", email="alice@example.com"),
    SlackUser("bob", real_name="Bob Brown", display_name="Bobby", email="bob@example.com"),
    SlackUser("hammer", real_name="Hammer", is_bot=True),
)
DEFAULT_CHANNELS = (SlackChannel("general"), SlackChannel("random"), SlackChannel("devops-channel"))


@dataclass(slots=True)
class _Workspace:
    users: dict[str, SlackUser]
    channels: dict[str, SlackChannel]
    page_size: int
    direct: dict[str, str] = field(default_factory=dict)  # id of the conversation -> id of the user
    messages: list[SlackMessage] = field(default_factory=list)

    def users_list(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self._page("members", [self._user(user_id) for user_id in self.users], arguments)

    def users_lookup_by_email(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        wanted = str(arguments.get("email", "")).casefold()
        for user_id, user in self.users.items():
            if wanted and user.email.casefold() == wanted and not user.deleted:
                return {"user": self._user(user_id)}
        raise _Refusal("users_not_found")

    def conversations_list(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        types = str(arguments.get("types") or "public_channel").split(",")
        with_archived = str(arguments.get("exclude_archived", "")).lower() not in ("1", "true")
        listed = [
            {
                "id": channel_id,
                "name": channel.name,
                "is_private": channel.private,
                "is_archived": channel.archived,
            }
            for channel_id, channel in self.channels.items()
            if (with_archived or not channel.archived)
            and (
                "private_channel" in types and channel.bot_is_member if channel.private else "public_channel" in types
            )
        ]
        return self._page("channels", listed, arguments)

    def conversations_open(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        user_id = str(arguments.get("users", ""))
        if user_id not in self.users:
            raise _Refusal("user_not_found")
        if self.users[user_id].deleted:
            raise _Refusal("user_disabled")
        conversation = user_id.replace("U", "D", 1)
        self.direct[conversation] = user_id
        return {"channel": {"id": conversation}}

    def chat_post_message(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        where, text = str(arguments.get("channel", "")), str(arguments.get("text") or "")
        blocks = arguments.get("blocks") or []
        if isinstance(blocks, str):
            blocks = json.loads(blocks)
        recipient = self._recipient(where)
        if not text and not blocks:
            raise _Refusal("no_text")
        self.messages.append(SlackMessage(recipient, text, tuple(blocks)))
        return {"channel": where, "ts": f"1700000000.{len(self.messages):06d}", "message": {"text": text}}

    def _recipient(self, where: str) -> str:
        if where in self.direct:
            return self.users[self.direct[where]].name
        by_name = next((each for each in self.channels.values() if each.name == where), None)
        channel = self.channels.get(where, by_name)
        if channel is None or (channel.private and not channel.bot_is_member):
            raise _Refusal("channel_not_found")
        if channel.archived:
            raise _Refusal("is_archived")
        if not channel.bot_is_member:
            raise _Refusal("not_in_channel")
        return f"#{channel.name}"

    def _user(self, user_id: str) -> dict[str, Any]:
        user = self.users[user_id]
        profile = {"display_name": user.display_name, "real_name": user.real_name, "email": user.email}
        return {
            "id": user_id,
            "name": user.name,
            "real_name": user.real_name,
            "deleted": user.deleted,
            "is_bot": user.is_bot,
            "profile": profile,
        }

    def _page(self, key: str, entries: list[dict[str, Any]], arguments: Mapping[str, Any]) -> dict[str, Any]:
        cursor = str(arguments.get("cursor") or "")
        if cursor and not cursor.removeprefix("from:").isdigit():
            raise _Refusal("invalid_cursor")
        start = int(cursor.removeprefix("from:") or 0)
        end = start + min(int(arguments.get("limit") or self.page_size), self.page_size)
        following = f"from:{end}" if end < len(entries) else ""
        return {key: entries[start:end], "response_metadata": {"next_cursor": following}}


class SlackStandIn(StandIn):
    """A workspace on a local port, from `start()` to `stop()` or for the length of a `with`.

    A page of a listing has at most `page_size` entries whatever `limit` asks for (Slack may answer with fewer
    than asked), so that clients really have to follow cursors. Channel names are posted to without #.
    """

    def __init__(
        self,
        token: str = DEFAULT_TOKEN,
        users: tuple[SlackUser, ...] = DEFAULT_USERS,
        channels: tuple[SlackChannel, ...] = DEFAULT_CHANNELS,
        host: str = "127.0.0.1",
        port: int = 0,
        page_size: int = 2,
    ) -> None:
        super().__init__(_Handler, host, port)
        self.requests: list[SlackRequest] = []
        self._token = token
        self._workspace = _Workspace(
            # Slackbot has this id in every workspace, and is not marked as a bot.
            users={
                "USLACKBOT" if user.name == "slackbot" else f"U{number:08d}": user
                for number, user in enumerate(users)
            },
            channels={f"C{number:08d}": channel for number, channel in enumerate(channels)},
            page_size=page_size,
        )
        self._methods: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "auth.test": lambda _: {"user": "hammer", "team": "Stand-in"},
            "users.list": self._workspace.users_list,
            "users.lookupByEmail": self._workspace.users_lookup_by_email,
            "conversations.list": self._workspace.conversations_list,
            "conversations.open": self._workspace.conversations_open,
            "chat.postMessage": self._workspace.chat_post_message,
        }
        self._faults: dict[str, list[_Fault]] = {}

    @property
    def base_url(self) -> str:
        """Where the Web API is, ending with `/api/`."""
        return f"{self.url}/api/"

    @property
    def messages(self) -> list[SlackMessage]:
        """Every message posted, oldest first."""
        return self._workspace.messages

    def fail_next(
        self,
        api_method: str,
        status: int = 503,
        headers: Mapping[str, str] | None = None,
        error: str = "service_unavailable",
        times: int = 1,
        after_doing: bool = False,
        drop_connection: bool = False,
        never_answer: bool = False,
    ) -> None:
        """Fail the next `times` calls of a method.

        The answer is `status` with `headers` and Slack's error body, with `drop_connection` a reset, with
        `never_answer` none at all; `after_doing` carries the call out first. Slack's own refusals have status 200.
        """
        silence = Silence.RESET if drop_connection else Silence.HANGING if never_answer else None
        with self._lock:
            faults = self._faults.setdefault(api_method, [])
            faults += [_Fault(status, headers or {}, error, after_doing, silence)] * times

    def state(self) -> dict[str, Any]:
        """Everything received, as it is served under `/_stand_in/state`."""
        with self._lock:
            return {
                "messages": [asdict(message) for message in self.messages],
                "requests": [asdict(request) for request in self.requests],
            }

    def answer(
        self, api_method: str, authorization: str, arguments: Mapping[str, Any]
    ) -> tuple[int, Mapping[str, str], dict[str, Any]] | Silence:
        """Carry out one call: status, headers and body, or no answer."""
        with self._lock:
            self.requests.append(SlackRequest(api_method, dict(arguments)))
            waiting = self._faults.get(api_method, [])
            fault = waiting.pop(0) if waiting else None
            body: dict[str, Any] = {}
            if fault is None or fault.after_doing:
                body = self._carry_out(api_method, authorization, arguments)
        if fault is None:
            return 200, {}, body
        if fault.silence is not None:
            return fault.silence
        return fault.status, fault.headers, {"ok": False, "error": fault.error}

    def _carry_out(self, api_method: str, authorization: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            if not authorization.startswith("Bearer "):
                raise _Refusal("not_authed")
            if authorization != f"Bearer {self._token}":
                raise _Refusal("invalid_auth")
            if api_method not in self._methods:
                raise _Refusal("unknown_method", req_method=api_method)
            return {"ok": True, **self._methods[api_method](arguments)}
        except _Refusal as refusal:
            return refusal.body


class _Handler(StandInHandler):
    stand_in: SlackStandIn

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/_stand_in/state":
            self.send_json(200, {}, self.stand_in.state())
        else:
            self._call(dict(parse_qsl(urlsplit(self.path).query)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._call(_arguments(self.headers.get("Content-Type", ""), body))

    def _call(self, arguments: Mapping[str, Any]) -> None:
        path = urlsplit(self.path).path
        if not path.startswith("/api/"):
            self.send_json(404, {}, {"ok": False, "error": "not_found"})
            return
        authorization = self.headers.get("Authorization", "")
        answer = self.stand_in.answer(path.removeprefix("/api/"), authorization, arguments)
        self.send(answer)


def _arguments(content_type: str, body: bytes) -> dict[str, Any]:
    if content_type.startswith("application/json"):
        return dict(json.loads(body or b"{}"))
    if content_type.startswith("multipart/form-data"):
        form = BytesParser(policy=HTTP).parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
        return {
            str(part.get_param("name", header="Content-Disposition")): part.get_content().rstrip("\r\n")
            for part in form.iter_parts()
        }
    return dict(parse_qsl(body.decode(), keep_blank_values=True))


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m deployment.local.slack_stand_in", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any free one)")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the only token that is accepted")
    options = parser.parse_args()
    with SlackStandIn(token=options.token, port=options.port) as slack:
        print(f"Slack stand-in: {slack.base_url}", flush=True)
        try:
            slack.wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
