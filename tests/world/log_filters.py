"""CloudWatch Logs' patterns of metric filters, as far as the templates use them."""

from __future__ import annotations


def matches(pattern: str, line: str) -> bool:
    """Whether a pattern of space-delimited fields matches a line of a log group.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    assert (pattern[0], pattern[-1]) == ("[", "]"), f"unknown pattern {pattern}"
    fields = [field.strip().partition(" = ") for field in pattern[1:-1].split(",")]
    words = line.split(" ")
    if fields[-1][0] == "...":
        fields = fields[:-1]
        words = words[: len(fields)]
    return len(words) == len(fields) and all(
        not wanted or word == wanted.strip('"') for (_, _, wanted), word in zip(fields, words, strict=True)
    )
