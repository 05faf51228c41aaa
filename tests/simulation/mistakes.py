"""Mistakes to plant in a copy of the code, each of which the timelines must find."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.world import HANDLERS, REPOSITORY

PARTS = ("library", "identification", "reporting_remediation", "deployment", "tests")


@dataclass(frozen=True)
class Mistake:
    """`planted` in the place of `right`, wherever that stands in the file."""

    name: str
    file: str
    right: str
    planted: str

    def planted_text(self) -> str:
        """The file with the mistake in it. Raises ValueError if it has no place for it any more."""
        text = (REPOSITORY / self.file).read_text(encoding="utf-8")
        if self.right not in text:
            raise ValueError(f"{self.name}: {self.file} has no {self.right!r}")
        return text.replace(self.right, self.planted)


_SWITCH = '    iam.call("UpdateAccessKey", UserName=key.user_name, AccessKeyId=key.key_id, Status=status)\n'
_LOOK = '    if key is None:\n        return Skip("the key does not exist any more")\n    if key.status != ACTIVE:'
MISTAKES = (
    Mistake("no second look", "library/issues/switching.py", _LOOK, f"    return key\n{_LOOK}"),
    Mistake("`>=` for `>`", "library/issues/access_keys.py", "now - moment > timedelta", "now - moment >= timedelta"),
    Mistake(
        "retention from detection",
        "library/issues/reporting.py",
        "    reported = issue.timestamps.reported\n    return None",
        "    reported = issue.timestamps.reported and issue.timestamps.identified\n    return None",
    ),
    Mistake(
        "no promise",
        "library/issues/switching.py",
        "    if promised is None and not by_hand:",
        "    if False:",
    ),
    Mistake(
        "date brought forward",
        "library/issues/switching.py",
        "    due = over if promised is None or by_hand else max(over, promised)",
        "    due = over",
    ),
    Mistake(
        "no freshness",
        "library/issues/account_state.py",
        "        if self.scanned is not None and now - self.scanned <= FRESH:",
        "        if True:",
    ),
    Mistake(
        "promised unheard",
        "library/notifications/notices.py",
        "        failures: list[Failure] = []\n        latest, heard = issue, False\n",
        "        failures: list[Failure] = []\n        latest, heard = issue, False\n"
        "        if news.date is not None:\n"
        "            latest = self._jira_confirmed(issue, news, None)\n",
    ),
    Mistake(
        "use after the report ignored",
        "library/issues/record.py",
        "        return reported is not None and idle_since > reported",
        "        return False",
    ),
    Mistake("whitelist ignored", "library/issues/switching.py", "    if exemption is not None:", "    if False:"),
    Mistake(
        "old whitelist",
        "reporting_remediation/remediation/switching_off.py",
        "whitelist=by_now.whitelist)",
        "whitelist=self._settings.whitelist)",
    ),
    Mistake(
        "failed keys first",
        "reporting_remediation/remediation/switching_off.py",
        "        return failed is not None,",
        "        return failed is None,",
    ),
    Mistake(
        "failed keys in no turn",
        "reporting_remediation/remediation/switching_off.py",
        "failed and failed.time,",
        "None,",
    ),
    Mistake(
        "failed keys protect",
        "reporting_remediation/remediation/brake.py",
        "        errors[:] = [each for each in errors if not self._about_one_user(account_id, each)]\n",
        "",
    ),
    Mistake(
        "failure recorded as done",
        "library/aws/iam_keys.py",
        _SWITCH,
        f"    try:\n    {_SWITCH}    except AwsCallFailed:\n        return\n",
    ),
    Mistake(
        "whole-item put",
        "library/aws/issues_table.py",
        "return self._update(before, after) if",
        "return self._client.put_item(TableName=self._table, Item=_serialize(to_item(after))['M']) is not None if",
    ),
    Mistake(
        "late scan believed",
        "library/issues/scanning.py",
        "    times = issue.timestamps\n    return (\n",
        "    times = issue.timestamps\n    return False and (\n",
    ),
    Mistake(
        "the archive forgets who switched a key on",
        "library/issues/scanning.py",
        "again = None if issue is None else _next_episode(issue)",
        "again = None",
    ),
    Mistake(
        "stop file unseen",
        "reporting_remediation/remediation/switching_off.py",
        "if not self._options.dry_run and is_stopped():",
        "if False:",
    ),
    Mistake(
        "floor undercut",
        "library/config/floor.py",
        "    if retention < floor.retention_days:",
        "    if False:",
    ),
    Mistake(
        "two at once",
        "library/aws/lease.py",
        "        if held_by is not None:\n            raise AlreadyRunning(",
        "        if False:\n            raise AlreadyRunning(",
    ),
    Mistake(
        "no week of grace", "library/issues/reporting.py", "REACTIVATED_GRACE_DAYS = 7", "REACTIVATED_GRACE_DAYS = 0"
    ),
)


def plant(mistake: Mistake, timelines: int, seed: int) -> tuple[str, str]:
    """In which timeline the mistake was found in a copy of the code, or `none`, and what had gone wrong.

    Raises RuntimeError if nothing could be played with it.
    """
    with tempfile.TemporaryDirectory(prefix="hammer-planted-") as folder:
        for part in PARTS:
            shutil.copytree(REPOSITORY / part, Path(folder) / part, ignore=shutil.ignore_patterns("__pycache__"))
        (Path(folder) / mistake.file).write_text(mistake.planted_text(), encoding="utf-8")
        parts = ("", "reporting_remediation", HANDLERS.relative_to(REPOSITORY))
        path = os.pathsep.join(str(Path(folder) / part) for part in parts)
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--timelines", str(timelines), "--seed", str(seed)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    when = next((line for line in done.stdout.splitlines() if line.startswith("The first thing")), "")
    if not when:
        raise RuntimeError(f"{mistake.name}: {done.stderr}")
    said = done.stderr.splitlines()
    why = next((line for line in said if line.startswith("AssertionError")), said[-1] if said else "")
    return when.rpartition(": ")[2], why
