"""The names that the commands use until each of them imports the module that it needs."""

from library.cli.run import issues_table, log_decision, logger, notices, read_issues, run, stoppable

__all__ = ["issues_table", "log_decision", "logger", "notices", "read_issues", "run", "stoppable"]
