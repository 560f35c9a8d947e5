"""What the gateway's own connection publishes: a message that does not travel on the client's line.

A value and its bytes; opaque to core and store, which carry it as `Mail.data`, `Login.will` and `Started.will`.
"""

import json
from dataclasses import dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Parcel:
    """One Basic.Publish of the courier. The texts are AMQP short strings: at most 255 bytes of UTF-8 each.

    `mandatory`: unroutable is tried again from 5 ms to 2 s (an answer can overtake the client's Queue.Declare).
    Direct reply-to tokens are delivered *and* returned, so for them it is False.
    """

    exchange: str
    routing_key: str
    body: bytes = field(repr=False)
    content_type: str = ""
    correlation_id: str = ""
    user_id: str = ""
    app_id: str = ""
    reply_to: str = ""
    mandatory: bool = True

    def encode(self) -> bytes:
        """Return the parcel as one line of JSON and, behind it, the body."""
        head = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "body"}
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + self.body

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Return what `encode` made. Raises ValueError for anything else."""
        head, line_end, body = data.partition(b"\n")
        try:
            values = json.loads(head)
        except RecursionError:
            raise ValueError("not a parcel") from None
        if not line_end or not _is_head(values):
            raise ValueError("not a parcel")
        return cls(body=body, **values)


def _is_head(values: Any) -> bool:
    kinds = {one.name: bool if one.name == "mandatory" else str for one in fields(Parcel) if one.name != "body"}
    return (
        isinstance(values, dict)
        and values.keys() == kinds.keys()
        and all(type(value) is kinds[name] for name, value in values.items())
    )
