"""Who is told what of one row of the audit chain. Pure: a row and accounts in, notices out.

Refusals are not told one by one, or a storm of them would be a storm of mail: a lock, a replayed code and an alert tell of
them, the last two once a minute for each user, by mail also where an alert is about no user. A row older than KEEP is news to nobody.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.auth.desk import NOBODY, standing_of
from gateway.core.reason import Reason
from gateway.core.secret import Secret
from gateway.notify.kinds import Audience, Kind
from gateway.notify.spec import MAIL, NotifySpec
from gateway.policy.roles import Act, Ruling, check_ruling
from gateway.store.audit import AuditRow, Event
from gateway.store.notices import Notice
from gateway.store.ports import Account

KEEP = 3 * 86400.0
"""Seconds after which a notice is given up."""
MINUTE = 60.0
_ONCE_A_MINUTE = frozenset({Kind.REPLAY, Kind.ALERT})
_TOLD_FIELDS = frozenset({"email", "phone", "channel", "method", "second_factor", "enabled"})
"""Changes of a user that decide where notices go and how it logs in."""
_REFUSALS = frozenset({Event.LOGIN_REFUSED.value, Event.PROOF_REFUSED.value, Event.CODE_REPLAYED.value})
_KINDS = {
    Event.LOGIN_ADMITTED.value: Kind.LOGIN,
    Event.WEB_SIGNED_IN.value: Kind.LOGIN,
    Event.PASSKEY_ADDED.value: Kind.PASSKEY_ADDED,
    Event.PASSKEY_REMOVED.value: Kind.PASSKEY_REMOVED,
    Event.ALERT_RAISED.value: Kind.ALERT,
    Event.CODE_REPLAYED.value: Kind.REPLAY,
    Event.USER_UNLOCKED.value: Kind.UNLOCKED,
    Event.DEVICE_CONFIRMED.value: Kind.ENROLLED,
    Event.DEVICE_REMOVED.value: Kind.REMOVED,
    Event.PASSWORD_SET.value: Kind.PASSWORD,
    Event.RECOVERY_MADE.value: Kind.RECOVERY_MADE,
    Event.RECOVERY_USED.value: Kind.RECOVERY_USED,
    Event.ROLE_GRANTED.value: Kind.ROLE_GRANTED,
    Event.ROLE_ENDED.value: Kind.ROLE_ENDED,
    Event.REQUEST_MADE.value: Kind.REQUEST_MADE,
    Event.REQUEST_APPROVED.value: Kind.REQUEST_APPROVED,
    Event.REQUEST_REFUSED.value: Kind.REQUEST_REFUSED,
    Event.NOTICES_STOPPED.value: Kind.QUIET,
    Event.NOTICES_RESUMED.value: Kind.LOUD,
}


@dataclass(frozen=True, slots=True)
class Happening:
    """One row, read: what it means, who is concerned, what there is to say of it."""

    row: AuditRow
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: AuditRow) -> "Happening":
        """Read a row."""
        return cls(row, json.loads(row.details))

    @property
    def wall(self) -> float:
        """Return when it was, in seconds since 1970."""
        return self.row.wall / 1e6

    @property
    def asker(self) -> str:
        """Return who asked for what a request is about, "" for nobody."""
        return str(self.details.get("source", "")) if self.row.event.startswith("request.") else ""

    def kinds(self) -> Iterator[Kind]:
        """Yield what is told of it: most rows are nobody's news, a replayed code that also locks is news twice."""
        row, details = self.row, self.details
        if found := _KINDS.get(row.event):
            yield found
        if row.event == Event.PROOF_REFUSED.value and row.reason == Reason.REPLAYED_CODE.key:
            yield Kind.REPLAY
        if row.event in _REFUSALS and (details.get("revoked") or details.get("locked_until", 0.0) > self.wall):
            yield Kind.LOCKED
        if row.event == Event.DEVICE_ADDED.value and details.get("fields") == "confirmed":
            yield Kind.ENROLLED
        if row.event == Event.USER_CHANGED.value and _TOLD_FIELDS & set(str(details.get("fields", "")).split(",")):
            yield Kind.CHANGED

    def facts(self) -> dict[str, Any]:
        """Return what there is to say: the row's columns and its details."""
        row = self.row
        columns = {"user": row.user, "reason": row.reason, "session": row.session, "address": row.address}
        return {**self.details, **{name: value for name, value in columns.items() if value}}


