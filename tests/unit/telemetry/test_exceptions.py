"""The metrics of exceptions: by state, and those that end next, bounded."""

from datetime import timedelta

from prometheus_client import CollectorRegistry, generate_latest

from tests.unit.builders import NOW, exception
from tidegate.policy.exceptions import AnyException, BrokenException, ExceptionState
from tidegate.telemetry.exceptions import MAX_SHOWN, ExceptionMetrics


def page(*states: tuple[AnyException, ExceptionState], left_out: int = 0) -> str:
    registry = CollectorRegistry()
    registry.register(ExceptionMetrics(lambda: states, lambda: left_out, lambda: NOW))
    return generate_latest(registry).decode()


def test_every_state_has_a_count():
    broken = BrokenException(name="b", uid="u", generation=1, problems=("x",))
    text = page(
        (exception("a"), ExceptionState.ACTIVE),
        (exception("c"), ExceptionState.ACTIVE),
        (broken, ExceptionState.INVALID),
        (exception("d"), ExceptionState.TOO_MANY),
        left_out=7,
    )
    for state, count in (("Active", 2), ("Invalid", 1), ("TooMany", 8), ("Expired", 0), ("NotPermitted", 0)):
        assert f'tidegate_policy_exceptions{{state="{state}"}} {count}.0' in text


def test_the_next_to_end_have_the_seconds_that_are_left():
    one = exception("a", expires_at=NOW + timedelta(hours=1))
    own = exception("b", namespace="shop", expires_at=NOW - timedelta(hours=1))
    expired = exception("c")
    text = page((one, ExceptionState.ACTIVE), (own, ExceptionState.ACTIVE), (expired, ExceptionState.EXPIRED))
    assert 'tidegate_policy_exception_ends_seconds{exception="a",namespace=""} 3600.0' in text
    assert 'tidegate_policy_exception_ends_seconds{exception="b",namespace="shop"} 0.0' in text
    assert 'exception="c"' not in text


def test_the_series_are_bounded():
    many = [exception(f"n{number}", expires_at=NOW + timedelta(seconds=number)) for number in range(1_000)]
    text = page(*((one, ExceptionState.ACTIVE) for one in reversed(many)))
    assert text.count("tidegate_policy_exception_ends_seconds{") == MAX_SHOWN
    assert 'exception="n0"' in text
    assert f'exception="n{MAX_SHOWN}"' not in text
