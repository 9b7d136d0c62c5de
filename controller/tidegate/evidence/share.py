"""On whose behalf a call is made: the namespace that it counts for where something is shared among namespaces."""

from contextvars import ContextVar

SHARE: ContextVar[str] = ContextVar("share", default="")
"""Set for the thread that makes a call; empty for a call that counts for no namespace."""
