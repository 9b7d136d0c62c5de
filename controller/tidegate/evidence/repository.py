"""How a repository is set up: whether its tags can be moved. Source: ``ecr:DescribeRepositories``."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class TagMutability(StrEnum):
    """ECR's four modes; UNKNOWN stands for a mode this version does not know and is treated as mutable."""

    MUTABLE = "MUTABLE"
    IMMUTABLE = "IMMUTABLE"
    IMMUTABLE_WITH_EXCLUSION = "IMMUTABLE_WITH_EXCLUSION"
    MUTABLE_WITH_EXCLUSION = "MUTABLE_WITH_EXCLUSION"
    UNKNOWN = "UNKNOWN"


class ScanType(StrEnum):
    """How a registry scans: ENHANCED asks Amazon Inspector, BASIC asks ECR."""

    BASIC = "BASIC"
    ENHANCED = "ENHANCED"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySettings:
    """What is set for one repository. ``exclusion_filters`` are ECR wildcard filters: only ``*`` is special."""

    mutability: TagMutability
    exclusion_filters: tuple[str, ...] = ()

    def can_move(self, tag: str) -> bool:
        """Return whether a push can point the tag at another image. With an unknown mode it can."""
        excluded = any(_wildcard(one).fullmatch(tag) for one in self.exclusion_filters)
        return {
            TagMutability.IMMUTABLE: False,
            TagMutability.IMMUTABLE_WITH_EXCLUSION: excluded,
            TagMutability.MUTABLE_WITH_EXCLUSION: not excluded,
        }.get(self.mutability, True)


@lru_cache(maxsize=4096)
def _wildcard(text: str) -> re.Pattern[str]:
    """Compile an ECR wildcard; at most five a repository and two ``*`` each, so matching stays cheap."""
    return re.compile(".*".join(map(re.escape, re.sub(r"\*+", "*", text).split("*"))), re.DOTALL)
