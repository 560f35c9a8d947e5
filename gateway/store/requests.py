"""Requests of one administrator that another one decides (HK-6): the decision and its change are one transaction."""

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from gateway.policy.roles import Act, Grant, Role
from gateway.policy.rules import Channel
from gateway.store.acts import end_all, record, replace_password, touch, void_links, void_sent_codes
from gateway.store.audit import Detail, Event
from gateway.store.database import Database, Tx
from gateway.store.errors import Conflict, NotFound
from gateway.store.passkeys import forget_passkeys
from gateway.store.people import Request, State
from gateway.store.ports import Actor
from gateway.store.schema import devices, recovery_codes, requests, users
from gateway.store.users import give_role

_FOUND = sa.select(requests, users.c.name).join(users, users.c.id == requests.c.user_id)


class SqlRequestStore:
    """`RequestStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, request: Request, by: Actor) -> None:
        """See RequestStore."""
        await self._database.write(lambda tx: _make(tx, request, by))

    async def show(self, id_: str) -> Request:
        """See RequestStore."""
        return await self._database.read(lambda connection: _request(_row(connection, id_)))

    async def open(self, now: float) -> tuple[Request, ...]:
        """See RequestStore."""
        waiting = _FOUND.where(requests.c.state == State.OPEN.value, requests.c.expires > now)
        ordered = waiting.order_by(requests.c.asked, requests.c.id)
        return await self._database.read(lambda connection: tuple(_request(row) for row in connection.execute(ordered)))

    async def approve(self, id_: str, by: Actor) -> Request:
        """See RequestStore."""
        return await self._database.write(lambda tx: _approve(tx, id_, by))

    async def refuse(self, id_: str, why: str, by: Actor) -> Request:
        """See RequestStore."""
        return await self._database.write(lambda tx: _refuse(tx, id_, why, by))


def _row(connection: sa.Connection, id_: str) -> sa.Row[Any]:
    row = connection.execute(_FOUND.where(requests.c.id == id_)).one_or_none()
    if row is None:
        raise NotFound(f"there is no request {id_!r}")
    return row


def _request(row: sa.Row[Any]) -> Request:
    return Request(
        id=row.id,
        act=Act(row.act),
        user=row.name,
        asked_by=row.asked_by,
        asked=row.asked,
        expires=row.expires,
        why=row.why,
        grant=None if row.role_until is None else Grant(Role(row.role), row.role_until),
        email=row.email,
        state=State(row.state),
        decided_by=row.decided_by,
        decided=row.decided,
    )


def _make(tx: Tx, request: Request, by: Actor) -> None:
    user = touch(tx, request.user)
    same = sa.and_(requests.c.user_id == user.id, requests.c.act == request.act.value)
    waiting = sa.select(requests.c.id).where(same, requests.c.state == State.OPEN.value, requests.c.expires > by.wall)
    if (there := tx.execute(waiting).first()) is not None:
        raise Conflict(f"request {there.id} asks for the same already")
    row = {
        "id": request.id,
        "act": request.act.value,
        "user_id": user.id,
        "asked_by": by.name,
        "asked": request.asked,
        "expires": request.expires,
        "why": request.why,
        "role": request.grant.role.value if request.grant else "",
        "role_until": request.grant.until if request.grant else None,
        "email": request.email,
        "state": State.OPEN.value,
        "decided_by": "",
    }
    tx.execute(sa.insert(requests), row)
    record(tx, by, Event.REQUEST_MADE, request.user, {**_about(request), "why": request.why})


def _about(request: Request) -> dict[str, Detail]:
    about: dict[str, Detail] = {"request": request.id, "act": request.act.value}
    if request.grant:
        about |= {"role": request.grant.role.value, "until": request.grant.until}
    return about


def _decide(tx: Tx, id_: str, state: State, by: Actor, who: sa.ColumnElement[bool]) -> tuple[Request, sa.Row[Any]]:
    """Take a decision: the first one counts. Raises Conflict."""
    request = _request(_row(tx.connection, id_))
    user = touch(tx, request.user)
    waiting = sa.and_(requests.c.id == id_, requests.c.state == State.OPEN.value, requests.c.expires > by.wall, who)
    values = {"state": state.value, "decided_by": by.name, "decided": by.wall}
    if tx.execute(sa.update(requests).where(waiting).values(values)).rowcount != 1:
        raise Conflict(f"request {id_} was decided, has expired, or is your own")
    return _request(_row(tx.connection, id_)), user


def _approve(tx: Tx, id_: str, by: Actor) -> Request:
    # Who asked can't approve, whatever was judged before: the row itself says no.
    request, user = _decide(tx, id_, State.APPROVED, by, requests.c.asked_by != by.name)
    _CHANGES[request.act](tx, user, request, by)
    record(tx, by, Event.REQUEST_APPROVED, request.user, {**_about(request), "source": request.asked_by})
    return request


def _refuse(tx: Tx, id_: str, why: str, by: Actor) -> Request:
    request, _ = _decide(tx, id_, State.REFUSED, by, sa.true())
    record(tx, by, Event.REQUEST_REFUSED, request.user, {**_about(request), "source": request.asked_by, "why": why})
    return request


# ── the changes ──


def _reset_password(tx: Tx, user: sa.Row[Any], _request: Request, by: Actor) -> None:
    replace_password(tx, user, "", by, must_change=False)
    void_links(tx, user.id, by)
    end_all(tx, user.id, by)


def _reset_authenticator(tx: Tx, user: sa.Row[Any], _request: Request, by: Actor) -> None:
    tx.execute(sa.delete(devices).where(devices.c.user_id == user.id))
    tx.execute(sa.delete(recovery_codes).where(recovery_codes.c.user_id == user.id))
    forget_passkeys(tx, user.id)
    # Where codes were sent is part of it: what is reset is enrolled anew, and may be chosen again then (HK-6).
    tx.execute(sa.update(users).where(users.c.id == user.id).values(channel=Channel.APP.value))
    void_sent_codes(tx, user.id, by.wall)
    void_links(tx, user.id, by)
    end_all(tx, user.id, by)


def _change_email(tx: Tx, user: sa.Row[Any], request: Request, by: Actor) -> None:
    tx.execute(sa.update(users).where(users.c.id == user.id).values(email=request.email))
    void_links(tx, user.id, by)
    void_sent_codes(tx, user.id, by.wall)


def _change_role(tx: Tx, _user: sa.Row[Any], request: Request, by: Actor) -> None:
    give_role(tx, request.user, request.grant, by)


_CHANGES: Mapping[Act, Callable[[Tx, sa.Row[Any], Request, Actor], None]] = {
    Act.RESET_PASSWORD: _reset_password,
    Act.RESET_AUTHENTICATOR: _reset_authenticator,
    Act.CHANGE_EMAIL: _change_email,
    Act.CHANGE_ROLE: _change_role,
}
