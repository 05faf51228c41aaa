"""Which users and keys an exemption means, and how long."""

import string
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.issues.whitelist import BY_TAG, Exemption, Whitelist

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
KEY = "AKIAI6UV7TCFQNA623TA"
USER_NAMES = st.text(string.ascii_letters + string.digits + "+=,.@_-", min_size=1, max_size=64)
KEY_IDS = st.from_regex(r"\AA[KS]IA[A-Z2-7]{16}\Z")


def _means(entry: str, user: str, key: str) -> bool:
    return bool(Whitelist({"1": (Exemption(entry),)}).naming("1", user, key))


@pytest.mark.parametrize(
    ("entry", "user", "key", "means"),
    [
        ("Joe.Bloggs@sample.com", "Joe.Bloggs@sample.com", KEY, True),
        ("Joe.Bloggs@sample.com", "joe.bloggs@SAMPLE.com", KEY, True),
        ("Joe.Bloggs@sample.com", "JoexBloggs@sample.com", KEY, False),
        ("Joe.Bloggs", "Joe.Bloggs@sample.com", KEY, False),
        ("Bloggs", "Joe.Bloggs", KEY, False),
        (KEY, "anybody", KEY, True),
        (KEY.lower(), "anybody", KEY, False),
        (KEY, "anybody", KEY.lower(), False),
        (KEY[:-1], "anybody", KEY, False),
        ("break-glass-*", "break-glass-1", KEY, True),
        ("break-glass-*", "Break-Glass-", KEY, True),
        ("break-glass-*", "xbreak-glass-1", KEY, False),
        ("ci-?", "ci-1", KEY, True),
        ("ci-?", "ci-", KEY, False),
        ("ci-?", "ci-12", KEY, False),
        ("AKIAI6*", "anybody", KEY, True),
        ("akiai6*", "anybody", KEY, False),
        ("AKIA????????????????", "anybody", KEY, True),
        ("*", "anybody", KEY, True),
        ("[abc]i", "ai", KEY, False),
        ("[abc]i", "[abc]i", KEY, True),
        ("[!a]", "b", KEY, False),
        ("ci[", "ci[", KEY, True),
        ("ci]", "ci]", KEY, True),
        ("[]*", "[]x", KEY, True),
        (".*", "anybody", KEY, False),
        ("a+b", "aab", KEY, False),
        ("", "anybody", KEY, False),
    ],
)
def test_an_entry_means_the_users_and_keys_it_names(entry: str, user: str, key: str, means: bool) -> None:
    assert _means(entry, user, key) is means


@given(USER_NAMES, USER_NAMES, KEY_IDS)
def test_an_entry_without_wildcards_means_one_user_name_in_any_case(entry: str, user: str, key: str) -> None:
    assert _means(entry, user, key) == (entry.lower() == user.lower() or entry == key)
    assert _means(entry, entry.swapcase(), key)


@given(KEY_IDS, KEY_IDS)
def test_an_entry_that_is_a_key_id_means_that_key_alone(entry: str, key: str) -> None:
    assert _means(entry, "somebody", key) == (entry == key)
    assert not _means(entry.lower(), "somebody", key)


@given(USER_NAMES, KEY_IDS, st.data())
def test_a_star_stands_for_any_part_of_a_name(user: str, key: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(user)))
    end = data.draw(st.integers(start, len(user)))
    assert _means(user[:start] + "*" + user[end:], user, key)


@given(USER_NAMES, KEY_IDS, st.data())
def test_a_question_mark_stands_for_exactly_one_character(user: str, key: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(user) - 1))
    entry = user[:at] + "?" + user[at + 1 :]
    assert _means(entry, user, key)
    assert not _means(entry, user + "x", key)
    assert not _means(entry, user[:at] + user[at + 1 :], key)


@given(st.text("ab[]!-*?", max_size=30), st.text("ab[]!-", max_size=30))
def test_no_other_character_is_a_wildcard(entry: str, user: str) -> None:
    """Checked against a matcher that is too plain to be wrong."""

    def means(pattern: str, text: str) -> bool:
        reached = {0}
        for sign in pattern:
            if sign == "*":
                reached = set(range(min(reached), len(text) + 1)) if reached else set()
            else:
                reached = {at + 1 for at in reached if at < len(text) and sign in ("?", text[at])}
        return len(text) in reached

    assert _means(entry, user, "-no key-") == (means(entry, user) or means(entry, "-no key-"))


_SHORT = st.text("abAB*?[", min_size=1, max_size=4)


@given(st.lists(_SHORT, unique=True, max_size=12), st.text("abAB[", max_size=4), st.text("abAB[", max_size=4))
def test_among_many_an_entry_means_what_it_means_alone(entries: list[str], user: str, key: str) -> None:
    whitelist = Whitelist({"1": tuple(map(Exemption, entries))})
    found = whitelist.naming("1", user, key)
    assert [entry.id for entry in found] == [entry for entry in entries if _means(entry, user, key)]
    rest = whitelist.unmatched("1", [user], [key], NOW, all_keys=True, before=())
    assert list(rest) == sorted(entry for entry in entries if not _means(entry, user, key))


