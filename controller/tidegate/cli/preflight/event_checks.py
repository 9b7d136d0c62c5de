"""The check of the queue with AWS's events, where the configuration names one."""

from collections.abc import Iterator
from typing import Final

from tidegate.aws.clients import Clients
from tidegate.aws.queue import QueueDescription, SqsQueue
from tidegate.cli.preflight.aws_checks import problem_row
from tidegate.cli.preflight.calls import Calls
from tidegate.cli.preflight.row import PreflightCheck, Row, State
from tidegate.errors import Error
from tidegate.evidence.fact import Cause
from tidegate.evidence.source_unavailable import SourceUnavailableError

MANY_WAITING: Final = 10_000
"""Waiting messages from which on no receiver seems to take them."""
_NO_RECEIPT: Final = "tidegate-preflight"
"""The receipt of no message: IAM decides before Amazon SQS looks for one."""


def event_rows(clients: Clients, calls: Calls) -> Iterator[Row]:
    """Tell how the queue is set up, and whether its messages may be deleted. To try to receive would take messages."""
    if clients.settings.event_queue is None:
        return
    queue = SqsQueue(clients, clients.settings.event_queue)
    calls.begin("events", queue.describe)
    calls.begin("deletion", lambda: queue.delete([_NO_RECEIPT]))
    found, deletion = calls.outcome("events"), calls.outcome("deletion")
    if isinstance(found, Error):
        yield _problem(queue.queue.arn, found, "sqs:GetQueueAttributes")
    elif isinstance(deletion, Error):
        yield _problem(queue.queue.arn, deletion, "sqs:DeleteMessage")
    else:
        yield _row(found)


def _row(found: QueueDescription) -> Row:
    def row(state: State, text: str, fix: str = "") -> Row:
        return Row(check=PreflightCheck.EVENTS, subject=found.arn, state=state, found=text, fix=fix)

    if not found.has_dead_letters:
        fix = "set a RedrivePolicy with a dead-letter queue, see docs/guides/events.md"
        return row(State.WARNING, "messages that are no events are deleted: the queue has no dead-letter queue", fix)
    if found.waiting > MANY_WAITING:
        fix = "look at the log of the leading background Pod"
        return row(State.WARNING, f"about {found.waiting} messages wait", fix)
    return row(State.OK, f"about {found.waiting} messages wait")


def _problem(subject: str, error: Error, action: str) -> Row:
    if isinstance(error, SourceUnavailableError) and error.cause is Cause.UNEXPECTED_ANSWER:
        fix = "correct aws.eventQueueUrl"
        return Row(check=PreflightCheck.EVENTS, subject=subject, state=State.FAILED, found=str(error), fix=fix)
    return problem_row(PreflightCheck.EVENTS, subject, error, actions=(action,))
