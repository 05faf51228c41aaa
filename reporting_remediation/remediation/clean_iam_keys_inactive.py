"""Switches off the access keys that nobody uses, once their owners were told and the retention period is over."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from library.cli import exit_codes
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.cli.logs import logger
from library.cli.loudness import quiet_option, verbose_option
from library.cli.options import selectors
from library.cli.output import form_of_plan, plan_format
from library.cli.run import run_with_lease
from remediation.key_by_key import STREAM, Run
from remediation.options import Options
from remediation.switching_off import SwitchingOff

if TYPE_CHECKING:
    from library.cli.options import Selection
    from library.cli.run import Hold
    from library.config.settings import Config


@command()
@click.option("--batch", is_flag=True, help="Do not ask. Does nothing while user_inactivekeys.remediation is false.")
@click.option("--dry-run", is_flag=True, help="Print each issue with verdict and reason; change nothing anywhere.")
@plan_format
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Switch off at most N keys, the longest idle first."
)
@selectors()
@aws_options
@quiet_option
@verbose_option
def main(batch: bool, dry_run: bool, form: str | None, limit: int | None, selection: Selection) -> None:
    """Switch off idle access keys whose retention period is over.

    Shows each key and asks: y switches it off, Enter or n does not, a switches off this one and the rest of its
    account, q ends the run. At the end of input, or without a terminal, every answer is no; --batch does not ask.
    Works by hand while user_inactivekeys.remediation is false, too.

    Each key is looked at again right before it is switched off: it must still exist, be Active and idle, not be
    whitelisted, and not be one of this process's own credentials. In any doubt it stays as it is, and the log says
    why. After three failures in a row in one account, the rest of that account is left for the next run.

    After Ctrl-C or SIGTERM the key in hand is finished first. See what a run would do with --dry-run, what has
    happened to a key with `python -m remediation.show_issue --key ID`, and switch a key on again with
    `python -m remediation.restore_iam_keys --key ID`.

    Exit codes: 0 done, 1 something failed (it is tried again by the next run), 2 configuration or usage, 3 another
    instance is running, 130 interrupted.
    """
    options = Options(batch, dry_run, form_of_plan(form, dry_run=dry_run), limit, selection)
    sys.exit(run_with_lease(STREAM, lambda settings, hold: _remediate(settings, options, hold), dry_run=dry_run))


def _remediate(settings: Config, options: Options, hold: Hold) -> int:
    if options.batch and not options.dry_run and not settings.inactive_keys.remediation:
        logger.info("Remediation is switched off (user_inactivekeys.remediation): --batch does nothing")
        return exit_codes.OK
    return Run(settings, options, SwitchingOff, hold).run()


if __name__ == "__main__":
    main()
