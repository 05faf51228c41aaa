"""The names that the commands use until each of them imports the module that it needs."""

from library.cli.logs import log_decision, logger
from library.cli.run import run
from library.cli.signals import stoppable
from library.cli.wiring import issues_table, notices, read_issues

__all__ = ["issues_table", "log_decision", "logger", "notices", "read_issues", "run", "stoppable"]
