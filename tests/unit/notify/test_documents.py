"""docs/notifications.md says what the code does."""

import re
import time
from pathlib import Path

from gateway.core.secret import Secret
from gateway.notify.kinds import Audience, Kind
from gateway.notify.webhook import signature

TEXT = (Path(__file__).resolve().parents[3] / "docs/notifications.md").read_text()
WHO = {
    Audience.USER: "the user",
    Audience.OPERATIONS: "operations",
    Audience.OPERATIONS_FOR_STAFF: "operations, about administrators",
    Audience.CHECKERS: "who may decide it",
    Audience.ASKER: "who asked",
}


def test_the_table_of_events_is_the_code():
    rows = [f"| `{kind.value}` | {kind.meaning} | {_readers(kind)} |" for kind in Kind]

    assert [line for line in TEXT.splitlines() if line.startswith("| `")] == rows


def _readers(kind: Kind) -> str:
    return ", ".join(WHO[one] for one in Audience if one in kind.audience)


def test_the_printed_verification_takes_our_signature_and_no_other():
    found: dict = {}
    exec(re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)[0], found)
    verified, secret, body, now = found["verified"], b"k" * 32, b'{"event": "x"}', int(time.time())
    header = signature(Secret(secret), now, body)

    assert verified(secret, header, body)
    assert not verified(secret, header, body + b" ")
    assert not verified(b"j" * 32, header, body)
    assert not verified(secret, signature(Secret(secret), now - 3600, body), body)
