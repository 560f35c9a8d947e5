"""What a public form asks of an address that failed often: work for its browser, or some patience (TW-8).

A puzzle is bound to the address and to how often it failed, so that a failure makes every older one worthless; nothing is
kept. It is good once it was solved, and, for who has no JavaScript, once it has waited for its time.
"""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256

from gateway.policy.lockout import address_key
from gateway.portal.visit import Visit

FREE = 10
"""Failures from an address before its forms ask for anything: two accounts' worth."""
LEAST, MOST, STEP = 12, 18, 4
"""Leading zero bits to be found, at first and at most; one more for each so many failures: 2^18 hashes take a phone seconds."""
SHORTEST, LONGEST = 5, 60
"""Seconds to wait instead, at first and at most; doubled with each bit."""
GOOD_FOR = 600
"""Seconds a puzzle is good."""
TEXT = 200
"""Characters of an answer, at most."""


class Unworked(ValueError):  # noqa: N818 - what happened
    """The form came without its puzzle's answer, and too early."""


@dataclass(frozen=True, slots=True)
class Puzzle:
    """`text` is hashed with an answer behind it until `bits` zero bits lead; `wait`: seconds after which it is good as it is."""

    text: str
    bits: int
    wait: int


def bits_for(failures: int) -> int:
    """Return how many zero bits an address that failed so often has to find."""
    return min(LEAST + (failures - FREE) // STEP, MOST)


def wait_for(failures: int) -> int:
    """Return how many seconds it may wait instead."""
    return min(SHORTEST << (bits_for(failures) - LEAST), LONGEST)


def solved(text: str, answer: str, bits: int) -> bool:
    """Say whether an answer is one."""
    found = sha256(f"{text}.{answer}".encode()).digest()
    return int.from_bytes(found) >> (len(found) * 8 - bits) == 0


async def asked(visit: Visit) -> Puzzle | None:
    """Return what this visitor's form has to carry; None where nothing speaks against its address."""
    failures = await _failures(visit)
    if failures < FREE:
        return None
    text = f"{int(visit.by.wall)}.{failures}.{secrets.token_urlsafe(9)}"
    return Puzzle(f"{text}.{_mac(visit, text)}", bits_for(failures), wait_for(failures))


async def demand(visit: Visit) -> None:
    """Look at the form's puzzle before anything else is looked at. Raises Unworked."""
    failures = await _failures(visit)
    if failures >= FREE and not _good(visit, failures):
        raise Unworked(
            f"too many attempts from your address failed. Send the form again in {wait_for(failures)} seconds, "
            "not earlier; a browser with JavaScript needs no waiting"
        )


def _good(visit: Visit, failures: int) -> bool:
    text, answer = visit.text("work")[:TEXT], visit.text("answer")[:TEXT]
    head, _, mac = text.rpartition(".")
    if not hmac.compare_digest(mac.encode(), _mac(visit, head).encode()):
        return False
    issued, count, _salt = head.split(".", 2)  # it is one of ours
    age = visit.by.wall - int(issued)
    ripe = age >= wait_for(failures) or (bool(answer) and solved(text, answer, bits_for(failures)))
    return int(count) == failures and age <= GOOD_FOR and ripe


def _mac(visit: Visit, text: str) -> str:
    return visit.portal.digest(b"portal work", address_key(visit.by.address).encode(), text.encode()).hex()


async def _failures(visit: Visit) -> int:
    return await visit.portal.office.proofs.failed_from(visit.by.address) if visit.portal.puzzles else 0
