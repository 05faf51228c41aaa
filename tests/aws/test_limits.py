"""Each call of AWS has an end: against servers that trickle, hang, say too much or never come to an end."""

from __future__ import annotations

import ast
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from library import aws_clients
from library.aws.issues_table import IssuesTable
from library.aws_clients import AnswerTooLarge, CallWithoutEnd, ListingWithoutEnd, Session, pages
from library.errors import AwsCallFailed
from library.limits import PAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"
PACE = 0.02
"""Seconds between two bytes of a server that trickles; each read of it is in time."""


class Server:
    """Answers each connection with what `answer` yields, a part at a time, at PACE; counts the connections."""

    def __init__(self, answer: Callable[[], Iterator[bytes]]) -> None:
        self.connections = 0
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65536)
            for part in self._answer():
                connection.sendall(part)

    def stop(self) -> None:
        self._listener.close()


@contextmanager
def serving(answer: Callable[[], Iterator[bytes]], patch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(answer)
    patch.setenv("AWS_ENDPOINT_URL", server.url)
    yield server
    server.stop()


def slowly(content: bytes) -> Iterator[bytes]:
    for number in range(len(content)):
        time.sleep(PACE)
        yield content[number : number + 1]


def for_ever(head: bytes, part: bytes) -> Iterator[bytes]:
    yield head
    while True:
        time.sleep(PACE)
        yield part


def hanging() -> Iterator[bytes]:
    yield HEAD
    time.sleep(60)


# Read timeouts of a second, so that none of them ends an attempt before the limit does.
ONCE = Config(connect_timeout=0.1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
LONGEST = 2 * (0.1 + 1)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: slowly(WHOLE * 100), id="head"),
        pytest.param(lambda: for_ever(HEAD + b"Content-Length: 1000000\r\n\r\n", b" "), id="body"),
        pytest.param(lambda: for_ever(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"), id="chunks"),
        pytest.param(lambda: for_ever(HEAD + b"\r\n", b" "), id="without-length"),
        pytest.param(hanging, id="hanging"),
    ],
)
@pytest.mark.parametrize("service", ["dynamodb", "s3", "iam", "sts", "secretsmanager", "logs"])
def test_an_answer_that_trickles_ends_as_one_that_times_out(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], Iterator[bytes]], service: str
) -> None:
    calls: dict[str, Callable[[Any], object]] = {
        "dynamodb": lambda client: client.list_tables(),
        "s3": lambda client: client.get_object(Bucket="bucket", Key="key")["Body"].read(),
        "iam": lambda client: client.list_users(),
        "sts": lambda client: client.get_caller_identity(),
        "secretsmanager": lambda client: client.get_secret_value(SecretId="x"),
        "logs": lambda client: client.describe_log_groups(),
    }
    monkeypatch.setattr(aws_clients, "_ATTEMPT", 0.3)
    with serving(answer, monkeypatch):
        session: Any = Session()
        client = session.client(service, config=ONCE)
        began = time.monotonic()
        with pytest.raises((ReadTimeoutError, ConnectionClosedError)):
            calls[service](client)
        assert time.monotonic() - began < 10


def test_an_attempt_whose_time_has_ended_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([for_ever(HEAD, b" "), iter([WHOLE])])
    monkeypatch.setattr(aws_clients, "_ATTEMPT", 0.3)
    with serving(lambda: next(answers), monkeypatch) as server:
        twice = ONCE.merge(Config(retries={"mode": "standard", "total_max_attempts": 2}))
        assert Session().client("dynamodb", config=twice).list_tables()["ResponseMetadata"]["RetryAttempts"] == 1
        assert server.connections == 2


@pytest.mark.usefixtures("no_backoff")
def test_the_attempts_of_a_call_have_an_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_clients, "_ATTEMPT", 0.1)
    with serving(lambda: for_ever(HEAD, b" "), monkeypatch) as server:
        often = ONCE.merge(Config(retries={"mode": "standard", "total_max_attempts": 100}))
        with pytest.raises(CallWithoutEnd, match="ListTables was tried for"):
            Session().client("dynamodb", config=often).list_tables()
        assert 1 < server.connections < 20


@pytest.mark.parametrize("length", [b"Content-Length: 3000000\r\n\r\n", b"\r\n"], ids=["announced", "not"])
def test_an_answer_without_end_is_not_read_on_nor_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, length: bytes
) -> None:
    monkeypatch.setattr(aws_clients, "ANSWER_BYTES", 1_000_000)
    with serving(lambda: iter([HEAD + length, b" " * 3_000_000]), monkeypatch) as server:
        client = Session().client("s3", config=Config(retries={"total_max_attempts": 5}))
        with pytest.raises(AnswerTooLarge, match="larger than 1000000 bytes"):
            client.get_object(Bucket="bucket", Key="key")
        assert server.connections == 1


@pytest.mark.parametrize("size", [0, 1, 65_536, 999_999, 1_000_000])
def test_what_is_not_too_large_is_there_whole(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(aws_clients, "ANSWER_BYTES", 1_000_000)
    content = bytes(range(256)) * (size // 256 + 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    with serving(lambda: iter([head + content[:size]]), monkeypatch):
        body = Session().client("s3").get_object(Bucket="bucket", Key="key")["Body"]
        assert body.read() == content[:size]


class Keeping(Server):
    """Keeps its connections open, and answers each request, whose body is `{}`, at once."""

    def __init__(self) -> None:
        super().__init__(lambda: iter(()))

    def _serve(self, connection: socket.socket) -> None:
        got = b""
        with suppress(OSError), connection:
            while part := connection.recv(65536):
                got += part
                if got.endswith(b"{}"):
                    got = b""
                    connection.sendall(WHOLE)


def test_connections_are_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Keeping()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    client = Session().client("dynamodb")
    for _ in range(20):
        client.list_tables()
    assert server.connections == 1
    server.stop()


def test_a_listing_has_an_end() -> None:
    assert list(pages(range(PAGES))) == list(range(PAGES))
    with pytest.raises(ListingWithoutEnd, match=f"more than {PAGES} pages"):
        list(pages(range(PAGES + 1)))


def test_a_listing_of_ever_new_pages_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    count = iter(range(100_000))

    def answer() -> Iterator[bytes]:
        last = {"LastEvaluatedKey": {"account_id": {"S": "1"}, "issue_id": {"S": str(next(count))}}, "Items": []}
        body = json.dumps(last).encode()
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    monkeypatch.setattr(pages, "__defaults__", (50,))
    with serving(answer, monkeypatch) as server:
        table = IssuesTable(Session().client("dynamodb"), "table")
        with pytest.raises(AwsCallFailed, match="more than 50 pages"):
            list(table.of_account("1"))
        assert server.connections == 51


PRODUCT = [
    path
    for folder in ("library", "identification", "reporting_remediation", "deployment")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "local" not in path.parts and path.name != "aws_clients.py"
]


def test_nobody_makes_a_client_past_the_limits() -> None:
    found = []
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                made = (node.value.id, node.attr) in {
                    ("boto3", "Session"),
                    ("boto3", "client"),
                    ("boto3", "resource"),
                }
                if made and isinstance(node.ctx, ast.Load):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