def wanted(rows: Iterable[AuditRow]) -> frozenset[str]:
    """Return the names of everybody whose account has to be known to tell of these rows."""
    found = map(Happening.of, rows)
    return frozenset(name for one in found if any(one.kinds()) for name in (one.row.user, one.asker) if name)


def told(
    row: AuditRow, spec: NotifySpec, accounts: Mapping[str, Account], administrators: Iterable[Account] = ()
) -> Iterator[Notice]:
    """Yield the notices of one row. `accounts` by name; `administrators` matter to requests only."""
    happening = Happening.of(row)
    for kind in happening.kinds():
        facts = happening.facts()
        for channel in spec.machines(kind):
            yield _notice(happening, kind, channel, "", facts)
        if spec.mail:
            readers = _readers(happening, kind, accounts, administrators)
            addresses = {one.user.email for one in readers} | set(_operations(happening, kind, spec, accounts))
            for address in sorted(addresses - {""}):
                yield _notice(happening, kind, MAIL, address, facts)


def _readers(
    happening: Happening, kind: Kind, accounts: Mapping[str, Account], administrators: Iterable[Account]
) -> Iterator[Account]:
    concerned = accounts.get(happening.row.user)
    if concerned and Audience.USER in kind.audience and not (kind is Kind.LOGIN and concerned.quiet_since is not None):
        yield concerned
    if Audience.ASKER in kind.audience and happening.asker in accounts:
        yield accounts[happening.asker]
    if Audience.CHECKERS in kind.audience:
        yield from (one for one in administrators if _may_decide(one, happening, concerned))


def _may_decide(checker: Account, happening: Happening, concerned: Account | None) -> bool:
    subject = standing_of(concerned, happening.wall) if concerned else NOBODY
    act, asker = Act(happening.details["act"]), str(happening.details.get("actor", ""))
    return check_ruling(standing_of(checker, happening.wall), asker, act, subject) is Ruling.ALLOWED


def _operations(happening: Happening, kind: Kind, spec: NotifySpec, accounts: Mapping[str, Account]) -> tuple[str, ...]:
    account = accounts.get(happening.row.user)
    staff = account is not None and account.user.grant is not None
    always = Audience.OPERATIONS in kind.audience
    return spec.operations if always or (staff and Audience.OPERATIONS_FOR_STAFF in kind.audience) else ()


def _notice(happening: Happening, kind: Kind, channel: str, to: str, facts: Mapping[str, Any]) -> Notice:
    row, wall = happening.row, happening.wall
    which = str(row.seq)
    if kind in _ONCE_A_MINUTE:
        # Who has many addresses must not bury the mail of operations: what is nobody's own is one mail a minute and rule.
        apart = ("rule",) if channel == MAIL and not row.user else ("rule", "subject")
        about = (str(happening.details.get(name, "")) for name in apart)
        which = ":".join((f"{wall // MINUTE:.0f}min", row.user, *about))
    return notice_of(f"{which}:{kind.value}:{channel}:{to}", kind.value, channel, to, facts, wall)


def notice_of(  # noqa: PLR0913, PLR0917 - what a notice is made of
    tag: str, text: str, channel: str, to: str, facts: Mapping[str, Any], wall: float, expires: float = 0.0
) -> Notice:
    """Return a notice: `text` names the words, `to` the address, `facts` what they speak of. `expires` 0: after KEEP."""
    body = json.dumps({"kind": text, "to": to, "wall": wall, "facts": dict(facts)}).encode()
    return Notice(tag, channel, Secret(body), wall, expires or wall + KEEP)
