"""Messages of a queue, and what an event in one says: which facts to look up again, never what they are."""

from dataclasses import dataclass

from tidegate.evidence.change import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedMessage:
    """A message as it was received. ``receives`` counts how often it was, this time included; 0 where that is unknown."""

    id: str
    body: str
    receipt: str
    receives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsEvent:
    """An event of AWS. ``kind`` is its type, or ``other``; an event without ``changes`` is about nothing that matters."""

    kind: str
    changes: frozenset[Change] = frozenset()
