"""What may stand in the three configuration files, key by key, with the defaults."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from library.config.fields import (
    AN_ACCOUNT_ID,
    AccountList,
    AccountMapping,
    Boolean,
    Checked,
    CommaList,
    Complaint,
    Day,
    Integer,
    Json,
    List,
    Mapping,
    Text,
    describe,
    nearest,
)
from library.config.formats import (
    is_account_id,
    is_cron_expression,
    is_region,
    is_role_path,
    is_safe_url,
    is_table_name,
    is_url,
)
from library.config.sections import Object, Section
from library.issues.whitelist import Exemption

SECTION = "user_inactivekeys"
# A hundred years: more is a slip, and dates would leave the calendar.
_MOST_DAYS = 36_500

# How alike (0 to 1) the names of an unknown section and of one of ours must be to be taken for a typing mistake.
_LIKE_OURS_IN_CONFIG = 0.7
_LIKE_OURS_IN_WHITELIST = 0.8
_A_URL = "a URL with http:// or https:// and no password in it"
_A_SAFE_URL = "a URL with https:// and no password in it (http:// only for a server on this machine)"
# Top-level names in Hammer's own config.json that mean nothing to this playbook.
HAMMER_SECTIONS = frozenset(
    """
    api bu_list cloudtrails csv ebs_public_snapshot ebs_unencrypted_volume ec2_public_ami ecs_external_image_source
    ecs_logging ecs_privileged_access es_domain_logging es_public_access_domain es_unencrypted_domain
    public_ami_issues rds_encryption rds_public_snapshot redshift_encryption redshift_logging redshift_public_access
    s3_bucket_acl s3_bucket_policy s3_encryption secgrp_unrestricted_access sqs_public_access user_keysrotation
    """.split()  # noqa: SIM905 - one name to a line would make the file too long
)


class AwsSchema(Section):
    """`aws`."""

    leftovers = frozenset({"ddb_backup", "s3_backup_bucket", "regions"})

    region = Text('an AWS region, as "eu-west-1"', check=is_region, required=True)
    main_account_id = Text(AN_ACCOUNT_ID, check=is_account_id, required=True)
    role_name_identification = Text(load_default="hammer-cloudsec-crossact-id")
    role_name_reporting = Text(load_default="hammer-cloudsec-crossact-ec2")
    external_id = Text("a text in quotes", blank=True, load_default="")
    role_path = Text('the path of the roles, as "/security/"', check=is_role_path, blank=True, load_default="")
    accounts = AccountMapping(Text("a name for the account, in quotes"), load_default=dict)
    accounts_from_organization = Boolean(load_default=False)

    @validates_schema(skip_on_field_errors=False)
    def _need_an_account(self, data: Any, **_kwargs: Any) -> None:
        if data.get("accounts") == {} and data.get("accounts_from_organization") is False:
            raise ValidationError({"accounts": ["at least one account, or accounts_from_organization"]})


class CronSchema(Section):
    """`cronjobs`."""

    reporting = Text("a cron expression of five fields", check=is_cron_expression, load_default="55 * * * *")
    remediation = Text("a cron expression of five fields", check=is_cron_expression, load_default="45 10 * * *")


class CredentialsSchema(Section):
    """`credentials`; Hammer's own are in a table, which is not read."""

    leftovers = frozenset({"ddb.table_name"})

    secret_name = Text("the name of a secret in Secrets Manager", load_default="hammer-credentials")


_SET_BY_HAMMER = frozenset({"project", "summary", "labels"})
_A_TRANSITION = "the name of a transition, in quotes"
_TRANSITIONS = "a list of names of transitions"


class JiraProjectSchema(Section):
    """`jira.projects.KEY`: what holds for one project instead of the setting of the same name in `jira`."""

    issue_type = Text()
    priority = Text("a text in quotes", blank=True)
    fields_ = Json(_SET_BY_HAMMER, data_key="fields")
    close_transitions = CommaList(Text(_A_TRANSITION), _TRANSITIONS)
    close_fields = Json(_SET_BY_HAMMER)
    link_type = Text()


class JiraSchema(Section):
    """`jira`."""

    leftovers = frozenset({"text_field_character_limit"})

    enabled = Boolean(load_default=False)
    server = Text(_A_SAFE_URL, check=is_safe_url, blank=True, load_default="")
    issue_type = Text(load_default="Task")
    priority = Text("a text in quotes", blank=True, load_default="Major")
    close_transitions = CommaList(Text(_A_TRANSITION), _TRANSITIONS, load_default=("Close Issue", "Done"))
    ca_bundle = Text("the path of a file, in quotes", blank=True, load_default="")
    browse_url = Text(_A_URL, check=is_url, blank=True, load_default="")
    fields_ = Json(_SET_BY_HAMMER, data_key="fields", load_default=dict)
    close_fields = Json(_SET_BY_HAMMER, load_default=dict)
    link_type = Text(load_default="relates to")
    projects = Mapping(
        Object(JiraProjectSchema()), "an object whose keys are keys of JIRA projects", load_default=dict
    )

    @validates_schema(skip_on_field_errors=False)
    def _need_a_server(self, data: Any, **_kwargs: Any) -> None:
        if data.get("enabled") and data.get("server") == "":
            raise ValidationError({"server": ["the URL of the server, as jira.enabled is true"]})


class SlackSchema(Section):
    """`slack`."""

    leftovers = frozenset({"channels", "ignore", "default_channel"})

    enabled = Boolean(load_default=False)
    notify_default_owner = Boolean(load_default=True)
    base_url = Text(_A_SAFE_URL, check=is_safe_url, load_default="https://slack.com/api/")
    team_id = Text("the id of a workspace (T…), in quotes", blank=True, load_default="")


