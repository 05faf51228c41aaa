"""`python -m library.config`: check a configuration and print what is in force.

With argparse and print, where other commands have click and rich: this room is in the functions' zip, too, and knows
nothing of a terminal.
"""

import argparse
import io
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from library.columns import columns, folded, laid_out
from library.config.fields import mask
from library.config.loading import load
from library.config.owners import TicketOwners
from library.config.schema import SECTION
from library.config.settings import DIGEST_SHOWN, Config
from library.config.sources import OWNERS, WHITELIST
from library.errors import ConfigurationError
from library.issues.whitelist import Exemption, Whitelist
from library.text import plain


def _rows(settings: Any, **instead: str) -> Iterator[tuple[str, str]]:
    """Name and value of each setting of a dataclass, as the file has them; `instead` has other texts for some."""
    for name in (field.name for field in fields(settings)):
        written = "ddb.table_name" if name == "table_name" else name
        yield written.rstrip("_"), instead.get(name) or _shown(getattr(settings, name))


def _shown(value: object) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "-"
    return mask(str(value)) or "-"


def _report(config: Config, now: datetime) -> Iterator[tuple[str, Sequence[tuple[str, ...]]]]:
    """Title and rows of each section; the first cell of a row is what a person looks for."""
    more = " (and those of the organization)" if config.aws.accounts_from_organization else ""
    accounts = ", ".join(f"{account} {name}" for account, name in config.aws.accounts.items())
    yield "aws", [*_rows(config.aws, accounts=f"{accounts}{more}".strip()), ("partition", config.aws.partition)]
    yield "cronjobs", list(_rows(config.cronjobs))
    yield "credentials", [("secret_name", config.credentials_secret)]
    yield "jira", list(_rows(config.jira))
    yield "slack", list(_rows(config.slack))
    yield "tickets", [("whitelisting_procedure_url", _shown(config.whitelisting_procedure_url))]
    in_force = {
        "accounts": ", ".join(account.id for account in config.accounts()) + more,
        "remediation_accounts": ", ".join(account.id for account in config.remediation_accounts()) + more,
    }
    yield SECTION, list(_rows(config.inactive_keys, **in_force))
    yield WHITELIST, list(_exemptions(config.whitelist, now))
    yield OWNERS, list(_owners(config.owners))


def _exemptions(whitelist: Whitelist, now: datetime) -> Iterator[tuple[str, ...]]:
    yield "account", "user or key", "holds", "owner", "reason"
    for account, listed in whitelist.entries.items():
        for exemption in listed:
            holds = _state(exemption, now)
            yield account, exemption.id, holds, exemption.owner or "-", exemption.reason or "-"


def _owners(owners: TicketOwners) -> Iterator[tuple[str, ...]]:
    yield "account", "project", "assignee", "parent", "slack"
    places = [("every other" if owners.accounts else "all", owners.default)]
    places += [(account, owners.for_account(account)) for account in owners.accounts]
    places += [(f"bu {unit}", owner) for unit, owner in owners.units.items()]
    places += [(f"bu {unit}, product {product}", owner) for (unit, product), owner in owners.products.items()]
    for place, owner in places:
        yield place, *(text for _, text in _rows(owner))


def _state(exemption: Exemption, now: datetime) -> str:
    if exemption.until is None:
        return "always"
    return f"until {exemption.until}" if exemption.holds(now) else f"EXPIRED {exemption.until}"


def _table(rows: Sequence[tuple[str, ...]], *, headed: bool, width: int | None) -> list[str]:
    """The lines of a table: with the first row as headings, or of names and values."""
    cells = [tuple(map(plain, row)) for row in rows]
    if headed:
        heading, lines = laid_out(cells[0], cells[1:], width)
        return [heading, *lines] if heading else lines
    names = max(columns(name) for name, _ in cells)
    return [
        f"{name if number == 0 else '':<{names}}  {line}".rstrip()
        for name, value in cells
        for number, line in enumerate([value] if width is None else folded(value, max(width - names - 2, 1)))
    ]


def main() -> int:
    """`python -m library.config`: prints what is in force, or what is wrong; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m library.config",
        description="Checks the configuration and prints what is in force, defaults included.",
        epilog="Files: config.json (needed), whitelist.json and ticket_owners.json. All errors of all files are "
        "printed at once, one per line: file, place, what was found, what is expected. Warnings and errors go to "
        "stderr. A folder is checked without AWS. Exit code: 0 valid, 1 nothing can be printed, 2 not valid.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        help="a folder or s3://bucket/prefix; default: what the environment variable HAMMER_CONFIG names, otherwise "
        "what config.ini of this host does, otherwise config/ beside the code",
    )
    folder = parser.parse_args().folder
    try:
        return check(folder)
    except OSError as error:
        # Python would try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"The output cannot be written: {error}", file=sys.stderr)
        return 1


def check(folder: str | None) -> int:
    """Print what is in force from a folder or `s3://` address, or what is wrong; returns the exit code.

    Without `folder`: from where every command reads it. Raises OSError if nothing can be printed.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that lacks a character shows its number.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        config = load(folder)
    except ConfigurationError as error:
        print("\n".join(plain(str(problem)) for problem in error.problems), file=sys.stderr)
        return 2
    width = shutil.get_terminal_size().columns - 2 if sys.stdout.isatty() else None
    print(f"In force from {mask(config.source)}")
    print(f"Digest {config.digest[:DIGEST_SHOWN]}")
    for title, rows in _report(config, datetime.now(UTC)):
        print(f"\n{title}")
        for line in _table(rows, headed=title in (WHITELIST, OWNERS), width=width):
            print(f"  {line}")
    sys.stdout.flush()
    for warning in config.warnings:
        print(f"warning: {plain(warning)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
