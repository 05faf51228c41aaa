"""Makes moto's IAM answer as AWS does where a difference would hide a bug."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import NoSuchEntity, ValidationError
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

if TYPE_CHECKING:
    from collections.abc import Callable

# IAM's default and largest page, API reference of ListUsers and ListAccessKeys.
_PAGE = 100
_LARGEST_PAGE = 1000

_rename = IAMBackend.update_user


@functools.cache
def mend() -> None:
    """Mend moto for this process; a second call does nothing."""
    _page("list_users", "Users", lambda user: user.name)
    _page("list_access_keys", "AccessKeyMetadata", lambda key: key.access_key_id)
    for replacement in (get_access_key_last_used, update_user):
        setattr(IAMBackend, replacement.__name__, replacement)


def get_access_key_last_used(self: IAMBackend, access_key_id: str) -> dict[str, Any]:
    """Find the key in its own account only: moto searches every account, and every key for each call."""
    key = self.access_keys.get(access_key_id)
    if key is None or key.user_name is None:
        raise NoSuchEntity(f"The Access Key with id {access_key_id} cannot be found")
    return {"user_name": key.user_name, "last_used": key.last_used}


def update_user(
    self: IAMBackend, user_name: str, new_path: str | None = None, new_user_name: str | None = None
) -> None:
    """Rename a user with their keys and tags, which moto leaves with the old name."""
    tags = self.list_user_tags(user_name)
    _rename(self, user_name, new_path, new_user_name)
    user = self.get_user(new_user_name or user_name)
    self.tagger.tag_resource(user.arn, tags)
    for key in user.access_keys:
        key.user_name = user.name


def _page(operation: str, entries: str, identity: Callable[[Any], str]) -> None:
    """Make an operation honour MaxItems and Marker, which moto ignores.

    The marker is the last entry's name, so that an entry that goes away between two pages hides no other.
    """
    unpaged = getattr(IamResponse, operation)

    def paged(self: IamResponse) -> ActionResult:
        size = int(self._get_param("MaxItems") or _PAGE)
        if not 1 <= size <= _LARGEST_PAGE:
            raise ValidationError(
                f"1 validation error detected: Value '{size}' at 'maxItems' failed to satisfy constraint: "
                f"Member must have value between 1 and {_LARGEST_PAGE}"
            )
        marker = self._get_param("Marker") or ""
        result = dict(unpaged(self).result)
        left = [entry for entry in sorted(result[entries], key=identity) if identity(entry) > marker]
        result[entries] = left[:size]
        result["IsTruncated"] = len(left) > size
        result["Marker"] = identity(left[size - 1]) if len(left) > size else None
        return ActionResult(result)

    setattr(IamResponse, operation, paged)
