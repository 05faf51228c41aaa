"""The command `hammer`, with a subcommand for each command of this project."""
