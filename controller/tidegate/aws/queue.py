"""Amazon SQS: receives the messages of one queue and deletes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidegate.aws.clients import LONG_POLL_SECONDS, AnsweredError, Api, Clients
from tidegate.aws.errors import unexpected
from tidegate.aws.queue_url import QueueUrl
from tidegate.aws.reply import ApiResponse
from tidegate.evidence.message import QueuedMessage
from tidegate.evidence.ports import MAX_MESSAGES

RECEIVES: Final = "ApproximateReceiveCount"
_NO_QUEUE: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_RECEIVE = Api("sqs", "ReceiveMessage")
_DELETE = Api("sqs", "DeleteMessageBatch")
_DESCRIBE = Api("sqs", "GetQueueAttributes")


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDescription:
    """How a queue is set up. Without a dead-letter queue, ``has_dead_letters`` is False."""

    arn: str
    waiting: int
    has_dead_letters: bool


class SqsQueue:
    """One queue. Safe to share between threads. Implements ``evidence.ports.MessageQueue``."""

    def __init__(self, clients: Clients, queue: QueueUrl) -> None:
        self._clients = clients
        self.queue = queue

    def receive(self, most: int = MAX_MESSAGES) -> Sequence[QueuedMessage]:
        """Wait up to LONG_POLL_SECONDS for messages. See ``evidence.ports.MessageQueue``."""
        answer = self._call(
            _RECEIVE,
            {
                "MaxNumberOfMessages": most,
                "WaitTimeSeconds": LONG_POLL_SECONDS,
                "MessageSystemAttributeNames": [RECEIVES],
            },
        )
        return [_message(each) for each in ApiResponse(answer, _RECEIVE.source).objects("Messages")]

    def delete(self, receipts: Sequence[str]) -> int:
        """Delete messages; return how many could not be deleted and will come again."""
        if not receipts:
            return 0
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        answer = self._call(_DELETE, {"Entries": entries})
        return len(ApiResponse(answer, _DELETE.source).objects("Failed"))

    def describe(self) -> QueueDescription:
        """Return how the queue is set up; raise SourceUnavailableError if it does not exist or cannot be read."""
        names = ["QueueArn", "ApproximateNumberOfMessages", "RedrivePolicy"]
        answer = self._call(_DESCRIBE, {"AttributeNames": names})
        attributes = ApiResponse(answer, _DESCRIBE.source).object("Attributes")
        waiting = attributes.optional_text("ApproximateNumberOfMessages")
        return QueueDescription(
            arn=attributes.text("QueueArn"),
            waiting=int(waiting) if waiting.isdecimal() else 0,
            has_dead_letters=attributes.has("RedrivePolicy"),
        )

    def _call(self, api: Api, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = {"QueueUrl": self.queue.url, **parameters}
        try:
            return self._clients.call(api, self.queue.place, asked, answers=_NO_QUEUE)
        except AnsweredError as exc:
            raise unexpected(
                api.source, f"the queue {self.queue.arn} does not exist; correct aws.eventQueueUrl"
            ) from exc


def _message(described: ApiResponse) -> QueuedMessage:
    attributes = described.optional_object("Attributes")
    receives = "" if attributes is None else attributes.optional_text(RECEIVES)
    return QueuedMessage(
        id=described.text("MessageId"),
        body=described.text("Body"),
        receipt=described.text("ReceiptHandle"),
        receives=int(receives) if receives.isdecimal() else 0,
    )
