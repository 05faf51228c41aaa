"""What the deployment's commands share: sessions in the main account, how they fail, tables and the question."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from library.aws.caller import signed_in
from library.cli import exit_codes as codes
from library.cli import terminal
from library.cli.aws_options import refuse_another_region
from library.cli.signals import ended_by_the_third
from library.config.loading import load
from library.errors import HammerError
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from library.aws_clients import Session
    from library.config.settings import Config

REPOSITORY = Path(__file__).resolve().parent.parent

EXIT_CODES = (
    "Exit codes: 0 done (also: nothing to do), 1 something failed, 2 configuration or usage, 130 interrupted."
)

config_argument = click.argument("config_folder", required=False)


class DeploymentError(HammerError):
    """A step of the deployment did not come out as it should."""

    ID = Message.STACK_FAILED


@contextmanager
def exit_codes() -> Iterator[None]:
    """End the process with one clear message and the right exit code, whatever the block raises."""
    try:
        with ended_by_the_third():
            yield
    except codes.EXPECTED as error:
        sys.exit(codes.told(error, partial(terminal.say, err=True), interrupted="Interrupted"))


def settings_of(config_folder: str | None) -> Config:
    """The checked configuration of the folder (or S3 address), of the repository's `config/` without one.

    Raises WrongOption if `--region` names another region than the configuration.
    """
    settings = load(config_folder or str(REPOSITORY / "config"))
    refuse_another_region(settings.aws.region)
    return settings


def main_account_session(settings: Config) -> Session:
    """A session in the region of the configuration; raises DeploymentError if it is in another account.

    Raises as `signed_in` does, too.
    """
    session, caller = signed_in(settings.aws.region)
    if caller.account != settings.aws.main_account_id:
        raise DeploymentError(
            f"these AWS credentials are of account {caller.account}; the configuration's main account "
            f"(aws.main_account_id) is {settings.aws.main_account_id}",
            id=Message.OTHER_ACCOUNT,
        )
    return session


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table on standard output, as wide as the terminal; as wide as it is in a pipe."""
    terminal.print_table("", headings, rows)


def agreed(question: str) -> bool:
    """Ask `[y/N]` on standard input; raises UsageError at its end, as nobody is there to answer."""
    click.echo(f"{question} [y/N] ", nl=False)
    answer = sys.stdin.readline()
    if not answer:
        click.echo()
        raise click.UsageError("Nobody answered, which means no; --yes does not ask")
    return answer.strip().lower() in ("y", "yes")
