"""Puts a checked configuration into S3 as one consistent set, which takes effect at once and as a whole."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from botocore.exceptions import ClientError

from deployment import stacks
from deployment.commands import (
    EXIT_CODES,
    REPOSITORY,
    DeploymentError,
    agreed,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)
from deployment.config_change import changes
from library.aws.calls import code_of
from library.cli.aws_options import aws_options
from library.cli.command import command
from library.config.loading import load
from library.config.sources import CURRENT, FILES, WHITELIST, PublishedSet, published_set
from library.errors import ConfigurationError
from library.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3.client import S3Client

    from library.config.settings import Config

PREFIX = "config"
"""Where in the bucket of bucket.yaml the configuration lies, if nothing else is asked for."""

PREVIOUS = "previous.json"
"""Beside `current.json`: the set that was in force before it."""


def publish(s3: S3Client, folder: Path, destination: str) -> list[tuple[str, str]]:
    """Put the configuration files of `folder` into force at `destination` (`s3://bucket/prefix`).

    Returns each file's name and what became of it: `new`, `changed`, `unchanged` or `taken away`. All files go into
    a folder named by their content; then one write of `current.json` switches over, so that a reader sees the
    previous set or this one. Earlier sets stay, because a reader may be in the middle of one.

    Raises ConfigurationError if the files are wrong, and DeploymentError if plain files lie at the destination.
    """
    load(str(folder))
    contents = {name: (folder / name).read_bytes() for name in FILES if (folder / name).exists()}
    bucket, prefix = split(destination)
    before = current(s3, destination)
    plain = [name for name in FILES if content_of(s3, bucket, f"{prefix}{name}") is not None]
    if plain:
        raise DeploymentError(
            f"{destination} holds {', '.join(plain)} themselves, which nobody would read any more once a set is "
            "published there: choose another prefix, or delete them",
            id=Message.PUBLISHED_BESIDE_FILES,
        )
    published = PublishedSet({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
    for name, content in contents.items():
        s3.put_object(Bucket=bucket, Key=prefix + published.place(name), Body=content)
    if before is not None and before != published:
        s3.put_object(Bucket=bucket, Key=prefix + PREVIOUS, Body=before.pointer())
    s3.put_object(Bucket=bucket, Key=prefix + CURRENT, Body=published.pointer())
    earlier = before.files if before else {}
    return [
        (name, _became(earlier.get(name), published.files.get(name)))
        for name in FILES
        if name in earlier or name in published.files
    ]


def _became(before: str | None, after: str | None) -> str:
    if after is None:
        return "taken away"
    if before is None:
        return "new"
    return "unchanged" if before == after else "changed"


def current(s3: S3Client, destination: str) -> PublishedSet | None:
    """The set in force at `destination`; None if none was published, or if its `current.json` is broken."""
    bucket, prefix = split(destination)
    pointer = content_of(s3, bucket, prefix + CURRENT)
    try:
        return published_set(pointer) if pointer is not None else None
    except ConfigurationError:
        # Publishing again mends it.
        return None


def differing(published: PublishedSet, folder: Path) -> list[str]:
    """The names of the configuration files that are not in `folder` as they were published."""
    digests = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES if (folder / name).exists()
    }
    return [name for name in FILES if digests.get(name) != published.files.get(name)]


def split(destination: str) -> tuple[str, str]:
    """The bucket, and the prefix with a slash at its end unless it is empty; raises BadParameter for another form."""
    bucket, _, prefix = destination.removeprefix("s3://").partition("/")
    if not (destination.startswith("s3://") and bucket):
        raise click.BadParameter(f"{destination!r} is not s3://bucket/prefix")
    return bucket, f"{prefix.strip('/')}/".lstrip("/")


def content_of(s3: S3Client, bucket: str, key: str) -> bytes | None:
    """The content of an object; None if there is none."""
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if code_of(error) == "NoSuchKey":
            return None
        raise


def reading_elsewhere(cloudformation: CloudFormationClient, destination: str) -> dict[str, str]:
    """The deployed stacks that read their configuration somewhere else than at `destination`, and where.

    `""` stands for the copy in their package.
    """
    sources = {
        name: stacks.parameters(cloudformation, name).get("ConfigSource")
        for name in (stacks.MAIN_STACK, stacks.HOST_STACK)
    }
    return {
        name: source
        for name, source in sources.items()
        if source is not None and (not source or split(source) != split(destination))
    }


def previous(s3: S3Client, destination: str, folder: Path) -> None:
    """Write the files of the set that was in force before the present one into a folder.

    Raises DeploymentError if there is none, or if a file of it is not what was published.
    """
    bucket, prefix = split(destination)
    pointer = content_of(s3, bucket, prefix + PREVIOUS)
    if pointer is None:
        raise DeploymentError(
            f"{destination} holds no {PREVIOUS}: nothing was published before what is in force",
            id=Message.NOTHING_PUBLISHED_BEFORE,
        )
    for name, digest in published_set(pointer).files.items():
        place = prefix + published_set(pointer).place(name)
        content = content_of(s3, bucket, place)
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            raise DeploymentError(
                f"s3://{bucket}/{place} is not what was published", id=Message.NOTHING_PUBLISHED_BEFORE
            )
        (folder / name).write_bytes(content)


def in_force(s3: S3Client, destination: str) -> Config | None:
    """The configuration in force at `destination`; None if there is none, or if it cannot be used."""
    if current(s3, destination) is None:
        return None
    try:
        return load(destination, s3_client=lambda: s3)
    except ConfigurationError:
        return None


def _may_go_on(s3: S3Client, folder: Path, destination: str, *, without_whitelist: bool, ask: bool) -> bool:
    """Show what would change, and ask if keys would lose protection; whether to go on.

    Raises UsageError if the whitelist that is in force is not there any more.
    """
    set_in_force, before, after = current(s3, destination), in_force(s3, destination), load(str(folder))
    had_whitelist = set_in_force is not None and WHITELIST in set_in_force.files
    if had_whitelist and not without_whitelist and not (folder / WHITELIST).exists():
        raise click.UsageError(
            f"{folder} has no {WHITELIST}, but one is in force: put the file there (its name is written exactly so), "
            "or give up all exemptions with --without-whitelist"
        )
    if before is None:
        risky = set_in_force is not None or after.inactive_keys.remediation
        if set_in_force is not None:
            click.echo("What is in force cannot be read, so nobody can say what would change.")
        elif risky:
            click.echo("Nothing is in force yet; with this, keys are switched off by schedule.")
    else:
        found = changes(before, after, datetime.now(UTC).date())
        risky = any(change.risk for change in found)
        if found:
            headings = ("setting", "in force", "would be", "so")
            print_table(headings, [(each.what, each.before, each.after, each.risk) for each in found])
        else:
            click.echo("Nothing would change.")
    return not (risky and ask) or agreed("Keys lose protection. Put it into force?")


@command(epilog=EXIT_CODES)
@click.argument("config_folder", required=False)
@click.argument("destination", required=False)
@click.option("--dry-run", is_flag=True, help="Show what would change; change nothing.")
@click.option("--previous", "back", is_flag=True, help="Put what was in force before into force again.")
@click.option(
    "--without-whitelist", is_flag=True, help="Give up all exemptions: there is no whitelist.json any more."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@aws_options
def main(
    config_folder: str | None,
    destination: str | None,
    dry_run: bool,
    back: bool,
    without_whitelist: bool,
    yes: bool,
) -> None:
    """Check the configuration in CONFIG_FOLDER (config/ if not given) and put it into force at DESTINATION.

    DESTINATION is s3://bucket/prefix; if not given, config/ in the bucket of the stack hammer-deployment. The
    functions and the host read it there, at each run, when the parameter ConfigSource of both stacks names it. They
    see all of a change or nothing of it. The files at hand replace the whole set.

    First every setting, account and exemption is shown that becomes another. Where keys lose protection by that, or
    remediation goes on, you are asked. A stack that reads another place is named, and the command fails.
    """
    with exit_codes(), tempfile.TemporaryDirectory() as earlier:
        given = Path(config_folder or REPOSITORY / "config")
        settings = settings_of(str(given))
        session = main_account_session(settings)
        cloudformation, s3 = session.client("cloudformation"), session.client("s3")
        stacks.refuse_another_table(cloudformation, settings)
        if destination is None:
            bucket = stacks.outputs(cloudformation, stacks.BUCKET_STACK)["BucketName"]
            destination = f"s3://{bucket}/{PREFIX}"
        folder = Path(earlier) if back else given
        if back:
            previous(s3, destination, folder)
        ask = not (yes or dry_run)
        if not _may_go_on(s3, folder, destination, without_whitelist=without_whitelist, ask=ask) or dry_run:
            click.echo("Nothing was published")
            return
        before, after = in_force(s3, destination), load(str(folder))
        print_table(("file", "what became of it"), publish(s3, folder, destination))
        _refuse_readers_of(reading_elsewhere(cloudformation, destination), destination)
        click.echo(f"In force from {destination}")
        if left := what_is_left(before, after, has_host=stacks.exists(cloudformation, stacks.HOST_STACK)):
            click.echo(left)


def what_is_left(before: Config | None, after: Config, *, has_host: bool) -> str:
    """When what was turned on or off begins, or what keeps it from it; empty if there is nothing to say."""
    on = _jobs(after)
    if on and not has_host:
        return (
            f"Turned on: {' and '.join(on)}. But there is no host that would do it, so nobody is told and no key is "
            "switched off until `make deploy` with --stack host (deployment/README.md, step 5)"
        )
    if has_host and on != (() if before is None else _jobs(before)):
        return "The host's schedule follows by itself, at seven minutes past the hour"
    return ""


def _jobs(settings: Config) -> tuple[str, ...]:
    """The jobs that the configuration turns on."""
    return tuple(job for job in ("reporting", "remediation") if getattr(settings.inactive_keys, job))


def _refuse_readers_of(elsewhere: Mapping[str, str], destination: str) -> None:
    """Raise DeploymentError if a stack does not read what was published."""
    if not elsewhere:
        return
    # A person who has added an exemption must not believe that it holds.
    readers = ", ".join(f"{name} (from {source or 'the copy in its package'})" for name, source in elsewhere.items())
    raise DeploymentError(
        f"Published at {destination}, but not read there by {readers}: deploy with "
        f"--parameter ConfigSource={destination}",
        id=Message.PUBLISHED_UNREAD,
    )


if __name__ == "__main__":
    main()
