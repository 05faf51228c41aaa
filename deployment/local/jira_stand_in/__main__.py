"""Command: the JIRA stand-in by itself."""

import argparse

from deployment.local.jira_stand_in.stand_in import JiraStandIn
from deployment.local.stand_in import until_ended


def main() -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(
        prog="python -m deployment.local.jira_stand_in",
        description="A small JIRA, spoken to over real HTTP, that keeps what it is told.",
    )
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: any free one)")
    parser.add_argument("--flavour", choices=("server", "cloud"), default="server")
    parser.add_argument("--issue", action="append", default=[], metavar="KEY", help="a ticket that exists already")
    options = parser.parse_args()
    with (
        until_ended(),
        JiraStandIn(flavour=options.flavour, port=options.port, issues=options.issue) as jira,
    ):
        print(f"JIRA stand-in ({options.flavour}): {jira.url}", flush=True)
        jira.wait()


if __name__ == "__main__":
    main()
