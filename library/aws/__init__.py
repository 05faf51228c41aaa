"""AWS: clients and sessions, what IAM says of keys, the tables, and what is refused."""
