"""Which keys may be SMTP credentials of Amazon SES, and that it is said wherever somebody decides on one."""

from __future__ import annotations

import pytest

from library.issues.smtp import DOUBT, doubt, doubts, may_send_mail


@pytest.mark.parametrize(
    ("user", "service", "expected"),
    [
        ("ses-smtp-user.20190612-101500", None, True),
        ("ses-smtp-user", "s3", True),
        ("SES-SMTP-User.Mail", None, True),
        ("newsletter", "ses", True),
        ("newsletter", "SES", True),
        ("newsletter", None, False),
        ("newsletter", "", False),
        ("newsletter", "s3", False),
        ("newsletter", "sesame", False),
        ("my-ses-smtp-user", "s3", False),
        ("", None, False),
    ],
)
def test_a_key_may_send_mail_by_the_name_of_its_user_or_the_service_of_its_last_use(
    user: str, service: str | None, expected: bool
) -> None:
    assert may_send_mail(user, service) is expected
    assert doubt(user, service) == (DOUBT if expected else "")


def test_the_sentence_says_what_is_not_known_and_where_to_look() -> None:
    assert "LastUsedDate is written nowhere" in DOUBT
    assert "Look at the mail logs first." in DOUBT


def test_of_several_keys_it_is_said_with_their_number() -> None:
    assert doubts(1).startswith("1 of these keys may be an SMTP credential of Amazon SES: whether")
    assert doubts(1200).startswith("1,200 of these keys may be SMTP credentials of Amazon SES: whether")
    assert DOUBT.partition(": ")[2] == doubts(2).partition(": ")[2]
