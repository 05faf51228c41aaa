"""What may stand in the three configuration files, key by key, with the defaults."""

import re
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, validates_schema

from library.config.fields import (
    ACCOUNT_ID,
    AN_ID,
    Checked,
    Day,
    Flag,
    Object,
    PerAccount,
    PerName,
    Section,
    Several,
    Text,
    Whole,
    Wrong,
    describe,
    nearest,
)
from library.issues.whitelist import Exemption

SECTION = "user_inactivekeys"
# A hundred years: more is a slip, and dates would leave the calendar.
MOST_DAYS = 36_500

# Top-level names in Hammer's own config.json that mean nothing to this playbook.
HAMMER_SECTIONS = frozenset(
    {
        "api",
        "bu_list",
        "cloudtrails",
        "csv",
        "ebs_public_snapshot",
        "ebs_unencrypted_volume",
        "ec2_public_ami",
        "ecs_external_image_source",
        "ecs_logging",
        "ecs_privileged_access",
        "es_domain_logging",
        "es_public_access_domain",
        "es_unencrypted_domain",
        "public_ami_issues",
        "rds_encryption",
        "rds_public_snapshot",
        "redshift_encryption",
        "redshift_logging",
        "redshift_public_access",
        "s3_bucket_acl",
        "s3_bucket_policy",
        "s3_encryption",
        "secgrp_unrestricted_access",
        "sqs_public_access",
        "user_keysrotation",
    }
)


_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_WEEKDAYS = "sun mon tue wed thu fri sat"


class Entry(Checked):
    """One entry of the whitelist: a name, or an object with `id`."""

    def __init__(self) -> None:
        super().__init__('a user name or key id in quotes, or an object {"id": "…", "until": "2027-01-31", …}')

    def read(self, value: Any) -> Exemption:
        if isinstance(value, dict):
            return Exemption(**EntrySchema().load(value))
        if not isinstance(value, str) or not value.strip():
            raise self.wrong()
        return Exemption(value.strip())


def _is_url(text: str) -> bool:
    try:
        url = urlsplit(text)
        # It is shown in tickets, messages and logs, where a password has no place.
        open_to_all = url.username is None and url.password is None
        return (
            url.scheme in ("http", "https")
            and bool(url.hostname)
            and url.port != 0
            and open_to_all
            and " " not in text
        )
    except ValueError:
        return False


def _is_cron(text: str) -> bool:
    # cron drops the whole file without a word for one field that it cannot read.
    parts = re.split(r"[ \t]+", text)
    limits = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    return len(parts) == 5 and all(map(_is_cron_field, parts, limits))


def _is_cron_field(text: str, limits: tuple[int, int]) -> bool:
    for part in text.split(","):
        found = re.fullmatch(
            r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?", part.lower()
        )
        if not found or (found[3] and int(found[3]) == 0):
            return False
        names = {12: _MONTHS, 7: _WEEKDAYS}.get(limits[1], "").split()
        # A name stands for its number: months begin with 1, days of the week with 0.
        values = {name: position for position, name in enumerate(names, start=limits[0])}
        texts = [text for text in found.group(1, 2) if text]
        numbers = [int(text) if text.isdecimal() else values.get(text, -1) for text in texts]
        if not all(limits[0] <= number <= limits[1] for number in numbers) or numbers != sorted(numbers):
            return False
    return True


def _accounts(**kwargs: Any) -> Several:
    item = Text(AN_ID, check=lambda text: bool(ACCOUNT_ID.fullmatch(text)))
    return Several(item, "a list of account ids, or one comma-separated string of them", **kwargs)


class AwsSchema(Section):
    leftovers = frozenset({"ddb_backup", "s3_backup_bucket", "regions"})

    region = Text(
        'an AWS region, as "eu-west-1"',
        check=lambda text: bool(re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}", text)),
        required=True,
    )
    main_account_id = Text(AN_ID, check=lambda text: bool(ACCOUNT_ID.fullmatch(text)), required=True)
    role_name_identification = Text(load_default="hammer-cloudsec-crossact-id")
    role_name_reporting = Text(load_default="hammer-cloudsec-crossact-ec2")
    external_id = Text("a text in quotes", blank=True, load_default="")
    accounts = PerAccount(Text("a name for the account, in quotes"), load_default=dict)
    accounts_from_organization = Flag(load_default=False)

    @validates_schema(skip_on_field_errors=False)
    def need_an_account(self, data: Any, **_kwargs: Any) -> None:
        if data.get("accounts") == {} and data.get("accounts_from_organization") is False:
            raise ValidationError({"accounts": ["at least one account, or accounts_from_organization"]})


class CronSchema(Section):
    reporting = Text("a cron expression of five fields", check=_is_cron, load_default="55 * * * *")
    remediation = Text("a cron expression of five fields", check=_is_cron, load_default="45 10 * * *")


class CredentialsSchema(Section):
    leftovers = frozenset({"ddb.table_name"})

    secret_name = Text("the name of a secret in Secrets Manager", load_default="hammer-credentials")


