"""As whom and in which region AWS is asked: `--profile` and `--region`, as the AWS command line has them."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from library import text
from library.errors import WrongOption

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ASKED = "library.cli.aws_options.region"
# These would hold before a profile. The AWS command line, too, passes them over for --profile.
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_DEFAULT_PROFILE",
)


def _profile(context: click.Context, _parameter: click.Parameter, name: str | None) -> None:
    if name is None:
        return
    from botocore.session import Session

    known = Session().available_profiles
    if name not in known:
        raise click.BadParameter(f"there is no profile {name!r}; there are {text.listed(known, 20) or 'none'}")
    _set(context, {**dict.fromkeys(_CREDENTIALS), "AWS_PROFILE": name})


def _region(context: click.Context, _parameter: click.Parameter, name: str | None) -> None:
    if name is not None:
        context.meta[_ASKED] = name.strip()
        _set(context, {"AWS_DEFAULT_REGION": name.strip()})


def _set(context: click.Context, variables: Mapping[str, str | None]) -> None:
    """Set these variables of the environment, or take them away, until the command ends."""
    before = {name: os.environ.get(name) for name in variables}
    context.call_on_close(partial(_environment, before))
    _environment(variables)


def _environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


profile_option = click.option(
    "--profile",
    metavar="NAME",
    expose_value=False,
    callback=_profile,
    help="The profile of the AWS command line whose credentials are used.",
)
region_option = click.option(
    "--region", metavar="NAME", expose_value=False, callback=_region, help="The AWS region that is asked."
)
_configured_region_option = click.option(
    "--region",
    metavar="NAME",
    expose_value=False,
    callback=_region,
    help="The AWS region that is asked; it must be that of the configuration.",
)


def aws_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that has a configuration `--profile` and `--region`, as the AWS command line has them."""
    return profile_option(_configured_region_option(function))


def refuse_another_region(configured: str) -> None:
    """Raise WrongOption if `--region` names another one than the configuration: there would be nothing to find."""
    context = click.get_current_context(silent=True)
    asked: str = context.meta.get(_ASKED, configured) if context is not None else configured
    if asked != configured:
        raise WrongOption(
            f"--region {asked}: the configuration's region (aws.region) is {configured}; leave --region out, or name "
            "the configuration of that region with HAMMER_CONFIG"
        )
