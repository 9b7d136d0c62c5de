"""Ways to spoil bytes: blindly, or so that DER, JSON and CBOR stay well-formed and only say something else."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import cbor2

SEQUENCE, OCTET_STRING, BIT_STRING = 0x30, 0x04, 0x03
_CONSTRUCTED = 0x20
_TAGS = (*range(1, 13), *range(16, 24), 0x30, 0x31, 0x80, 0x81, 0x82, 0xA0, 0xA1, 0xA2, 0xA3, 0x1F, 0x3F, 0xFF)
_BYTES = (0, 1, 0x7F, 0x80, 0xFF, 0x30, 0x22, 0x7B)
_NUMBERS = (0, 1, -1, 2**31, 2**53 + 1, 2**63, 2**64 - 1, -(2**63), 10**40, 0.5, -0.0, 1e300)
_TEXTS = (
    "",
    "\0",
    "a" * 300,
    "é",
    "\u202e",
    "\U0001f600",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "%s{}",
    "\n",
)
_LABELS = (*range(-8, 40), True, False, None, 1.0, "1", b"1", (1, 2), *_NUMBERS)
_CHANGES = (1, 1, 1, 2, 4)


def blind(rng: Random, content: bytes) -> bytes:
    """Return the bytes with a few changes that know nothing of their meaning."""
    found = bytearray(content)
    for _ in range(rng.choice(_CHANGES)):
        _change(rng, found)
    return bytes(found)


def _change(rng: Random, found: bytearray) -> None:
    place = rng.randrange(len(found) + 1)
    length = min(rng.choice((1, 1, 2, 4, 16, 64, 1024)), len(found) - place)
    kind = rng.randrange(7)
    if kind == 0 and length:
        found[place] ^= 1 << rng.randrange(8)
    elif kind == 1 and length:
        found[place] = rng.choice(_BYTES)
    elif kind == 2:
        found[place : place + length] = rng.randbytes(length)
    elif kind == 3:
        del found[place : place + length]
    elif kind == 4:
        found[place:place] = found[place : place + length]
    elif kind == 5:
        other = rng.randrange(len(found) + 1)
        found[place : place + length] = found[other : other + length]
    else:
        found[place:place] = rng.choice((b"\0", b"\xff" * 8, b"0\x80", b"\x1f\xff\xff\x7f", b'"', b"{}"))


@dataclass(slots=True)
class Node:
    """One DER value: its tag, and its parts, or its bytes where it has none. ``lead`` stands before wrapped parts."""

    tag: int
    parts: list["Node"] | None
    content: bytes = b""
    lead: bytes = b""

    def dump(self) -> bytes:
        inner = self.content if self.parts is None else self.lead + b"".join(part.dump() for part in self.parts)
        return bytes([self.tag]) + _length(len(inner)) + inner

    def every(self) -> list["Node"]:
        """Return this one and all below it."""
        return [self, *(one for part in self.parts or () for one in part.every())]


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([0x80 | len(digits)]) + digits


def parse_der(content: bytes) -> Node:
    """Return the tree of well-formed DER; strings that wrap DER are opened too."""
    nodes = _nodes(content)
    if nodes is None or len(nodes) != 1:
        raise ValueError("not one DER value")
    return nodes[0]


def _nodes(content: bytes) -> list[Node] | None:
    found, place = [], 0
    while place < len(content):
        if place + 2 > len(content) or content[place] & 31 == 31:
            return None
        tag, size = content[place], content[place + 1]
        place += 2
        if size >= 0x80:
            count = size & 0x7F
            size = int.from_bytes(content[place : place + count])
            place += count
        if place + size > len(content):
            return None
        found.append(_node(tag, content[place : place + size]))
        place += size
    return found


def _node(tag: int, content: bytes) -> Node:
    if tag & _CONSTRUCTED:
        parts = _nodes(content)
        return Node(tag, parts, content) if parts is not None else Node(tag, None, content)
    lead = content[:1] if tag == BIT_STRING and content[:1] == b"\0" else b""
    wrapped = content[len(lead) :]
    if tag in {OCTET_STRING, BIT_STRING} and wrapped[:1] == bytes([SEQUENCE]):
        parts = _nodes(wrapped)
        if parts is not None and len(parts) == 1:
            return Node(tag, parts, content, lead)
    return Node(tag, None, content)


def change_tree(rng: Random, root: Node) -> None:
    """Change a few nodes of the tree in place; what is written of it has sound lengths."""
    for _ in range(rng.choice(_CHANGES)):
        nodes = root.every()
        node = rng.choice(nodes)
        kind = rng.randrange(8)
        if kind == 0:
            node.tag = rng.choice(_TAGS)
        elif kind == 1 and node.parts:
            del node.parts[rng.randrange(len(node.parts))]
        elif kind == 2 and node.parts:
            node.parts.insert(rng.randrange(len(node.parts) + 1), rng.choice(node.parts))
        elif kind == 3 and node.parts:
            rng.shuffle(node.parts)
        elif kind == 4:
            # By value: a node must not come to stand within itself.
            copied = _node(node.tag, node.dump()[2:]) if rng.random() < 0.1 else parse_or_none(rng.choice(nodes).dump())
            if copied is not None:
                node.tag, node.parts, node.content, node.lead = copied.tag, copied.parts, copied.content, copied.lead
        elif kind == 5:
            node.parts, node.content = None, rng.choice((b"", b"\0", b"\xff" * 9, b"\x80" * 40, rng.randbytes(5)))
        elif node.parts is None:
            node.content = blind(rng, node.content)


def parse_or_none(content: bytes) -> Node | None:
    try:
        return parse_der(content)
    except ValueError:
        return None


def changed_der(rng: Random, content: bytes) -> bytes:
    """Return the DER with some values exchanged, or spoilt blindly."""
    if rng.random() < 0.3:
        return blind(rng, content)
    root = parse_der(content)
    change_tree(rng, root)
    return root.dump()


def signed_anew(rng: Random, content: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Return a certificate, CRL or the like whose first part is changed and whose signature is that part's."""
    root = parse_der(content)
    assert root.parts is not None
    change_tree(rng, root.parts[0])
    root.parts[2] = Node(BIT_STRING, None, b"\0" + sign(root.parts[0].dump()))
    return root.dump()


