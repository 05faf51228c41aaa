"""How reports write numbers, and cells of two lines."""


def counted(count: int, one: str, more: str) -> str:
    """A number with what it counts: `1 key`, `1,200 keys`."""
    return f"{count:,} {one if count == 1 else more}"


def two_lines(first: str, second: str) -> str:
    """A cell that shows `second` small, below `first`; without `second`, one line."""
    return f"{first}\n{second}" if second else first
