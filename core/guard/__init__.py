"""The one way to every URL that a user gives: it leads to the public internet and nowhere else.

`check_url` looks at the words, `Guard.client` and `fetch` go there, `doors.Door` lets a child of the sandbox go there.
"""

from core.guard.client import Answer, fetch
from core.guard.policy import Guard, check_url, get_guard

__all__ = ["Answer", "Guard", "check_url", "fetch", "get_guard"]