def changed_value(rng: Random, value: Any, *, extra: Sequence[Any] = ()) -> Any:
    """Return a JSON or CBOR value with one place of it changed; ``extra`` are further values to put there."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        found = dict(value)
        kind = rng.randrange(8)
        if kind == 0:
            del found[key]
        elif kind == 1:
            found[rng.choice(_LABELS) if isinstance(key, int) else rng.choice(_TEXTS)] = found[key]
        elif kind == 2:
            found[key] = found[rng.choice(list(found))]
        else:
            found[key] = changed_value(rng, found[key], extra=extra)
        return found
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        kind = rng.randrange(6)
        if kind == 0:
            return value[:place] + value[place + 1 :]
        if kind == 1:
            return [*value, value[place]]
        if kind == 2:
            return rng.sample(value, len(value))
        return [*value[:place], changed_value(rng, value[place], extra=extra), *value[place + 1 :]]
    if isinstance(value, str) and rng.random() < 0.5:
        return blind(rng, value.encode()).decode("latin-1")
    if isinstance(value, bytes) and value and rng.random() < 0.7:
        return blind(rng, value)
    return _anything(rng, extra)


def _anything(rng: Random, extra: Sequence[Any]) -> Any:
    return rng.choice((None, True, False, [], {}, [[]], {"a": 1}, *_NUMBERS, *_TEXTS, *extra))


def changed_json(rng: Random, content: bytes) -> bytes:
    """Return the JSON with some places changed, written in one of several ways, or spoilt blindly."""
    if rng.random() < 0.3:
        return blind(rng, content)
    value = json.loads(content)
    for _ in range(rng.choice(_CHANGES)):
        value = changed_value(rng, value)
    return json.dumps(value, ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1))).encode()


def changed_cbor(rng: Random, content: bytes) -> bytes:
    """Return the CBOR with some places changed, or spoilt blindly."""
    if rng.random() < 0.3:
        return blind(rng, content)
    value = cbor2.loads(content)
    tag = value.tag if isinstance(value, cbor2.CBORTag) else None
    inner = value.value if isinstance(value, cbor2.CBORTag) else value
    inner = list(inner) if isinstance(inner, tuple) else inner
    for _ in range(rng.choice(_CHANGES)):
        inner = changed_value(rng, inner, extra=(b"", cbor2.CBORTag(1, 0), cbor2.CBORTag(18, []), cbor2.undefined))
    try:
        return cbor2.dumps(inner if tag is None else cbor2.CBORTag(tag, inner))
    except (cbor2.CBOREncodeError, TypeError, ValueError):
        return blind(rng, content)


def recoded(rng: Random, text: str, change: Callable[[Random, bytes], bytes], *, url: bool) -> str:
    """Return base64 text of the changed bytes that it stood for; ``url`` for the alphabet without padding."""
    if not url:
        return base64.b64encode(change(rng, base64.b64decode(text))).decode()
    content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return base64.urlsafe_b64encode(change(rng, content)).rstrip(b"=").decode()
