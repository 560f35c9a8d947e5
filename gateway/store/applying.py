"""Applies what a judgement decided: one guarded transaction, or nothing. It judges nothing itself.

Rows are locked in one order everywhere (user, failures, steps, codes, passkeys, address, sessions, memory, orders,
sightings, chain head, alerts), so that two transactions never wait for each other in a ring.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from gateway.core.login import Memory
from gateway.policy.detection import counting, overtaken
from gateway.policy.sightings import RaiseAlert, Sight
from gateway.policy.snapshot import (
    BurnStep,
    Change,
    EndSession,
    OpenSession,
    RenewSession,
    SetAddress,
    SetFailures,
    Snapshot,
    SpendRecovery,
    SpendSent,
    UsePasskey,
    User,
)
from gateway.store.alerts import raise_alert
from gateway.store.audit import AuditEntry, plain
from gateway.store.database import Tx
from gateway.store.errors import Conflict
from gateway.store.reading import Terms, digests_text
from gateway.store.schema import (
    addresses,
    burnt_steps,
    devices,
    failures,
    memories,
    orders,
    passkeys,
    recovery_codes,
    sent_codes,
    sessions,
    users,
)
from gateway.store.sightings import note_sight, read_sightings

_OF_NOBODY = SetAddress | Sight | RaiseAlert
_ORDER = (
    SetFailures,
    BurnStep,
    SpendRecovery,
    SpendSent,
    UsePasskey,
    SetAddress,
    EndSession,
    RenewSession,
    OpenSession,
    Sight,
)
_MOVE_REVISION = (
    sa.update(users)
    .where(users.c.id == sa.bindparam("user"), users.c.revision == sa.bindparam("seen"))
    .values(revision=users.c.revision + 1)
)
_BURN = sa.insert(burnt_steps)
_USED = sa.update(devices).where(devices.c.id == sa.bindparam("device")).values(last_used=sa.bindparam("wall"))
_FAILURES = (
    sa.update(failures)
    .where(failures.c.user_id == sa.bindparam("user"), failures.c.source == sa.bindparam("key"))
    .values(
        count=sa.bindparam("count"),
        last=sa.bindparam("last"),
        locked_until=sa.bindparam("locked_until"),
        revoked=sa.bindparam("revoked"),
        digests=sa.bindparam("digests"),
    )
)
_NEW_WINDOW = (
    sa.update(addresses)
    .where(addresses.c.address == sa.bindparam("key"), addresses.c.since == sa.bindparam("seen"))
    .values(count=sa.bindparam("count"), since=sa.bindparam("since"))
)
_COUNT_MORE = (
    sa.update(addresses)
    .where(addresses.c.address == sa.bindparam("key"))
    .values(count=addresses.c.count + sa.bindparam("more", type_=sa.Integer))
)
_OPEN_SESSION = sa.insert(sessions)
_OPEN_MEMORY = (
    sa.update(memories)
    .where(memories.c.key == sa.bindparam("memory"), memories.c.version == sa.bindparam("seen"))
    .values(version=memories.c.version + 1, open=True, session=sa.bindparam("by"))
)
_END_SESSION = (
    sa.update(sessions)
    .where(sessions.c.id == sa.bindparam("session_id"), sessions.c.ended.is_(None))
    .values(ended=sa.bindparam("wall"), end_reason=sa.bindparam("reason"))
    .returning(sessions.c.node)
)
_GIVE_ORDER = sa.insert(orders)
_RENEW_SESSION = (
    sa.update(sessions)
    .where(
        sessions.c.id == sa.bindparam("session_id"),
        sessions.c.user_id == sa.bindparam("user"),
        sessions.c.ended.is_(None),
    )
    .values(lease_until=sa.bindparam("until"))
)


def apply_changes(tx: Tx, terms: Terms, snapshot: Snapshot, changes: Sequence[Change], entry: AuditEntry) -> None:
    """Apply all changes and append the entry. Raises Conflict; ValueError for a change of a user nobody knows."""
    user = snapshot.user
    session = next((change.id for change in changes if isinstance(change, OpenSession | RenewSession)), "")
    if any(not isinstance(change, _OF_NOBODY) for change in changes):
        if user is None:
            raise ValueError("only an address can be charged where the user is unknown")
        _guard(tx, user.id, snapshot.revision)
    for change in sorted((change for change in changes if not isinstance(change, RaiseAlert)), key=_turn):
        if isinstance(change, BurnStep):
            _burn(tx, change, session, snapshot, terms)
        elif isinstance(change, SpendSent):
            _spend_sent(tx, change, session, snapshot, terms)
        else:
            _apply(tx, terms, snapshot, change)
    tx.audit(entry)
    _watch(tx, terms, changes)


def _watch(tx: Tx, terms: Terms, changes: Sequence[Change]) -> None:
    """Raise the alerts. Behind the chain's lock everybody sees what the others noted: who was judged without them, is again."""
    rules = counting(terms.policy_of(None).detection, changes)
    seen = read_sightings(tx.connection, rules, terms.address, terms.name, terms.now)
    if overtaken(rules, terms.attempt, changes, seen):
        raise Conflict("others were seen meanwhile; read again and decide again")
    for change in changes:
        if isinstance(change, RaiseAlert):
            raise_alert(tx, change, terms.now)


