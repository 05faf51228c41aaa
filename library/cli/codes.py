"""The exit codes, for whoever must not wait until botocore is imported."""

OK, FAILED, USAGE, LOCKED, INTERRUPTED = 0, 1, 2, 3, 130