def test_many_stars_take_no_noticeable_time() -> None:
    assert not _means("*a" * 30 + "b", "a" * 64, KEY)


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (datetime(2027, 1, 30, 12, tzinfo=UTC), True),
        (datetime(2027, 1, 31, 23, 59, 59, 999999, tzinfo=UTC), True),
        (datetime(2027, 2, 1, tzinfo=UTC), False),
        (datetime(2027, 2, 1, 1, tzinfo=timezone(timedelta(hours=2))), True),
        (datetime(2027, 1, 31, 23, tzinfo=timezone(timedelta(hours=-2))), False),
    ],
)
def test_until_is_the_last_day_in_utc(now: datetime, holds: bool) -> None:
    assert Exemption("bob", until=date(2027, 1, 31)).holds(now) is holds


def test_an_entry_without_until_holds_for_good() -> None:
    assert Exemption("bob").holds(datetime(9999, 12, 31, tzinfo=UTC))


def test_an_exemption_counts_in_its_account_only() -> None:
    whitelist = Whitelist({"123456789012": (Exemption("bob"),)})
    assert whitelist.find("123456789012", "Bob", KEY, NOW) == Exemption("bob")
    assert whitelist.find("210987654321", "bob", KEY, NOW) is None


def test_an_expired_entry_does_not_hide_one_that_holds() -> None:
    expired = Exemption("bob", until=date(2026, 11, 22))
    whitelist = Whitelist({"123456789012": (expired, Exemption("b*", reason="build"))})
    found = whitelist.find("123456789012", "bob", KEY, NOW)
    assert found is not None
    assert found.reason == "build"


def test_an_expired_entry_exempts_nobody() -> None:
    whitelist = Whitelist({"123456789012": (Exemption("bob", until=date(2026, 11, 22)),)})
    assert whitelist.find("123456789012", "bob", KEY, NOW) is None


# --- the tag of the user's own ---


@pytest.mark.parametrize("value", ["never", "Never", "NEVER", " never "])
def test_a_user_whose_tag_says_never_is_exempt_in_every_account(value: str) -> None:
    found = Whitelist({}).find("123456789012", "bob", KEY, NOW, {"owner": "ann", "hammer": value})
    assert found == BY_TAG
    assert (found.shown, found.reason, found.holds(NOW)) == (
        "the user's tag 'hammer: never'",
        "by the user's tag",
        True,
    )


@pytest.mark.parametrize(
    "tags", [None, {}, {"hammer": ""}, {"hammer": "nevermore"}, {"hammer": "no"}, {"Hammer": "never"}, {"x": "never"}]
)
def test_any_other_tag_exempts_nobody(tags: dict[str, str] | None) -> None:
    assert Whitelist({}).find("123456789012", "bob", KEY, NOW, tags) is None


def test_an_entry_precedes_the_tag_as_it_says_more_and_the_tag_outlasts_it() -> None:
    tags = {"hammer": "never"}
    whitelist = Whitelist({"123456789012": (Exemption("bob", until=NOW.date(), owner="ann"),)})
    found = whitelist.find("123456789012", "bob", KEY, NOW, tags)
    assert found is not None
    assert (found.owner, found.shown) == ("ann", "'bob'")
    assert whitelist.find("123456789012", "bob", KEY, NOW + timedelta(days=1), tags) == BY_TAG


# --- entries that mean nothing ---


def unmatched(
    *entries: str, all_keys: bool = False, before: tuple[str, ...] = (), until: date | None = None
) -> list[str]:
    """What of these entries means nothing in an account with the users joe and ci-1, and KEY."""
    whitelist = Whitelist({"1": tuple(Exemption(entry, until) for entry in entries)})
    found = whitelist.unmatched("1", ["joe", "ci-1"], [KEY], NOW, all_keys=all_keys, before=before)
    return list(found)


def test_a_user_s_entry_is_judged_by_every_complete_scan() -> None:
    assert unmatched("JOE", "ci-?", "*", "jo", "cl-?") == ["cl-?", "jo"]
    assert unmatched("jo", until=date(2026, 11, 23)) == ["jo"]
    assert unmatched("jo", until=date(2026, 11, 22)) == []
    assert Whitelist({"1": (Exemption("jo"),)}).unmatched("2", [], [], NOW, all_keys=True, before=()) == ()


OTHER_KEY = "AKIAOTHER00000000001"


@pytest.mark.parametrize("entry", [OTHER_KEY, "AKIAO*", "AKIAOTHER0000000000?"])
def test_what_may_be_a_key_s_id_is_judged_when_all_keys_are_listed(entry: str) -> None:
    assert unmatched(entry) == []
    assert unmatched(entry, all_keys=True) == [entry]
    assert unmatched(entry, before=(entry,)) == [entry]


@pytest.mark.parametrize("entry", [KEY, "AKIAI6*"])
@pytest.mark.parametrize("all_keys", [True, False])
def test_a_key_that_was_seen_has_its_entry_whatever_the_last_listing_said(entry: str, all_keys: bool) -> None:
    assert unmatched(entry, all_keys=all_keys, before=(entry,)) == []


@pytest.mark.parametrize("entry", ["ADMIN", "AKIAOTHER00", KEY.lower(), "AKIA_OTHER_000000000001"])
def test_what_can_be_no_key_s_id_is_a_user_s_name(entry: str) -> None:
    assert unmatched(entry) == [entry]
