"""Command: the Slack stand-in by itself."""

import argparse

from deployment.local.slack_stand_in.stand_in import DEFAULT_TOKEN, SlackStandIn
from deployment.local.stand_in import until_ended


def main() -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(
        prog="python -m deployment.local.slack_stand_in",
        description="A small Slack, spoken to over real HTTP, that keeps what it is told.",
    )
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any free one)")
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the only token that is accepted")
    options = parser.parse_args()
    with until_ended(), SlackStandIn(token=options.token, port=options.port) as slack:
        print(f"Slack stand-in: {slack.base_url}", flush=True)
        slack.wait()


if __name__ == "__main__":
    main()