def _apply(tx: Tx, terms: Terms, snapshot: Snapshot, change: Change) -> None:
    match change, snapshot.user:
        case SetAddress(), _:
            _set_address(tx, snapshot, change, terms)
        case SetFailures(), User() as user:
            _set_failures(tx, user, change, terms)
        case SpendRecovery(), User() as user:
            _spend(tx, user.id, change, terms)
        case UsePasskey(), User() as user:
            _use(tx, user.id, change, terms)
        case EndSession(), _:
            end_for(tx, change, terms.now)
        case RenewSession(), User() as user:
            _renew(tx, user.id, change, terms)
        case OpenSession(), _:
            _open(tx, terms, snapshot, change)
        case Sight(), _:
            note_sight(tx, change, terms.address, terms.name, terms.now)


def _turn(change: Change) -> tuple[int, str]:
    return _ORDER.index(type(change)), change.id if isinstance(change, EndSession) else ""


def _guard(tx: Tx, user: str, revision: int) -> None:
    if tx.execute(_MOVE_REVISION, {"user": user, "seen": revision}).rowcount != 1:
        raise Conflict("the user changed since it was read; read again and decide again")


def _burn(tx: Tx, change: BurnStep, session: str, snapshot: Snapshot, terms: Terms) -> None:
    # The primary key refuses a second row: that is what makes a code one-time across all nodes (RFC 6238 §5.2).
    row = {
        "device_id": change.device,
        "step": change.step,
        # A session may be renewed within the step that opened it: the guarded revision tells the two apart.
        "slot": "" if change.once else f"{session}/{snapshot.revision}",
        "session": session,
        "wall": terms.now,
    }
    tx.execute(_BURN, row)
    tx.execute(_USED, {"device": change.device, "wall": terms.now})


def _spend(tx: Tx, user: str, change: SpendRecovery, terms: Terms) -> None:
    mine = sa.and_(recovery_codes.c.user_id == user, recovery_codes.c.digest == change.digest)
    spend = sa.update(recovery_codes).where(mine, recovery_codes.c.used.is_(None)).values(used=terms.now)
    if tx.execute(spend).rowcount != 1:
        raise Conflict("the recovery code was used by somebody else just now")


def _spend_sent(tx: Tx, change: SpendSent, session: str, snapshot: Snapshot, terms: Terms) -> None:
    if snapshot.user is None:
        raise ValueError("a sent code needs a user")
    mine = sa.and_(sent_codes.c.user_id == snapshot.user.id, sent_codes.c.digest == change.digest)
    spend = sa.update(sent_codes).where(mine, sent_codes.c.used.is_(None)).values(used=terms.now, session=session)
    if tx.execute(spend).rowcount != 1:
        raise Conflict("the code was used by somebody else just now")


