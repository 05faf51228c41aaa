"""Two accounts full of users, as an estate has them after some years; nearly all of it is fine."""

from deployment.local.scanned_accounts import KeySeed, Population, UserSeed

MASTER = "123456789012"
SLAVE = "210987654321"

_PEOPLE = (
    *("ana", "ben", "carla", "dmitri", "emre", "fatima", "george", "hana", "ivan", "julia", "kofi", "lena", "mateo"),
    *("nadia", "oscar", "priya", "quinn", "rosa", "sven", "tara", "uma", "victor", "wei", "xenia", "yusuf", "zoe"),
)
_TEAMS = {MASTER: ("web", "data"), SLAVE: ("mobile",)}


def population() -> Population:
    """The users of both accounts; ages are days before the moment at which they are made."""
    return {MASTER: _master() | _colleagues(MASTER), SLAVE: _slave() | _colleagues(SLAVE)}


def _master() -> dict[str, UserSeed]:
    return {
        "alice": _user(_key(400, 2, "ec2"), _key(700, 212, "s3"), owner="alice"),
        "auditor": _user(),
        "break-glass-root": _user(_key(800)),
        "ci-runner": _user(_key(60, 0.1, "ecr"), path="/ci/"),
        "contractor-lee": _user(_key(155, 148, "codecommit"), owner="bob"),
        "deploy_bot": _user(_key(500, 0.2, "cloudformation")),
        "first.last": _user(_key(300, 1, "s3")),
        "jane.doe@sample.com": _user(_key(900, 402, "s3"), owner="bob"),
        # Whitelisted as Joe.Bloggs@sample.com: names differ in nothing but case.
        "joe.bloggs@sample.com": _user(_key(1100, 330, "s3")),
        "legacy-ftp": _user(_key(1800, 900, "s3", status="Inactive"), _key(1500, status="Inactive")),
        "mailer": _user(_key(420, 141, "ses"), path="/service/"),
        "marketing-site": _user(_key(640, 120, "s3")),
        "new-hire": _user(_key(3)),
        "quarterly-close": _user(_key(730, 85, "s3"), owner="alice"),
        "reports+nightly": _user(_key(380, 95, "athena")),
        "smith,john": _user(_key(200, 121, "sts")),
        "svc-importer": _user(_key(610, 210, "sqs")),
        "svc-metrics": _user(_key(450, 130, "monitoring")),
        "team=data": _user(_key(310)),
    }


def _slave() -> dict[str, UserSeed]:
    return {
        # The same name as in the other account, with keys of its own.
        "alice": _user(_key(250, 97, "dynamodb"), owner="alice"),
        "ci-mirror": _user(_key(700, 280, "codecommit")),
        "data,export": _user(_key(120)),
        "etl+hourly": _user(_key(330, 0.05, "glue")),
        "grafana-reader": _user(_key(365, 101, "monitoring"), owner="somebody-who-left"),
        "load-test": _user(_key(90, 60, "ec2", status="Inactive")),
        # The exemption names the first of these keys, not the user.
        "partner-sync": _user(_key(900, 510, "s3", key_id="AKIAI6UV7TCFQNA623TA"), _key(880, 505, "s3")),
        "pilot@sample.com": _user(_key(40)),
        "sandbox_old": _user(_key(1300, 640, "ec2")),
        "svc=queue": _user(_key(210, 0.3, "sqs")),
        "vpn.gateway": _user(_key(1000, 4, "ec2"), path="/network/"),
    }


def _colleagues(account: str) -> dict[str, UserSeed]:
    """People and what they work with every day."""
    return {
        f"{name}.{team}": _user(_key(20 + 11 * number, number % 9 + 0.5, "sts"))
        for team in _TEAMS[account]
        for number, name in enumerate(_PEOPLE)
    }


def _user(*keys: KeySeed, path: str = "/", **tags: str) -> UserSeed:
    return {"keys": list(keys), "path": path, "tags": tags}


def _key(
    created: float, used: float | None = None, service: str = "", *, key_id: str = "", status: str = "Active"
) -> KeySeed:
    seed: KeySeed = {"created_days_ago": created, "status": status}
    if used is not None:
        seed |= {"last_used_days_ago": used, "service": service}
    if key_id:
        seed["id"] = key_id
    return seed
