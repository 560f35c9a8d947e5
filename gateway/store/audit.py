"""The audit record: what may be in it, its canonical form and its hash chain (BY-6). Pure.

hash(n) = SHA-256(hash(n-1) || canonical(row n)); hash(0) binds the chain to its store. The head {count, hash} carries
an HMAC whose key is not in the database, so that cutting rows off either end, or all of them, is found.
No secret can enter (TW-10): an entry has fixed fields, and its details have fixed keys with short plain values.
"""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from json.encoder import encode_basestring_ascii as _quoted

from gateway.core.reason import Reason

MAX_TEXT = 200
"""Characters of one value: enough for a distinguished name, too few to smuggle a message."""

DETAIL_KEYS = frozenset(
    {
        "act",
        "actor",
        "alert",
        "blocks",
        "certificate",
        "certificate_subject",
        "count",
        "country",
        "device",
        "duration",
        "expires",
        "failures",
        "fields",
        "group",
        "key_id",
        "listener",
        "locked_until",
        "method",
        "node",
        "port",
        "process",
        "protocol",
        "purpose",
        "request",
        "retry_after",
        "revoked",
        "role",
        "route",
        "rule",
        "source",
        "step",
        "stream",
        "subject",
        "target",
        "until",
        "upstream",
        "version",
        "why",
    }
)


class Event(Enum):
    """What happened; the value is the audit tag."""

    LOGIN_ADMITTED = "login.admitted"
    LOGIN_REFUSED = "login.refused"
    CONTACT_REFUSED = "contact.refused"
    CODE_REPLAYED = "code.replayed"
    CODE_SENT = "code.sent"
    SESSION_STARTED = "session.started"
    SESSION_RENEWED = "session.renewed"
    SESSION_ENDED = "session.ended"
    SESSION_ORDERED = "session.ordered"
    USER_ADDED = "user.added"
    USER_CHANGED = "user.changed"
    USER_UNLOCKED = "user.unlocked"
    PASSWORD_SET = "password.set"  # noqa: S105 - an event
    ROLE_GRANTED = "role.granted"
    ROLE_ENDED = "role.ended"
    GATEWAY_BOOTSTRAPPED = "gateway.bootstrapped"
    PROOF_GIVEN = "proof.given"
    PROOF_REFUSED = "proof.refused"
    WEB_SIGNED_IN = "web.signed_in"
    WEB_SIGNED_OUT = "web.signed_out"
    LINK_ASKED = "link.asked"
    LINK_ISSUED = "link.issued"
    LINK_USED = "link.used"
    REQUEST_MADE = "request.made"
    REQUEST_APPROVED = "request.approved"
    REQUEST_REFUSED = "request.refused"
    USERS_IMPORTED = "users.imported"
    GROUP_CHANGED = "group.changed"
    RECOVERY_MADE = "recovery.made"
    RECOVERY_USED = "recovery.used"
    NOTICES_STOPPED = "notices.stopped"
    NOTICES_RESUMED = "notices.resumed"
    DEVICE_CHANGED = "device.changed"
    DEVICE_ADDED = "device.added"
    DEVICE_CONFIRMED = "device.confirmed"
    DEVICE_REMOVED = "device.removed"
    PASSKEY_ADDED = "passkey.added"
    PASSKEY_CHANGED = "passkey.changed"
    PASSKEY_REMOVED = "passkey.removed"
    ALERT_RAISED = "alert.raised"
    ALERT_ACKNOWLEDGED = "alert.acknowledged"
    STORE_CREATED = "store.created"
    STORE_BACKED_UP = "store.backed_up"
    STORE_RESTORED = "store.restored"
    KEY_MADE = "key.made"
    KEY_DESTROYED = "key.destroyed"
    MASTER_KEY_CHANGED = "master_key.changed"


Detail = str | int | float | bool


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that happened. `wall` in seconds since 1970; `user` a user's name (or what was claimed as one).

    Invariant: every text is short, valid Unicode; every key of `details` is in DETAIL_KEYS; no value is bytes or Secret.
    """

    wall: float
    event: Event
    reason: Reason | None = None
    user: str = ""
    session: str = ""
    address: str = ""
    details: Mapping[str, Detail] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what the chain must never hold (ValueError) and cut what is too long."""
        for name in ("user", "session", "address"):
            object.__setattr__(self, name, plain(getattr(self, name)))
        object.__setattr__(self, "details", {key: _detail(key, value) for key, value in sorted(self.details.items())})


def _detail(key: str, value: object) -> Detail:
    if key not in DETAIL_KEYS:
        raise ValueError(
            f"audit detail {key!r} is not one of the fixed keys; add it to DETAIL_KEYS if it holds no secret"
        )
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, bool | int | float):
        return value
    raise ValueError(f"audit detail {key!r} is a {type(value).__name__}; only text and numbers are recorded")


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Return `text` as every engine can hold it: no NUL, no lone surrogate, at most `limit` characters."""
    if not isinstance(text, str):
        raise TypeError(f"text expected, not {type(text).__name__}")
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:limit]


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row as it is stored. `wall` in whole microseconds since 1970; `details` canonical JSON."""

    seq: int
    wall: int
    event: str
    reason: str
    user: str
    session: str
    address: str
    details: str
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many rows there are, the last one's hash, and the HMAC over both."""

    count: int
    hash: bytes
    mac: bytes


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found. `row` is the first bad row's number (None where the chain is whole), `fault` says why."""

    count: int
    row: int | None = None
    fault: str = ""

    @property
    def intact(self) -> bool:
        """Whether every row and the head are as they were written."""
        return not self.fault


def genesis(store_id: str) -> bytes:
    """Return hash(0): it differs in every store, so that no row fits into another store's chain."""
    return sha256(b"gateway audit 1\0" + store_id.encode()).digest()


def head_mac(key: bytes, store_id: str, count: int, last: bytes) -> bytes:
    """Return the HMAC-SHA-256 of a head."""
    return hmac.digest(key, b"%s\0%d\0" % (store_id.encode(), count) + last, "sha256")


def link(prev: bytes, row: tuple[int, int, str, str, str, str, str, str]) -> bytes:
    """Return a row's hash. `row` is (seq, wall, event, reason, user, session, address, details)."""
    seq, wall, event, reason, user, session, address, details = row
    canonical = (
        f"[{seq},{wall},{_quoted(event)},{_quoted(reason)},{_quoted(user)},{_quoted(session)},"
        f"{_quoted(address)},{_quoted(details)}]"
    )
    return sha256(prev + canonical.encode()).digest()


def seal(seq: int, prev: bytes, entry: AuditEntry) -> AuditRow:
    """Return the row that `entry` becomes behind the row whose hash is `prev`."""
    row = (
        seq,
        round(entry.wall * 1e6),
        entry.event.value,
        entry.reason.key if entry.reason else "",
        entry.user,
        entry.session,
        entry.address,
        canonical_json(entry.details),
    )
    return AuditRow(*row, prev_hash=prev, hash=link(prev, row))


def canonical_json(details: Mapping[str, Detail]) -> str:
    """Return the one text for these details: sorted keys, no spaces, ASCII."""
    return json.dumps(details, sort_keys=True, separators=(",", ":"), allow_nan=False) if details else "{}"
