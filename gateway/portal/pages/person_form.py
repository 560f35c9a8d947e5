"""A person as a form has it, and back. What was not changed comes back exactly as it was."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum

from gateway.policy.rules import Channel, SecondFactor
from gateway.policy.snapshot import Method, User
from gateway.portal.visit import Visit

WORDS = 300
"""Characters of a reason: it is read by people, and stays in the record."""


def as_typed(user: User) -> dict[str, str]:
    """Return the fields as the form shows them; lists one a line, times in UTC."""
    return {
        "organisation": user.organisation,
        "email": user.email,
        "phone": user.phone,
        "channel": user.channel.value,
        "method": user.method.value,
        "second_factor": user.second_factor.value if user.second_factor else "",
        "valid_from": _written(user.valid_from),
        "valid_until": _written(user.valid_until),
        "processes": "\n".join(sorted(user.processes)),
        "certificates": "\n".join(sorted(user.certificates)),
        "routes": "\n".join(sorted(user.routes)),
        "groups": "\n".join(sorted(user.groups)),
    }


def typed_user(visit: Visit, before: User) -> User:
    """Return the user with what was typed in place of what differs. Raises ValueError."""
    shown = as_typed(before)
    typed = {name: _tidy(visit.text(name)) for name in shown if name in visit.typed}
    changes = {name: _READ[name](text) for name, text in typed.items() if text != shown[name]}
    return replace(before, **changes)  # type: ignore[arg-type]


def differing(typed: Mapping[str, str], user: User) -> dict[str, str]:
    """Return what stands with the user now where something else was typed: both are shown after a conflict."""
    return {name: now or "nothing" for name, now in as_typed(user).items() if _tidy(typed.get(name, now)) != now}


def line(visit: Visit, name: str, what: str) -> str:
    """Return a line of text that somebody else will read. Raises ValueError where there is none, or it is no line."""
    text = visit.text(name)
    if not text or len(text) > WORDS or not text.isprintable():
        raise ValueError(f"{what}, in one line of at most {WORDS} characters")
    return text


def moment(text: str) -> float | None:
    """Return a date, or a date with a time (UTC), as wall seconds; None for none. Raises ValueError."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a date is 2026-12-31, or 2026-12-31T18:00 with a time (UTC)") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _written(wall: float | None) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%S") if wall is not None else ""


def _tidy(text: str) -> str:
    """Lists are compared as lists: their order and the browser's line ends say nothing."""
    lines = [one.strip() for one in text.splitlines()]
    return "\n".join(sorted({one for one in lines if one})) if len(lines) > 1 else text.strip()


def _lines(text: str) -> frozenset[str]:
    return frozenset(one for one in text.split("\n") if one)


def _choice(kind: type[Enum], text: str) -> Enum:
    try:
        return kind(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not one of {', '.join(str(one.value) for one in kind)}") from None


_READ: Mapping[str, Callable[[str], object]] = {
    "organisation": str,
    "email": str,
    "phone": str,
    "channel": lambda text: _choice(Channel, text),
    "method": lambda text: _choice(Method, text),
    "second_factor": lambda text: _choice(SecondFactor, text) if text else None,
    "valid_from": moment,
    "valid_until": moment,
    "processes": _lines,
    "certificates": _lines,
    "routes": _lines,
    "groups": _lines,
}
