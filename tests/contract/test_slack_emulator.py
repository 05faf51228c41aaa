"""What is sent to Slack, held against an emulator of Slack that others have written: https://github.com/vercel-labs/emulate.

npm installs it into a folder of the test, in the version of `emulator/package-lock.json`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from slack_sdk import WebClient

from library.notifications.slack_calls import SlackCalls
from library.notifications.slack_errors import ChannelFailed
from library.notifications.slack_look_ahead import obstacles
from library.notifications.slack_messages import SlackMessages

if TYPE_CHECKING:
    from collections.abc import Iterator

EMULATOR = Path(__file__).parent / "emulator"
NEEDED = ["chat:write", "channels:read", "groups:read", "users:read", "users:read.email", "im:write"]
READING = ["channels:history", "im:history", "im:read"]
WORKSPACE = {
    "team": {"name": "Acme", "domain": "acme"},
    "users": [
        {"name": "hammer", "real_name": "Hammer", "email": "hammer@example.com"},
        {"name": "alice", "real_name": "Alice Adams", "email": "alice@example.com"},
        {"name": "bob", "real_name": "Bob Brown", "email": "bob@example.com"},
    ],
    "channels": [{"name": "general"}, {"name": "devops"}],
    "strict_scopes": True,
    "tokens": [
        {"token": "xoxb-hammer", "user": "hammer", "scopes": NEEDED},
        {"token": "xoxb-mute", "user": "hammer", "scopes": ["users:read"]},
        {"token": "xoxb-reader", "user": "hammer", "scopes": [*NEEDED, *READING]},
    ],
}


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm, with which the emulator of Slack runs, are not installed")
    folder = tmp_path_factory.mktemp("emulator")
    shutil.copytree(EMULATOR, folder, dirs_exist_ok=True)
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    installed = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the emulator of Slack: {installed.stderr[-500:]}")
    start = ["node", "serve.mjs", json.dumps(WORKSPACE)]
    with subprocess.Popen(start, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield f"{process.stdout.readline().strip()}/api/"
        process.stdin.close()


def test_an_emulator_of_others_takes_what_is_sent_and_refuses_as_is_expected(base_url: str) -> None:
    calls = SlackCalls(token="xoxb-hammer", base_url=base_url)
    messages = SlackMessages(calls)
    assert messages.log_in() == "hammer of Acme"

    sent = messages.send(["#general", "#Devops", "alice", "bob@example.com", "#gone", "nobody"], "*idle* & <told>")
    assert sent.delivered == ("#general", "#Devops", "alice", "bob@example.com")
    assert set(sent.unknown) == {"#gone", "nobody"}
    assert messages.send(["#gone", "left@example.com"], "to the next", [["#general"]]).delivered == ("#general",)

    reader = WebClient("xoxb-reader", base_url=base_url)
    ids = {each["name"]: each["id"] for each in reader.conversations_list()["channels"]}
    said = {
        name: [each["text"] for each in reader.conversations_history(channel=ids[name])["messages"]]
        for name in ("general", "devops")
    }
    assert said == {"general": ["to the next", "*idle* & <told>"], "devops": ["*idle* & <told>"]}
    direct = reader.conversations_list(types="im")["channels"]
    assert [reader.conversations_history(channel=each["id"])["messages"][0]["text"] for each in direct] == [
        "*idle* & <told>"
    ] * 2

    assert [each.partition(":")[0] for each in obstacles(calls, ["#general", "alice", "#gone", "nobody"])] == [
        "#gone will get no message",
        "nobody will get no message",
    ]


def test_an_emulator_of_others_does_not_let_a_token_post_without_the_scope(base_url: str) -> None:
    failed = SlackMessages(SlackCalls(token="xoxb-mute", base_url=base_url)).send(["#general"], "hello").failed
    assert isinstance(failed["#general"], ChannelFailed)
    assert "lacks the scope chat:write (missing_scope); it has users:read" in str(failed["#general"])
