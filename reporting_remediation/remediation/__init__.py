"""The host's commands that switch keys off and on, and show what has happened to them."""
