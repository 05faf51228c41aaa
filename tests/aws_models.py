"""Lets every session of botocore share the descriptions of AWS's services, which each would read and parse again."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.loaders import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator


class _SharedLoader(Loader):
    @property
    def search_paths(self) -> list[str]:
        # Every session appends to what it gets.
        return [*super().search_paths, str(Path(boto3.__file__).parent / "data")]


@contextmanager
def aws_models_read_once(*services: str) -> Iterator[None]:
    """Sessions made from now on share what they read; `services` (`iam`) are read at once.

    Parsing takes most of the time that a test on AWS would take: a fifth of a second for a session's first client.
    """
    loader = _SharedLoader()
    # Which part of an event's name is a service's old name: asked for 130 times by each session, and always the same.
    aliaser: Any = EventAliaser(HierarchicalEmitter())
    event_name = functools.cache(aliaser._alias_event_name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", lambda _search_path: loader)
        patch.setattr(EventAliaser, "_alias_event_name", lambda _self, name: event_name(name))
        for service in services:
            botocore.session.get_session().create_client(service, "eu-west-1")
        yield
