"""Switches on again the access keys that this system switched off."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from library.cli.aws_options import aws_options
from library.cli.command import command
from library.cli.loudness import quiet_option, verbose_option
from library.cli.options import Since, selectors
from library.cli.output import form_of_plan, plan_format
from library.cli.run import run
from remediation.key_by_key import STREAM, Run
from remediation.options import Options
from remediation.switching_on import SwitchingOn

if TYPE_CHECKING:
    from library.cli.options import Selection


@command()
@selectors(arguments=True)
@click.option(
    "--since",
    type=Since(),
    help="Every key switched off since then: 2026-11-01, 2026-11-01T08:30 (UTC), 3d (days ago), 24h (hours ago).",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Switch on at most N keys.")
@click.option("--batch", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing anywhere.")
@plan_format
@aws_options
@quiet_option
@verbose_option
def main(form: str | None, selection: Selection, **given: Any) -> None:
    """Switch on again what this system switched off: the KEYs, or what the options name.

    Only keys whose issue says that they were switched off here, and that are still Inactive. Shows each key and asks:
    y switches it on, Enter or n does not, a switches on this one and the rest of its account, q ends the run. At
    the end of input, or without a terminal, every answer is no; --batch does not ask.

    Needs the table and IAM only: it waits for no other command, and people are told once all keys are on. What cannot
    be said, because a file of the configuration, the secret, JIRA or Slack is not usable, is said by the next report.
    Without a usable config.json it looks into the credentials' own account, and into those that --account names by
    their ids.

    Who did it is recorded and said on the ticket. The next scan opens a new episode: the owner is told, and has at
    least seven days before the key may be switched off again. What a run that was cut off has left is completed.

    Exit codes: 0 done, 1 something failed, 2 configuration or usage, 130 interrupted.
    """
    if not (selection.narrows or given["since"]):
        raise click.UsageError("say which keys: their ids, --ticket, --user or --since")
    options = Options(form=form_of_plan(form, dry_run=given["dry_run"]), selection=selection, **given)
    sys.exit(
        run(
            STREAM,
            lambda settings: Run(settings, options, SwitchingOn).run(),
            read_only=options.dry_run,
            way_back=True,
            command="remediation.restore_iam_keys",
        )
    )


if __name__ == "__main__":
    main()