class InactiveKeysSchema(Section):
    """`user_inactivekeys`; periods in days."""

    leftovers = frozenset({"topic_name"})

    enabled = Boolean(load_default=True)
    table_name = Text(
        "the name of a DynamoDB table: 3 to 255 letters, digits, and _ . -",
        check=is_table_name,
        data_key="ddb.table_name",
        load_default="hammer-iam-user-keys-inactive",
    )
    accounts = AccountList(blank=None, load_default=None)
    ignore_accounts = AccountList(load_default=())
    remediation_accounts = AccountList(blank=None, load_default=None)
    inactive_criteria_days = Integer(1, _MOST_DAYS, required=True)
    reporting = Boolean(load_default=False)
    remediation = Boolean(load_default=False)
    remediation_retention_period = Integer(0, _MOST_DAYS, load_default=0)
    reminder_days_before_remediation = CommaList(
        Integer(1, _MOST_DAYS), "a list of whole numbers of days", load_default=(7, 1)
    )
    remediation_max_keys_per_run = Integer(1, 10**9, allow_none=True, load_default=None)

    @validates_schema(pass_original=True, skip_on_field_errors=True)
    def _scan_what_is_remediated(self, data: Any, original: Any, **_kwargs: Any) -> None:
        """Nobody would keep the rows of an account true that is remediated and not scanned."""
        if data["accounts"] is None:
            return
        scanned = {*data["accounts"], *data["ignore_accounts"]}
        others = [account for account in data["remediation_accounts"] or () if account not in scanned]
        if others:
            expected = f"an account that {SECTION}.accounts lists, too"
            complaints = _complaints_about(others, original["remediation_accounts"], expected)
            raise ValidationError({"remediation_accounts": complaints})


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
        """Whether it is a section of another playbook: one of Hammer's, or one that an estate wrote itself.

        An unknown section whose name is much like one of ours is neither.
        """
        if key in HAMMER_SECTIONS:
            return True
        return isinstance(value, dict) and nearest(key, self.known(), _LIKE_OURS_IN_CONFIG) is None

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def _know_every_listed_account(self, data: Any, original: Any, **_kwargs: Any) -> None:
        aws = data.get("aws", {})
        if "accounts" not in aws or aws.get("accounts_from_organization") is not False:
            return
        errors = {}
        for name in ("accounts", "ignore_accounts", "remediation_accounts"):
            listed = data.get(SECTION, {}).get(name) or ()
            unknown = [account for account in listed if account not in aws["accounts"]]
            if unknown:
                expected = "an account that aws.accounts names"
                errors[name] = _complaints_about(unknown, original[SECTION][name], expected)
        if errors:
            raise ValidationError({SECTION: errors})


def _complaints_about(accounts: list[str], written: object, expected: str) -> Any:
    """What marshmallow takes for the errors of a list of accounts, by position if it was written as a list."""
    complaints = [Complaint(describe(account), expected) for account in accounts]
    if not isinstance(written, list):
        return complaints
    # The first place of each.
    places = {str(item).strip(): place for place, item in reversed(list(enumerate(written)))}
    return {places[account]: [complaint] for account, complaint in zip(accounts, complaints, strict=True)}


class ExemptionSchema(Section):
    """An entry of the whitelist that is an object; `until` is the last day on which it holds (UTC)."""

    id = Text("a user name or key id in quotes, not empty", required=True)
    until = Day(load_default=None)
    reason = Text("a text in quotes", blank=True, load_default="")
    owner = Text("a text in quotes", blank=True, load_default="")


class ExemptionField(Checked):
    """An entry of the whitelist: a user name or key id, or an object with `id`."""

    def __init__(self) -> None:
        super().__init__('a user name or key id in quotes, or an object {"id": "…", "until": "2027-01-31", …}')

    def _read(self, value: Any) -> Exemption:
        if isinstance(value, dict):
            return Exemption(**ExemptionSchema().load(value))
        if not isinstance(value, str) or not value.strip():
            raise self._refused()
        return Exemption(value.strip())


class WhitelistSchema(Section):
    """`whitelist.json`; the sections of other playbooks are ignored."""

    user_inactivekeys = AccountMapping(
        List(ExemptionField(), "a list of user names, key ids or objects with an id"), load_default=None
    )

    def is_leftover(self, key: str, _value: object) -> bool:
        """Whether it is a section of another playbook: anything but ours with a typing mistake in it.

        Exemptions that are overlooked would cost a key.
        """
        return key in HAMMER_SECTIONS or nearest(key, [SECTION], _LIKE_OURS_IN_WHITELIST) is None


class OwnerSchema(Section):
    """The settings of `ticket_owners.json`, for one account or for all."""

    jira_project = Text("the key of a JIRA project, in quotes", blank=True, load_default="")
    jira_owner = Text("a JIRA user, in quotes", blank=True, load_default="")
    jira_parent_ticket = Text("a JIRA ticket, in quotes", blank=True, load_default="")
    slack_owner = CommaList(
        Text("a channel with # or a user, in quotes", blank=True),
        "a channel or user in quotes, or a list of them",
        load_default=(),
    )


class UnitSchema(OwnerSchema):
    """The settings of `ticket_owners.json` for one business unit."""

    product = Mapping(Object(OwnerSchema()), "an object whose keys are names of products", load_default=dict)


class OwnersSchema(OwnerSchema):
    """`ticket_owners.json`."""

    account = AccountMapping(Object(OwnerSchema()), strict=False, load_default=dict)
    bu = Mapping(Object(UnitSchema()), "an object whose keys are names of business units", load_default=dict)