def _use(tx: Tx, user: str, change: UsePasskey, terms: Terms) -> None:
    mine = sa.and_(passkeys.c.user_id == user, passkeys.c.id == change.id, passkeys.c.sign_count == change.seen)
    move = sa.update(passkeys).where(mine).values(sign_count=change.count, last_used=terms.now)
    if tx.execute(move).rowcount != 1:
        raise Conflict("the passkey was used or removed by somebody else just now")


def _set_failures(tx: Tx, user: User, change: SetFailures, terms: Terms) -> None:
    record, source = change.failures, terms.source(user)
    values = {
        "count": record.count,
        "last": record.last,
        "locked_until": record.locked_until,
        "revoked": record.revoked,
        "digests": digests_text(record.digests),
    }
    if tx.execute(_FAILURES, {"user": user.id, "key": source, **values}).rowcount == 0:
        tx.execute(sa.insert(failures), {"user_id": user.id, "source": source, **values})


def _set_address(tx: Tx, snapshot: Snapshot, change: SetAddress, terms: Terms) -> None:
    """Add what was spent to what is there now: two failures at once are two, and neither has to be decided again."""
    seen, new = snapshot.address, change.address
    more = new.count - seen.count
    if new.since != seen.since:
        values = {"key": terms.address, "seen": seen.since, "count": new.count, "since": new.since}
        if tx.execute(_NEW_WINDOW, values).rowcount == 1:
            return
        more = new.count
    if tx.execute(_COUNT_MORE, {"key": terms.address, "more": more}).rowcount == 0:
        tx.execute(sa.insert(addresses), {"address": terms.address, "count": new.count, "since": new.since})


def end_for(tx: Tx, change: EndSession, now: float) -> bool:
    """Free a live session's place and order its node to end it; False where it is over already."""
    row = tx.execute(_END_SESSION, {"session_id": change.id, "wall": now, "reason": change.reason.key}).one_or_none()
    if row is None:
        return False
    tx.execute(_GIVE_ORDER, {"node": row.node, "session": change.id, "reason": change.reason.key, "wall": now})
    tx.notify()
    return True


def _renew(tx: Tx, user: str, change: RenewSession, terms: Terms) -> None:
    until = terms.now + terms.lease
    if tx.execute(_RENEW_SESSION, {"session_id": change.id, "user": user, "until": until}).rowcount != 1:
        raise Conflict("the session ended since it was read; read again and decide again")


def _open(tx: Tx, terms: Terms, snapshot: Snapshot, change: OpenSession) -> None:
    attempt, user = terms.attempt, snapshot.user
    login, origin = attempt.login, attempt.origin
    if user is None:
        raise ValueError("a session needs a user")
    row = {
        "id": change.id,
        "user_id": user.id,
        "user_name": user.name,
        "protocol": login.protocol,
        "process": plain(login.process),
        "target": plain(login.target),
        "version": plain(login.version),
        "address": plain(origin.address),
        "port": origin.port,
        "certificate": plain(origin.certificate),
        "listener": origin.listener,
        "route": attempt.route,
        "stream": snapshot.memory.key,
        "upstream": "",
        "node": terms.node,
        "opened": terms.now,
        "last_business": terms.now,
        "lease_until": terms.now + terms.lease,
        "reported": False,
        "will": login.will or None,
        "owed": False,
    }
    tx.execute(_OPEN_SESSION, row)
    if snapshot.memory.key:
        _open_memory(tx, snapshot.memory, change.id)


def _open_memory(tx: Tx, memory: Memory, session: str) -> None:
    if tx.execute(_OPEN_MEMORY, {"memory": memory.key, "seen": memory.version, "by": session}).rowcount == 1:
        return
    if memory.version != 0:
        raise Conflict("the stream's memory changed since it was read; read again and decide again")
    row = {"key": memory.key, "version": 1, "value": b"", "open": True, "session": session}
    tx.execute(sa.insert(memories), row)
