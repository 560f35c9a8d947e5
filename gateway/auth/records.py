"""What the audit chain holds of a login: who, from where, by what, and the true reason. Never a secret (TW-10, TW-12)."""

from collections.abc import Iterable, Sequence

from gateway.core.login import Attempt
from gateway.core.reason import Reason
from gateway.policy.decide import Admit, Deny
from gateway.policy.snapshot import (
    BurnStep,
    Change,
    EndSession,
    OpenSession,
    RenewSession,
    SetFailures,
    Snapshot,
    SpendSent,
)
from gateway.store.audit import AuditEntry, Detail, Event


def of_admission(attempt: Attempt, snapshot: Snapshot, decision: Admit, wall: float) -> AuditEntry:
    """Return the entry of a login that was admitted, or that prolonged its session."""
    granted = decision.changes[-1]
    session = granted.id if isinstance(granted, OpenSession | RenewSession) else ""
    event = Event.SESSION_RENEWED if attempt.renews else Event.LOGIN_ADMITTED
    details = {**_about(attempt), **_method(snapshot), **_burnt(decision.changes)}
    return _entry(wall, event, attempt, details, session=session)


def of_refusal(attempt: Attempt, snapshot: Snapshot, decision: Deny, wall: float, kept_back: int = 0) -> AuditEntry:
    """Return the entry of a login that was refused; `kept_back` others like it have none of their own."""
    event = Event.CODE_REPLAYED if decision.reason is Reason.REPLAYED_CODE else Event.LOGIN_REFUSED
    details = {**_about(attempt), **_method(snapshot), **failures_in(decision.changes)}
    if kept_back:
        details["count"] = kept_back
    if decision.retry_after:
        details["retry_after"] = decision.retry_after
    return _entry(wall, event, attempt, details, reason=decision.reason)


def of_engine_refusal(attempt: Attempt, changes: Iterable[Change], session: str, wall: float) -> AuditEntry:
    """Return the entry of a login that the engine itself refused."""
    details = {**_about(attempt), **failures_in(changes)}
    return _entry(wall, Event.LOGIN_REFUSED, attempt, details, reason=Reason.UPSTREAM_REFUSED, session=session)


def of_engine_answer(attempt: Attempt, session: str, wall: float) -> AuditEntry:
    """Return the entry of a row of failures that the engine's good answer ended."""
    return _entry(wall, Event.USER_CHANGED, attempt, {"fields": "failures"}, session=session)


def of_takeover(attempt: Attempt, ended: Sequence[EndSession], wall: float) -> AuditEntry:
    """Return the entry of the older sessions that were ordered to end: the first one's id, and how many there are."""
    details = _about(attempt) | ({"count": len(ended)} if len(ended) > 1 else {})
    return _entry(wall, Event.SESSION_ORDERED, attempt, details, reason=Reason.REPLACED, session=ended[0].id)


def _entry(  # noqa: PLR0913 - one argument per column
    wall: float,
    event: Event,
    attempt: Attempt,
    details: dict[str, Detail],
    *,
    reason: Reason | None = None,
    session: str = "",
) -> AuditEntry:
    return AuditEntry(wall, event, reason, attempt.login.user, session, attempt.origin.address, details)


def _about(attempt: Attempt) -> dict[str, Detail]:
    login, origin = attempt.login, attempt.origin
    about: dict[str, Detail] = {
        "protocol": login.protocol,
        "process": login.process,
        "target": login.target,
        "version": login.version,
        "route": attempt.route,
        "listener": origin.listener,
        "port": origin.port,
    }
    if origin.certificate:
        about |= {"certificate": origin.certificate, "certificate_subject": origin.certificate_subject}
    return about


def _method(snapshot: Snapshot) -> dict[str, Detail]:
    return {"method": snapshot.user.method.value} if snapshot.user else {}


def _burnt(changes: Iterable[Change]) -> dict[str, Detail]:
    for change in changes:
        if isinstance(change, BurnStep):
            return {"device": change.device, "step": change.step}
        if isinstance(change, SpendSent):
            return {"source": "sent"}
    return {}


def failures_in(changes: Iterable[Change]) -> dict[str, Detail]:
    """Return how many failures in a row there are now, and the lock that they led to."""
    for change in changes:
        if isinstance(change, SetFailures):
            record = change.failures
            locked: dict[str, Detail] = {"locked_until": record.locked_until} if record.locked_until else {}
            revoked: dict[str, Detail] = {"revoked": True} if record.revoked else {}
            return {"failures": record.count, **locked, **revoked}
    return {}
