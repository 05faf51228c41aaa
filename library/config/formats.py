"""What a text must look like to be a URL, a region, an account id, a role's path, a table's name, a time of cron.

Or a sample's.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
# The least and the greatest number of each field, and the names that stand for numbers, the first one for the least.
_CRON_FIELDS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, _MONTHS),
    (0, 7, _WEEKDAYS),
)
_CRON_PART = re.compile(r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?")


def is_account_id(text: str) -> bool:
    """Whether it is the id of an AWS account: 12 digits."""
    return re.fullmatch(r"[0-9]{12}", text) is not None


_SAMPLE_ACCOUNT = re.compile(r"123456789012|210987654321|([0-9])\1{3}([0-9])\2{3}([0-9])\3{3}")
_SAMPLE_DOMAIN = re.compile(r"(.+\.)?example(\.com|\.net|\.org)?")


def is_sample_account(account_id: str) -> bool:
    """Whether an account id is one of samples: the two of the manual's, or three digits four times each.

    AWS's own documentation has 123456789012 and 111122223333, 444455556666, 777788889999.
    """
    return _SAMPLE_ACCOUNT.fullmatch(account_id) is not None


def host_of(url: str) -> str:
    """The host that a URL names, in small letters; empty where it names none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address leads back to the machine that uses it, whatever that machine is.

    Names: RFC 6761, section 6.3.
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_sample_host(host: str) -> bool:
    """Whether nobody can have a server of this name: it is reserved for examples (RFC 2606, sections 2 and 3)."""
    return _SAMPLE_DOMAIN.fullmatch(host) is not None


def is_role_path(text: str) -> bool:
    """Whether IAM takes it for the path of a role, and the templates, too: `/security/`."""
    return re.fullmatch(r"(?=.{1,512}\Z)/([\w+=,.@-]+/)*", text, re.ASCII) is not None


def is_region(text: str) -> bool:
    """Whether it looks like an AWS region (`eu-west-1`); whether there is such a region is not known here."""
    return re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", text) is not None


def is_table_name(text: str) -> bool:
    """Whether a DynamoDB table may be called so; the templates ask for the same.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
    """
    return re.fullmatch(r"[a-zA-Z0-9_.-]{3,255}", text) is not None


def is_url(text: str) -> bool:
    """Whether it is an http or https URL without a user name or password.

    It is shown in tickets, messages and logs, where a password has no place.
    """
    try:
        url = urlsplit(text)
        return (
            url.scheme in ("http", "https")
            and bool(url.hostname)
            and url.port != 0
            and url.username is None
            and url.password is None
            and " " not in text
        )
    except ValueError:
        return False


def is_safe_url(text: str) -> bool:
    """Whether it is such a URL to which a token may be sent: https, or a server on this machine."""
    return is_url(text) and (urlsplit(text).scheme == "https" or is_this_machine(host_of(text)))


def is_cron_expression(text: str) -> bool:
    """Whether cron can read it: five fields, each a comma-separated list of `*`, numbers, names, ranges and steps.

    cron ignores a whole file, and says nothing, for one field that it cannot read.
    https://man7.org/linux/man-pages/man5/crontab.5.html
    """
    written = re.split(r"[ \t]+", text)
    return len(written) == len(_CRON_FIELDS) and all(
        _is_cron_part(part, *limits)
        for field, limits in zip(written, _CRON_FIELDS, strict=True)
        for part in field.lower().split(",")
    )


def _is_cron_part(text: str, least: int, most: int, names: tuple[str, ...]) -> bool:
    found = _CRON_PART.fullmatch(text)
    if found is None:
        return False
    first, last, step = found.groups()
    if step is not None and int(step) == 0:
        return False
    numbers = {name: number for number, name in enumerate(names, start=least)}
    ends = [int(end) if end.isdecimal() else numbers.get(end, -1) for end in (first, last) if end]
    return all(least <= end <= most for end in ends) and ends == sorted(ends)
