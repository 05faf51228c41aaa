"""The file that stops a host: `touch /etc/hammer/stop` needs a shell there, no AWS and no configuration."""

from __future__ import annotations

import os
from pathlib import Path

STOP_FILE = Path("/etc/hammer/stop")


def is_stopped() -> bool:
    """Whether the file is there, whatever it is; also where that cannot be known."""
    try:
        os.lstat(STOP_FILE)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        # In doubt, a key stays as it is.
        return True
    return True


def why_stopped() -> str:
    """What is said while it is there."""
    return f"{STOP_FILE} is there: no key is switched off until it is removed"
