"""How much a command says on the terminal: `-q` and `-v`. File and CloudWatch get every line in any case."""

from __future__ import annotations

import click

_QUIET, _VERBOSE = "library.cli.loudness.quiet", "library.cli.loudness.verbose"


def _note(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    context.meta[_QUIET if parameter.name == "quiet" else _VERBOSE] = given


quiet_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_note,
    help="Say warnings, errors and questions only; the log has everything.",
)
verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_note,
    help="On a terminal, too, say of each key on a line of its own what is decided and why.",
)


def is_quiet() -> bool:
    """Whether the command that runs was given `-q`."""
    return _is(_QUIET)


def is_verbose() -> bool:
    """Whether the command that runs was given `-v`."""
    return _is(_VERBOSE)


def _is(what: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(what))
