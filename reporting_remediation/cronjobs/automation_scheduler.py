"""Writes the cron entries of the jobs that the configuration turns on, and removes those that it turns off."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from library import messages
from library.cli import exit_codes, terminal
from library.cli.command import command
from library.config.loading import load
from library.config.sources import CODE
from library.errors import ConfigurationError, HammerError
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.config.settings import Config

CRON_FOLDER = Path("/etc/cron.d")
_MODE = 0o644


@dataclass(frozen=True, slots=True)
class Job:
    """A file for cron, named with letters, digits, - and _ only; `content` is None if there is to be no such file."""

    file_name: str
    content: str | None


@command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    default=CRON_FOLDER,
    show_default=True,
    help="Where cron looks for its files.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be written or removed; change nothing.")
def main(folder: Path, dry_run: bool) -> None:
    """Let cron start reporting and remediation as the configuration says.

    Writes one file for reporting while user_inactivekeys.reporting is true, and one for remediation (with --batch)
    while user_inactivekeys.remediation is true, at the times of cronjobs.reporting and cronjobs.remediation; removes
    the file of what is false. Run it as root after the configuration was changed. Both jobs read the configuration
    again whenever they start: an entry that is still there does nothing once its job is switched off.

    The entries run as root, in the folder of this code and with this Python; what they print goes to syslog. If
    HAMMER_CONFIG is set here, it is set there.

    Exit codes: 0 done, 1 a file cannot be written, 2 configuration or usage (nothing is changed).
    """
    try:
        jobs = wanted(load(), sys.executable, os.environ)
        for job in jobs:
            click.echo(_put(folder / job.file_name, job.content, dry_run=dry_run))
    except ConfigurationError as error:
        terminal.say(messages.line(error.id, str(error)), err=True)
        sys.exit(exit_codes.USAGE)
    except (HammerError, OSError) as error:
        terminal.say(
            messages.line(Message.CRON_NOT_WRITTEN, f"The cron entries cannot be written: {error}"), err=True
        )
        sys.exit(exit_codes.FAILED)


def wanted(settings: Config, python: str, environment: Mapping[str, str]) -> tuple[Job, ...]:
    """What cron is to have; `python` is the interpreter that runs the jobs, `environment` that of this command.

    Raises HammerError if a path has characters that a cron file cannot hold.
    """
    keys, times = settings.inactive_keys, settings.cronjobs
    jobs = (
        ("reporting", keys.reporting, times.reporting, "reporting.create_iam_key_inactive_tickets"),
        ("remediation", keys.remediation, times.remediation, "remediation.clean_iam_keys_inactive --batch"),
    )
    return tuple(
        Job(
            f"hammer-iam-user-inactive-keys-{name}",
            _entry(name, when, command, python, settings.aws.region, environment) if is_on else None,
        )
        for name, is_on, when, command in jobs
    )


def _entry(name: str, when: str, command: str, python: str, region: str, environment: Mapping[str, str]) -> str:
    folder, source = str(CODE), environment.get("HAMMER_CONFIG", "")
    if source and not source.startswith("s3://"):
        source = str(Path(source).absolute())
    for place in (folder, python, source):
        if not place.isprintable() or '"' in place:
            raise HammerError(f"{place!r} has characters that a cron file cannot hold", id=Message.CRON_NOT_WRITTEN)
    # Mail would fill root's mailbox; syslog keeps the log lines, and what the shell says if it cannot start the job.
    job = f"cd {shlex.quote(folder)} && {shlex.quote(python)} -m {command} 2>&1 | logger -t hammer-{name}"
    # To cron, a bare % is the end of the line.
    job = job.replace("%", r"\%")
    lines = [
        "# Written by python -m cronjobs.automation_scheduler, which overwrites what is changed here.",
        "SHELL=/bin/sh",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        'MAILTO=""',
        f"AWS_DEFAULT_REGION={region}",
        *([f'HAMMER_CONFIG="{source}"'] if source else []),
        f"{when} root {job}",
    ]
    return "\n".join(lines) + "\n"


def _put(path: Path, content: str | None, *, dry_run: bool) -> str:
    """Write or remove one file, unless it is as wanted already; returns a sentence that says what was done.

    Raises OSError.
    """
    present = path.read_text(encoding="utf-8") if path.exists() else None
    if content == present and (content is None or path.stat().st_mode & 0o777 == _MODE):
        return f"{path}: {'none, as before' if content is None else 'as before'}"
    would = "would be " if dry_run else ""
    if content is None:
        if not dry_run:
            path.unlink()
        return f"{path}: {would}removed"
    if not dry_run:
        # cron reads no file with a dot in its name, and never sees a half-written one.
        unfinished = path.with_name(f".{path.name}.new")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), _MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    return f"{path}: {would}written\n{content}"


if __name__ == "__main__":
    main()