class JiraSchema(Section):
    leftovers = frozenset({"text_field_character_limit"})

    enabled = Flag(load_default=False)
    server = Text("a URL with http:// or https:// and no password in it", check=_is_url, blank=True, load_default="")
    issue_type = Text(load_default="Task")
    priority = Text("a text in quotes", blank=True, load_default="Major")
    close_transitions = Several(
        Text("the name of a transition, in quotes"),
        "a list of names of transitions",
        load_default=("Close Issue", "Done"),
    )
    ca_bundle = Text("the path of a file, in quotes", blank=True, load_default="")

    @validates_schema(skip_on_field_errors=False)
    def need_a_server(self, data: Any, **_kwargs: Any) -> None:
        if data.get("enabled") and data.get("server") == "":
            raise ValidationError({"server": ["the URL of the server, as jira.enabled is true"]})


class SlackSchema(Section):
    leftovers = frozenset({"channels", "ignore", "default_channel"})

    enabled = Flag(load_default=False)
    notify_default_owner = Flag(load_default=True)
    base_url = Text(
        "a URL with http:// or https:// and no password in it", check=_is_url, load_default="https://slack.com/api/"
    )


class InactiveKeysSchema(Section):
    leftovers = frozenset({"topic_name"})

    enabled = Flag(load_default=True)
    table_name = Text(data_key="ddb.table_name", load_default="hammer-iam-user-keys-inactive")
    accounts = _accounts(blank=None, load_default=None)
    ignore_accounts = _accounts(load_default=())
    remediation_accounts = _accounts(blank=None, load_default=None)
    inactive_criteria_days = Whole(1, MOST_DAYS, required=True)
    reporting = Flag(load_default=False)
    remediation = Flag(load_default=False)
    remediation_retention_period = Whole(0, MOST_DAYS, load_default=0)
    reminder_days_before_remediation = Several(
        Whole(1, MOST_DAYS), "a list of whole numbers of days", load_default=(7, 1)
    )
    remediation_max_keys_per_run = Whole(1, 10**9, allow_none=True, load_default=None)


class ConfigSchema(Section):
    """`config.json`."""

    aws = Object(AwsSchema())
    cronjobs = Object(CronSchema())
    credentials = Object(CredentialsSchema())
    jira = Object(JiraSchema())
    slack = Object(SlackSchema())
    whitelisting_procedure_url = Text("a text in quotes", blank=True, load_default="")
    user_inactivekeys = Object(InactiveKeysSchema())

    def is_leftover(self, key: str, value: object) -> bool:
        # Sections of playbooks that an estate wrote itself pass, too; what looks like a slip does not.
        another_section = isinstance(value, dict) and nearest(key, self.known(), cutoff=0.7) is None
        return key in HAMMER_SECTIONS or another_section

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def know_every_listed_account(self, data: Any, original: Any, **_kwargs: Any) -> None:
        aws = data.get("aws", {})
        if "accounts" not in aws or aws.get("accounts_from_organization") is not False:
            return
        lists = data.get(SECTION, {})
        errors: dict[str, Any] = {}
        for name in ("accounts", "ignore_accounts", "remediation_accounts"):
            for account in lists.get(name) or ():
                if account in aws["accounts"]:
                    continue
                wrong = Wrong(describe(account), "an account that aws.accounts names")
                written = original[SECTION][name]
                if isinstance(written, list):
                    errors.setdefault(name, {})[[str(one).strip() for one in written].index(account)] = [wrong]
                else:
                    errors.setdefault(name, []).append(wrong)
        if errors:
            raise ValidationError({SECTION: errors})


class EntrySchema(Section):
    """An entry of the whitelist that is an object."""

    id = Text("a user name or key id in quotes, not empty", required=True)
    until = Day(load_default=None)
    reason = Text("a text in quotes", blank=True, load_default="")
    owner = Text("a text in quotes", blank=True, load_default="")


class WhitelistSchema(Section):
    """`whitelist.json`; the sections of other playbooks are none of our business."""

    user_inactivekeys = PerAccount(
        Several(Entry(), "a list of user names, key ids or objects with an id", text=False), load_default=None
    )

    def is_leftover(self, key: str, _value: object) -> bool:
        # A section of exceptions that is misspelt would be lost without a word.
        return key in HAMMER_SECTIONS or nearest(key, [SECTION], cutoff=0.8) is None


class OwnerSchema(Section):
    """The settings of `ticket_owners.json`, for one account or for all."""

    jira_project = Text("the key of a JIRA project, in quotes", blank=True, load_default="")
    jira_owner = Text("a JIRA user, in quotes", blank=True, load_default="")
    jira_parent_ticket = Text("a JIRA ticket, in quotes", blank=True, load_default="")
    slack_owner = Several(
        Text("a channel with # or a user, in quotes", blank=True),
        "a channel or user in quotes, or a list of them",
        load_default=(),
    )


class UnitSchema(OwnerSchema):
    """The settings of `ticket_owners.json` for one business unit."""

    product = PerName(Object(OwnerSchema()), "an object whose keys are names of products", load_default=dict)


class OwnersSchema(OwnerSchema):
    """`ticket_owners.json`."""

    account = PerAccount(Object(OwnerSchema()), strict=False, load_default=dict)
    bu = PerName(Object(UnitSchema()), "an object whose keys are names of business units", load_default=dict)
