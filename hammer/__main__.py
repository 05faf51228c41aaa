"""`hammer` and `python -m hammer`: each subcommand is the `main` of a module, imported when asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from library.cli.command import SETTINGS, Group

_CODE = Path(__file__).resolve().parents[1]
"""Of a clone, the repository; the deployment's commands need its templates and functions, and are not installed."""


class Subcommand(NamedTuple):
    """The module whose `main` it is, and what it does, in a line of the help."""

    module: str
    help: str


SUBCOMMANDS = {
    "scan": Subcommand("identification.scan", "A first look at the idle keys of your accounts."),
    "report": Subcommand("reporting.create_iam_key_inactive_tickets", "Tell people: raise, remind, close."),
    "remediate": Subcommand("remediation.clean_iam_keys_inactive", "Switch off what is due, key by key."),
    "restore": Subcommand("remediation.restore_iam_keys", "Switch on again what was switched off."),
    "show": Subcommand("remediation.show_issue", "What has happened to a key, and why."),
    "page": Subcommand("reporting.inactive_keys_report", "A page about all issues; CSV, JSON, Security Hub."),
    "check-config": Subcommand("hammer.check_config", "Check a configuration, print what is in force."),
    "check-access": Subcommand("remediation.check_access", "What this host would be refused."),
    "schedule": Subcommand("cronjobs.automation_scheduler", "Write the cron entries of a host."),
}
IN_A_CLONE = {
    "new-config": Subcommand("deployment.new_config", "Write a configuration to begin with."),
    "package": Subcommand("deployment.build_packages", "Build the zips of the functions and the host."),
    "deploy": Subcommand("deployment.deploy", "Deploy the main account's stacks."),
    "deploy-roles": Subcommand("deployment.deploy_roles", "Deploy the roles of the scanned accounts."),
    "check-deployment": Subcommand("deployment.check_deployment", "What a scan would be refused, per account."),
    "publish-config": Subcommand("deployment.publish_config", "Put a configuration into force."),
    "put-credentials": Subcommand("deployment.put_credentials", "Try and store those of JIRA and Slack."),
    "destroy": Subcommand("deployment.destroy", "Remove what was deployed, and keep what is known."),
    "redrive": Subcommand("deployment.redrive", "Ask again for scans that have failed."),
}


class _Group(Group):
    """Knows its subcommands by name, so that the help and the completion of names import none of them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [*SUBCOMMANDS, *IN_A_CLONE]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        named = SUBCOMMANDS.get(cmd_name) or IN_A_CLONE.get(cmd_name)
        if named is None:
            return None
        if cmd_name in IN_A_CLONE:
            if not (_CODE / "deployment" / "commands.py").is_file():
                raise click.UsageError(f"{cmd_name} needs a clone of the repository: `make {cmd_name}` there")
            sys.path.append(str(_CODE))
        command: click.Command = import_module(named.module).main
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.help) for name, each in SUBCOMMANDS.items()])
        with formatter.section("In a clone of the repository"):
            formatter.write_text(", ".join(IN_A_CLONE))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = {**SUBCOMMANDS, **IN_A_CLONE}
        found = [CompletionItem(name, help=each.help) for name, each in named.items() if name.startswith(incomplete)]
        # Those of a command: the options; a group's would ask for each subcommand.
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=_Group, context_settings=SETTINGS)
@click.version_option(package_name="hammer-iam-user-inactive-keys", prog_name="hammer")
def main() -> None:
    """Find the IAM access keys that nobody uses, and switch them off safely.
    `hammer COMMAND --help` says more, exit codes included.
    """


if __name__ == "__main__":
    main(prog_name="hammer")
