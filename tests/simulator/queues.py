"""Queues of Amazon SQS in the world, and the EventBridge events that reach them.

Events are sent as they happen: a change that is scheduled with ``at=`` sends none.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.simulator.contents import Contents
from tests.simulator.registry import Image

EVENTS = "tidegate-events"
INSPECTOR, ECR = "aws.inspector2", "aws.ecr"


@dataclass(slots=True, kw_only=True)
class Message:
    """A message; ``visible_at`` is by the world's clock, ``receipt`` that of the last receive."""

    id: str
    body: str
    sent_at: float
    visible_at: float = 0.0
    receives: int = 0
    receipt: str = ""


@dataclass(slots=True, kw_only=True)
class Queue:
    """A standard queue. A message that was received ``max_receives`` times goes to ``dead_letters`` instead.

    ``users`` are other accounts that its policy lets receive.
    """

    name: str
    account: str
    region: str
    visibility_seconds: float = 30.0
    max_receives: int | None = None
    dead_letters: "Queue | None" = None
    users: frozenset[str] = frozenset()
    gets_events: bool = True
    messages: dict[str, Message] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.name}"

    @property
    def url(self) -> str:
        return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self.name}"

    def send(self, body: str, now: float) -> Message:
        message = Message(id=str(uuid.uuid4()), body=body, sent_at=now)
        self.messages[message.id] = message
        return message

    def receive(self, most: int, now: float, visibility_seconds: float | None = None) -> list[Message]:
        """Give visible messages, hide them for a while, and move those that were received too often."""
        hidden = self.visibility_seconds if visibility_seconds is None else visibility_seconds
        visible = (each for each in self.messages.values() if each.visible_at <= now)
        found, dead = list[Message](), list[Message]()
        for message in visible:
            if self.dead_letters is not None and message.receives >= (self.max_receives or 0):
                dead.append(message)
                continue
            message.receives += 1
            message.visible_at = now + hidden
            message.receipt = f"{message.id}:{message.receives}"
            found.append(message)
            if len(found) == most:
                break
        for message in dead:
            assert self.dead_letters is not None
            self.dead_letters.messages[message.id] = self.messages.pop(message.id)
        return found


class QueueChanges(Contents):
    """What a test does to queues."""

    queues: dict[tuple[str, str, str], Queue]

    def add_queue(
        self,
        name: str = EVENTS,
        *,
        account: str | None = None,
        region: str | None = None,
        visibility_seconds: float = 30.0,
        max_receives: int | None = None,
        users: Sequence[str] = (),
        events: bool = True,
    ) -> str:
        """Make a queue and give its URL. With ``max_receives`` there is a queue ``NAME-dead`` too.

        With ``events`` every event of the world reaches it, from all its accounts and regions.
        """
        where: dict[str, Any] = {"account": account or self.account, "region": region or self.region}
        made = Queue(
            name=name,
            visibility_seconds=visibility_seconds,
            max_receives=max_receives,
            users=frozenset(users),
            gets_events=events,
            **where,
        )
        with self.lock:
            if max_receives is not None:
                made.dead_letters = Queue(name=f"{name}-dead", gets_events=False, **where)
                self.queues[where["account"], where["region"], made.dead_letters.name] = made.dead_letters
            self.queues[where["account"], where["region"], name] = made
        return made.url

    def queue(self, name: str = EVENTS, *, account: str | None = None, region: str | None = None) -> Queue:
        """Give a queue (KeyError if there is none)."""
        return self.queues[account or self.account, region or self.region, name]

    def remove_queue(self, name: str = EVENTS, *, account: str | None = None, region: str | None = None) -> None:
        """Delete a queue with its messages."""
        with self.lock:
            del self.queues[account or self.account, region or self.region, name]

    def add_message(
        self, body: str, *, queue: str = EVENTS, account: str | None = None, region: str | None = None
    ) -> str:
        """Send any text to a queue, and give the message's id."""
        with self.lock:
            return self.queue(queue, account=account, region=region).send(body, self.clock.now()).id

    def add_event(
        self,
        detail_type: str,
        detail: dict[str, Any],
        *,
        source: str | None = None,
        resources: Sequence[str] = (),
        account: str | None = None,
        region: str | None = None,
    ) -> None:
        """Send an event to every queue that gets events; the source is the one that such events have."""
        body = json.dumps(
            {
                "version": "0",
                "id": str(uuid.uuid4()),
                "detail-type": detail_type,
                "source": source or (INSPECTOR if detail_type.startswith("Inspector2") else ECR),
                "account": account or self.account,
                "time": datetime.fromtimestamp(self.clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "region": region or self.region,
                "resources": list(resources),
                "detail": detail,
            }
        )
        with self.lock:
            for queue in self.queues.values():
                if queue.gets_events:
                    queue.send(body, self.clock.now())

    def announce(self, detail_type: str, image: Image, **more: Any) -> None:
        """Send the event of a change of an image; ``more`` are members of its detail."""
        if not self.queues:
            return
        holder = image.repository
        where: dict[str, Any] = {"account": holder.account, "region": holder.region}
        if detail_type == "ECR Image Action":
            detail = {"result": "SUCCESS", "repository-name": holder.name, "image-digest": image.digest, **more}
        elif detail_type == "ECR Image Scan":
            detail = {"repository-name": holder.name, "image-digest": image.digest, "image-tags": image.tags, **more}
            where["resources"] = [holder.arn]
        else:
            detail = {"awsAccountId": holder.account, **more}
            where["resources"] = [image.arn]
        if detail_type == "Inspector2 Finding":
            detail["resources"] = [{"type": "AWS_ECR_CONTAINER_IMAGE", "id": image.arn}]
        self.add_event(detail_type, detail, **where)
