"""What is wrong with a scenario, and where."""

from collections.abc import Iterator
from contextlib import contextmanager


class ScenarioError(ValueError):
    """A scenario that cannot be built; the text says where and why."""


@contextmanager
def wrong_at(place: str) -> Iterator[None]:
    """Turn what the world objects to into a ScenarioError with the place, unless a nearer one is named already."""
    try:
        yield
    except ScenarioError:
        raise
    except KeyError as exc:
        raise ScenarioError(f"unknown {exc} - at `{place}`") from exc
    except (TypeError, ValueError) as exc:
        raise ScenarioError(f"{exc} - at `{place}`") from exc
