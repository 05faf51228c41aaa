"""Plays IAM and STS of the scanned accounts: moto over HTTP, with a control endpoint that ages keys.

`seeds` is what accounts are filled with, `control` the client of the control endpoint; `server` answers both kinds of
calls, and is not imported here, because moto takes a second to load. Where moto differs from AWS so that a bug would
be hidden, `mended_moto` mends it.
"""

from deployment.local.scanned_accounts.control import Control
from deployment.local.scanned_accounts.seeds import KeySeed, KeyState, Population, State, UserSeed, UserState

__all__ = ["Control", "KeySeed", "KeyState", "Population", "State", "UserSeed", "UserState"]
