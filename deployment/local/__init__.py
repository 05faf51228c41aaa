"""The embedded AWS of the demo and the tests, with stand-ins for JIRA and Slack."""
