"""Building, deploying, checking and operating the stacks."""
