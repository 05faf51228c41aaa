"""The host's commands that tell people of the issues."""
