"""Keys that may be SMTP credentials of Amazon SES, of which idleness says less than of others.

The SES console makes an IAM user `ses-smtp-user.…` for each of them, and the SMTP password is derived from the user's
secret key: Amazon SES Developer Guide, "Obtaining Amazon SES SMTP credentials". Neither that guide nor IAM's on
GetAccessKeyLastUsed says whether mail that is sent with the password moves LastUsedDate.
"""

from __future__ import annotations

_USER = "ses-smtp-user"
_SERVICE = "ses"

_UNKNOWN = "whether sending mail over SMTP moves LastUsedDate is written nowhere. Look at the mail logs first."
DOUBT = f"This may be an SMTP credential of Amazon SES: {_UNKNOWN}"
"""What people are told before they decide on such a key."""


def may_send_mail(user_name: str, last_used_service: str | None) -> bool:
    """Whether a key is of a user `ses-smtp-user…` (in any case of letters), or was last used for SES."""
    return user_name.lower().startswith(_USER) or (last_used_service or "").lower() == _SERVICE


def doubt(user_name: str, last_used_service: str | None) -> str:
    """DOUBT, or nothing for any other key."""
    return DOUBT if may_send_mail(user_name, last_used_service) else ""


def doubts(keys: int) -> str:
    """The same of so many of the keys that were spoken of."""
    may_be = (
        "1 of these keys may be an SMTP credential"
        if keys == 1
        else f"{keys:,} of these keys may be SMTP credentials"
    )
    return f"{may_be} of Amazon SES: {_UNKNOWN}"
