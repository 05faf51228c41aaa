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
from library.cli.cloudwatch import logging_to_cloudwatch
from library.cli.command import command
from library.cli.logs import logger, logging_to_standard_error
from library.cli.run import closing_line
from library.config.fields import mask
from library.config.loading import load
from library.config.sources import CODE, CONFIG_INI, log_group, source_of_host
from library.errors import ConfigurationError, HammerError, Problem
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from library.config.settings import Config

CRON_FOLDER = Path("/etc/cron.d")
KEPT = (
    *("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy"),
    *("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"),
)
"""The way out of this host, and whom it trusts on it: cron starts a job with nothing of a login shell."""
_JOBS = ("reporting", "remediation")
_STREAM = "cronjobs.automation_scheduler"


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

    The entries run as root, in the folder of this code and with this Python; what they print goes to syslog. They
    read what config.ini of this host names; where it names nothing, what HAMMER_CONFIG names here. Proxy variables
    that are set here (HTTPS_PROXY, NO_PROXY and the like) are set there, too, and stay until one is given empty.

    Exit codes: 0 done, 1 a file cannot be written, 2 configuration or usage (nothing is changed).
    """
    try:
        settings = load()
        jobs = wanted(settings, sys.executable, {**_kept_in(folder), **os.environ})
        click.echo(settings.in_force)
        for job in jobs:
            click.echo(_put(folder / job.file_name, job.content, dry_run=dry_run))
        if not dry_run:
            _say_what_is_on(settings)
    except ConfigurationError as error:
        terminal.say(messages.line(error.id, str(error)), err=True)
        sys.exit(exit_codes.USAGE)
    except (HammerError, OSError) as error:
        terminal.say(
            messages.line(Message.CRON_NOT_WRITTEN, f"The cron entries cannot be written: {error}"), err=True
        )
        sys.exit(exit_codes.FAILED)


def _say_what_is_on(settings: Config) -> None:
    """Leave the line by which the alarms know that this host is there, though nothing may be turned on."""
    with logging_to_standard_error(), logging_to_cloudwatch(log_group(), _STREAM, settings.aws.region):
        logger.info(closing_line(_STREAM, exit_codes.OK, settings))


def wanted(settings: Config, python: str, environment: Mapping[str, str]) -> tuple[Job, ...]:
    """What cron is to have; `python` is the interpreter that runs the jobs, `environment` that of this command.

    Raises HammerError if a path or variable has characters that a cron file cannot hold, and ConfigurationError if
    the jobs would read another configuration than this command.
    """
    keys, times = settings.inactive_keys, settings.cronjobs
    jobs = (
        (keys.reporting, times.reporting, "reporting.create_iam_key_inactive_tickets"),
        (keys.remediation, times.remediation, "remediation.clean_iam_keys_inactive --batch"),
    )
    variables = {
        "HAMMER_CONFIG": _source_for_cron(environment.get("HAMMER_CONFIG", "")),
        **{name: environment.get(name, "") for name in KEPT},
    }
    return tuple(
        Job(_file_name(name), _entry(name, when, command, python, settings.aws.region, variables) if is_on else None)
        for name, (is_on, when, command) in zip(_JOBS, jobs, strict=True)
    )


def _file_name(job: str) -> str:
    return f"hammer-iam-user-inactive-keys-{job}"


def _source_for_cron(named: str) -> str:
    """What the entries have to name if this command was told `named`: nothing where `config.ini` names a source."""
    if named and not named.startswith("s3://"):
        named = str(Path(named).absolute())
    of_host = source_of_host()
    if of_host is None:
        return named
    if named and named.rstrip("/") != of_host.rstrip("/"):
        expected = f"{of_host}, which {CONFIG_INI} of this host names and its jobs read, or no variable"
        raise ConfigurationError([Problem("variable HAMMER_CONFIG", "", mask(named), expected)])
    return ""


def _kept_in(folder: Path) -> dict[str, str]:
    """The variables of `KEPT` that our files there have, for a run that is started without them; raises OSError."""
    files = [path for job in _JOBS if (path := folder / _file_name(job)).exists()]
    pairs = [line.partition("=") for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    return {name: value.strip('"') for name, _, value in pairs if name in KEPT}


def _entry(name: str, when: str, command: str, python: str, region: str, variables: Mapping[str, str]) -> str:
    folder = str(CODE)
    for place in (folder, python, *variables.values()):
        if not place.isprintable() or '"' in place:
            raise HammerError(
                f"{mask(repr(place))} has characters that a cron file cannot hold", id=Message.CRON_NOT_WRITTEN
            )
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
        *(f'{variable}="{value}"' for variable, value in variables.items() if value),
        f"{when} root {job}",
    ]
    return "\n".join(lines) + "\n"


def _put(path: Path, content: str | None, *, dry_run: bool) -> str:
    """Write or remove one file, unless it is as wanted already; returns a sentence that says what was done.

    Raises OSError.
    """
    present = path.read_text(encoding="utf-8") if path.exists() else None
    # A proxy's address may have a password in it.
    mode = 0o600 if content is not None and mask(content) != content else 0o644
    if content == present and (content is None or path.stat().st_mode & 0o777 == mode):
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
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    return f"{path}: {would}written\n{mask(content)}"


if __name__ == "__main__":
    main()
