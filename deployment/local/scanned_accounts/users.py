"""Users and keys in moto: makes them with ages and ids as asked for, ages them, and shows them."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from moto.iam.models import AccessKeyLastUsed, IAMBackend, iam_backends

if TYPE_CHECKING:
    from deployment.local.scanned_accounts.seeds import KeySeed, KeyState, State, UserSeed, UserState

_PARTITION = "aws"
_REGION = "eu-west-1"


def make_user(account: str, name: str, seed: UserSeed, now: datetime) -> None:
    """Make a user with keys, in place of one of that name. Raises ValueError if a key's id is taken."""
    backend = _backend(account)
    if name in backend.users:
        for key in list(backend.users[name].access_keys):
            backend.delete_access_key(key.access_key_id, name)
        backend.delete_user(name)
    tags = [{"Key": key, "Value": value} for key, value in seed.get("tags", {}).items()]
    user = backend.create_user("us-east-1", name, seed.get("path", "/"), tags)
    user.id = _derived_id("AIDA", account, name)
    ages = [key["created_days_ago"] for key in seed["keys"]]
    user.create_date = _ago(now, seed.get("created_days_ago", max(ages, default=0)))
    for position, key_seed in enumerate(seed["keys"]):
        key_id = key_seed.get("id") or _derived_id("AKIA", account, name, str(position))
        if key_id in backend.access_keys:
            raise ValueError(f"key {key_id} of account {account} exists already")
        _make_key(backend, name, key_id, key_seed, now)


def use_key(account: str, key_id: str, at: datetime | None, service: str) -> None:
    """Set when a key was used last, None for never. Raises KeyError if there is no such key."""
    used = None if at is None else AccessKeyLastUsed(_naive(at), service, _REGION)
    _backend(account).access_keys[key_id].last_used = used


def let_time_pass(passed: timedelta) -> None:
    """Move every time of every user and key back."""
    for account in iam_backends:
        for user in _backend(account).users.values():
            user.create_date -= passed
            for key in user.access_keys:
                key.create_date -= passed
                used = key.last_used
                if used:
                    key.last_used = AccessKeyLastUsed(used.timestamp - passed, used.service, used.region)


def state() -> State:
    """All users with their keys, as they are now."""
    backends = {account: _backend(account) for account in sorted(iam_backends)}
    return {
        account: {
            user.name: _state_of_user(user) for user in sorted(backend.users.values(), key=lambda user: user.name)
        }
        for account, backend in backends.items()
        if backend.users
    }


def _backend(account: str) -> IAMBackend:
    return iam_backends[account][_PARTITION]


def _make_key(backend: IAMBackend, user_name: str, key_id: str, seed: KeySeed, now: datetime) -> None:
    key = backend.create_access_key(user_name, status=seed.get("status", "Active"))
    del backend.access_keys[key.access_key_id]
    key.access_key_id = key_id
    backend.access_keys[key_id] = key
    key.create_date = _ago(now, seed["created_days_ago"])
    used = seed.get("last_used_days_ago")
    if used is not None:
        key.last_used = AccessKeyLastUsed(_ago(now, used), seed.get("service", "s3"), seed.get("region", _REGION))


def _derived_id(prefix: str, *parts: str) -> str:
    """An id in IAM's alphabet and length that is the same in every run."""
    return prefix + b32encode(hashlib.sha256("/".join(parts).encode()).digest()).decode()[:16]


def _ago(now: datetime, days: float) -> datetime:
    return _naive(now - timedelta(days=days))


def _naive(moment: datetime) -> datetime:
    """UTC without a zone, in whole seconds: what moto computes with, as exact as IAM is."""
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=UTC, microsecond=0).isoformat()


def _state_of_user(user: Any) -> UserState:
    return {
        "user_id": user.id,
        "created": _iso(user.create_date),
        "tags": {tag["Key"]: tag["Value"] for tag in user.tags or []},
        "keys": [_state_of_key(key) for key in user.access_keys],
    }


def _state_of_key(key: Any) -> KeyState:
    used = key.last_used
    return {
        "id": key.access_key_id,
        "status": key.status,
        "created": _iso(key.create_date),
        "last_used": _iso(used.timestamp) if used else None,
        "service": used.service if used else None,
        "region": used.region if used else None,
    }
