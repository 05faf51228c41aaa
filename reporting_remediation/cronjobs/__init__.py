"""When cron starts the host's commands."""
