"""A repository of any registry that speaks the OCI distribution protocol, as a reference names it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OciRepository:
    """One repository: ``domain`` is the registry's host with its port as in ImageReference, ``path`` what follows."""

    domain: str
    path: str

    def __str__(self) -> str:
        """Return ``domain/path``."""
        return f"{self.domain}/{self.path}"
