"""What the commands share: how a run begins and ends, its logs, its prompt, its tables."""
