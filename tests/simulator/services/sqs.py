"""Amazon SQS: what a consumer of a standard queue calls, with visibility timeouts, receive counts and a dead-letter queue.

The server repeats a ReceiveMessage that finds nothing until its WaitTimeSeconds are over.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.simulator.queues import Message, Queue
from tests.simulator.service import Request, Service
from tests.simulator.wire import AwsError, Caller, Json11, Reply, without_nones

MOST_MESSAGES = 10
MOST_WAIT_SECONDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Json10(Json11):
    """JSON 1.0, with the code of the older protocol in a header, by which the SDK names errors."""

    content_type: str = "application/x-amz-json-1.0"

    def fail(self, error: AwsError) -> Reply:
        members = {name: value for name, value in error.members.items() if name != "query_code"}
        body = {"__type": f"com.amazonaws.sqs#{error.code}", "message": error.message, **members}
        fault = "Sender" if error.status < 500 else "Receiver"
        return Reply(
            status=error.status,
            body=json.dumps(body).encode(),
            content_type=self.content_type,
            headers={"x-amzn-query-error": f"{error.members.get('query_code', error.code)};{fault}"},
        )


def _parts(payload: dict[str, Any]) -> list[str]:
    return urlsplit(str(payload.get("QueueUrl", ""))).path.strip("/").split("/")


def _queue(request: Request) -> Queue:
    parts = _parts(request.payload)
    found = None
    if len(parts) == 2:
        found = request.world.queues.get((parts[0], request.region, parts[1]))
    if found is None:
        raise AwsError(
            "QueueDoesNotExist",
            "The specified queue does not exist.",
            query_code="AWS.SimpleQueueService.NonExistentQueue",
        )
    if request.caller.account not in found.users | {found.account}:
        message = f"User: {request.caller.arn} is not authorized to perform: sqs:{request.operation} on {found.arn}"
        raise AwsError("AccessDeniedException", message, 403, query_code="AccessDenied")
    return found


def _within(payload: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = payload.get(name, default)
    if not least <= value <= most:
        message = f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}."
        raise AwsError("InvalidParameterValue", message)
    return int(value)


def _receive_message(request: Request) -> dict[str, Any]:
    payload, queue = request.payload, _queue(request)
    most = _within(payload, "MaxNumberOfMessages", 1, 1, MOST_MESSAGES)
    _within(payload, "WaitTimeSeconds", 0, 0, MOST_WAIT_SECONDS)
    wanted = {*payload.get("MessageSystemAttributeNames", ()), *payload.get("AttributeNames", ())}
    found = queue.receive(most, request.world.clock.now(), payload.get("VisibilityTimeout"))
    return {"Messages": [_message(each, wanted) for each in found]} if found else {}


def _message(message: Message, wanted: set[str]) -> dict[str, Any]:
    attributes = {
        "ApproximateReceiveCount": str(message.receives),
        "SentTimestamp": str(round(message.sent_at * 1000)),
    }
    shown = {name: value for name, value in attributes.items() if wanted & {name, "All"}}
    return without_nones(
        MessageId=message.id,
        ReceiptHandle=message.receipt,
        MD5OfBody=hashlib.md5(message.body.encode(errors="surrogatepass")).hexdigest(),
        Body=message.body,
        Attributes=shown or None,
    )


def _delete(queue: Queue, receipt: str) -> bool:
    """Delete a message by any of its receipts; a receipt of a message that is gone is well, as at AWS."""
    name, _, number = receipt.partition(":")
    if not number.isdigit():
        return False
    queue.messages.pop(name, None)
    return True


def _delete_message_batch(request: Request) -> dict[str, Any]:
    queue, entries = _queue(request), request.payload["Entries"]
    if not entries:
        raise AwsError("EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > MOST_MESSAGES:
        raise AwsError("TooManyEntriesInBatchRequest", f"Maximum number of entries per request are {MOST_MESSAGES}.")
    if len({each["Id"] for each in entries}) < len(entries):
        raise AwsError("BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.")
    done, failed = [], []
    for each in entries:
        if _delete(queue, each["ReceiptHandle"]):
            done.append({"Id": each["Id"]})
        else:
            failed.append({"Id": each["Id"], "SenderFault": True, "Code": "ReceiptHandleIsInvalid"})
    return {"Successful": done, "Failed": failed}


def _get_queue_attributes(request: Request) -> dict[str, Any]:
    queue, wanted = _queue(request), set(request.payload.get("AttributeNames", ()))
    now = request.world.clock.now()
    hidden = sum(each.visible_at > now for each in queue.messages.values())
    attributes = {
        "QueueArn": queue.arn,
        "VisibilityTimeout": str(round(queue.visibility_seconds)),
        "ApproximateNumberOfMessages": str(len(queue.messages) - hidden),
        "ApproximateNumberOfMessagesNotVisible": str(hidden),
    }
    if queue.dead_letters is not None:
        policy = {"deadLetterTargetArn": queue.dead_letters.arn, "maxReceiveCount": queue.max_receives}
        attributes["RedrivePolicy"] = json.dumps(policy)
    shown = {name: value for name, value in attributes.items() if wanted & {name, "All"}}
    return {"Attributes": shown} if shown else {}


def _account(payload: dict[str, Any], caller: Caller) -> str:
    parts = _parts(payload)
    return parts[0] if len(parts) == 2 else caller.account


SERVICE = Service(
    name="sqs",
    wire=_Json10(target_prefix="AmazonSQS"),
    operations={
        "DeleteMessageBatch": _delete_message_batch,
        "GetQueueAttributes": _get_queue_attributes,
        "ReceiveMessage": _receive_message,
    },
    errors={
        "throttle": AwsError("RequestThrottled", "Rate exceeded"),
        "server_error": AwsError("InternalFailure", "Internal error", 500),
        "access_denied": AwsError(
            "AccessDeniedException", "Access to the resource is denied.", 403, query_code="AccessDenied"
        ),
        "expired_token": AwsError("ExpiredToken", "The security token included in the request is expired", 403),
    },
    account=_account,
    ids=lambda payload: len(payload.get("Entries", ())) or payload.get("MaxNumberOfMessages", 1),
)
