"""Puts a checked configuration into S3 as one consistent set, which takes effect at once and as a whole."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click
from botocore.exceptions import ClientError

from deployment import stacks
from deployment.commands import (
    EXIT_CODES,
    REPOSITORY,
    DeploymentError,
    exit_codes,
    main_account_session,
    print_table,
    settings_of,
)
from library.config.loading import load
from library.config.sources import CURRENT, FILES, PublishedSet, published_set
from library.errors import ConfigurationError
from library.messages import Message

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3.client import S3Client

PREFIX = "config"
"""Where in the bucket of bucket.yaml the configuration lies, if nothing else is asked for."""


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
    plain = [name for name in FILES if _content(s3, bucket, f"{prefix}{name}") is not None]
    if plain:
        raise DeploymentError(
            f"{destination} holds {', '.join(plain)} themselves, which nobody would read any more once a set is "
            "published there: choose another prefix, or delete them",
            id=Message.PUBLISHED_BESIDE_FILES,
        )
    published = PublishedSet({name: hashlib.sha256(content).hexdigest() for name, content in contents.items()})
    for name, content in contents.items():
        s3.put_object(Bucket=bucket, Key=prefix + published.place(name), Body=content)
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
    pointer = _content(s3, bucket, prefix + CURRENT)
    try:
        return published_set(pointer) if pointer is not None else None
    except ConfigurationError:
        # Publishing again mends it.
        return None


def split(destination: str) -> tuple[str, str]:
    """The bucket, and the prefix with a slash at its end unless it is empty; raises BadParameter for another form."""
    bucket, _, prefix = destination.removeprefix("s3://").partition("/")
    if not (destination.startswith("s3://") and bucket):
        raise click.BadParameter(f"{destination!r} is not s3://bucket/prefix")
    return bucket, f"{prefix.strip('/')}/".lstrip("/")


def _content(s3: S3Client, bucket: str, key: str) -> bytes | None:
    try:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchKey":
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


@click.command(epilog=EXIT_CODES)
@click.argument("config_folder", required=False)
@click.argument("destination", required=False)
def main(config_folder: str | None, destination: str | None) -> None:
    """Check the configuration in CONFIG_FOLDER (config/ if not given) and put it into force at DESTINATION.

    DESTINATION is s3://bucket/prefix; if not given, config/ in the bucket of the stack hammer-deployment. The
    functions and the host read it there, at each run, when HAMMER_CONFIG names it (parameter ConfigSource of both
    stacks). They see all of a change or nothing of it. The files at hand replace the whole set: what colleagues
    have published meanwhile is shown as changed. A stack that reads another place is named, and the command fails.
    """
    with exit_codes():
        folder = Path(config_folder or REPOSITORY / "config")
        settings = settings_of(str(folder))
        session = main_account_session(settings)
        cloudformation = session.client("cloudformation")
        stacks.refuse_another_table(cloudformation, settings)
        if destination is None:
            bucket = stacks.outputs(cloudformation, stacks.BUCKET_STACK)["BucketName"]
            destination = f"s3://{bucket}/{PREFIX}"
        done = publish(session.client("s3"), folder, destination)
        print_table(("file", "what became of it"), done)
        if elsewhere := reading_elsewhere(cloudformation, destination):
            # A person who has added an exception must not believe that it holds.
            readers = ", ".join(
                f"{name} (from {source or 'the copy in its package'})" for name, source in elsewhere.items()
            )
            raise DeploymentError(
                f"Published at {destination}, but not read there by {readers}: deploy with "
                f"--parameter ConfigSource={destination}",
                id=Message.PUBLISHED_UNREAD,
            )
        click.echo(f"In force from {destination}")


if __name__ == "__main__":
    main()
