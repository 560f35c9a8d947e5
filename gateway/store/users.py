"""Users and their passwords. Hashes come in ready made; whether a password is good enough is not asked here."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from gateway.policy.roles import Grant
from gateway.policy.snapshot import Failures, User
from gateway.store.acts import end_all, record, replace_password, touch, void_links, void_sent_codes
from gateway.store.audit import Event, plain
from gateway.store.database import Database, Tx
from gateway.store.devices import device_infos
from gateway.store.errors import AlreadyExists, Conflict, NotFound
from gateway.store.finding import EVERYBODY, Which, clause
from gateway.store.passkeys import passkey_infos
from gateway.store.ports import Account, Actor
from gateway.store.reading import digests_from, user_from
from gateway.store.rights import end_what_was_lost
from gateway.store.schema import bindings, failures, group_routes, groups, password_history, users

NAME_LIMIT = 100
"""Characters of a user's name: what FIX and AMQP systems take."""
_AT_ONCE = 500
"""Users in one statement."""


class SqlUserStore:
    """`UserStore` over a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, user: User, by: Actor) -> Account:
        """See UserStore."""
        check_texts(user)
        try:
            return await self._database.write(lambda tx: add_user(tx, user, by))
        except Conflict:  # two at once: the unique name decided
            raise AlreadyExists(f"a user called {user.name!r} exists already") from None

    async def show(self, name: str) -> Account:
        """See UserStore."""
        found = await self._database.read(lambda connection: accounts_where(connection, users.c.name == name, 1))
        if not found:
            raise NotFound(f"there is no user called {name!r}")
        return found[0]

    async def list(self, after: str = "", limit: int = 1000, which: Which = EVERYBODY) -> tuple[Account, ...]:
        """See UserStore."""
        wanted = sa.and_(users.c.name > after, clause(which))
        return await self._database.read(lambda connection: accounts_where(connection, wanted, limit))

    async def change(self, user: User, revision: int, by: Actor) -> Account:
        """See UserStore."""
        check_texts(user)
        return await self._database.write(lambda tx: _change(tx, user, revision, by))

    async def set_password(  # noqa: PLR0913 - what a new password is, by name
        self,
        name: str,
        password_hash: str,
        by: Actor,
        *,
        must_change: bool = False,
        end_sessions: bool = False,
        instead_of: str | None = None,
    ) -> None:
        """See UserStore."""

        def write(tx: Tx) -> None:
            user = touch(tx, name)
            if instead_of not in {None, user.password_hash}:
                raise Conflict(f"another password of {name!r} was set meanwhile: begin again with that one")
            replace_password(tx, user, password_hash, by, must_change=must_change)
            if end_sessions:
                end_all(tx, user.id, by)
                void_links(tx, user.id, by)
            record(tx, by, Event.PASSWORD_SET, user.name)

        await self._database.write(write)

    async def history(self, name: str, count: int) -> tuple[str, ...]:
        """See UserStore."""
        return await self._database.read(lambda connection: _history(connection, name, count))

    async def unlock(self, name: str, by: Actor) -> None:
        """See UserStore."""

        def write(tx: Tx) -> None:
            user = touch(tx, name)
            tx.execute(sa.delete(failures).where(failures.c.user_id == user.id))
            record(tx, by, Event.USER_UNLOCKED, user.name)

        await self._database.write(write)

    async def grant(self, name: str, grant: Grant | None, by: Actor) -> None:
        """See UserStore."""
        await self._database.write(lambda tx: give_role(tx, name, grant, by))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def accounts_where(
    connection: sa.Connection, which: sa.ColumnElement[bool], limit: int | None = None
) -> tuple[Account, ...]:
    """Return accounts in the order of their names."""
    rows = connection.execute(sa.select(users).where(which).order_by(users.c.name).limit(limit)).all()
    ids = [row.id for row in rows]
    bound = _grouped(connection.execute(sa.select(bindings).where(bindings.c.user_id.in_(ids))).all())
    failed = _grouped(
        connection.execute(
            sa.select(failures, failures.c.count.label("failed")).where(failures.c.user_id.in_(ids))
        ).all()
    )
    owned = device_infos(connection, ids)
    signing = passkey_infos(connection, ids)
    return tuple(
        replace(
            _account(row, bound.get(row.id, ()), failed.get(row.id, ())),
            devices=owned.get(row.id, ()),
            passkeys=signing.get(row.id, ()),
        )
        for row in rows
    )


def _grouped(rows: Sequence[sa.Row[Any]]) -> dict[str, list[sa.Row[Any]]]:
    grouped: dict[str, list[sa.Row[Any]]] = {}
    for row in rows:
        grouped.setdefault(row.user_id, []).append(row)
    return grouped


def _account(row: sa.Row[Any], bound: Sequence[sa.Row[Any]], failed: Sequence[sa.Row[Any]]) -> Account:
    worst = max(failed, key=lambda one: (one.revoked, one.locked_until, one.failed), default=None)
    return Account(
        user=user_from(row, [(one.kind, one.value) for one in bound]),
        revision=row.revision,
        created=row.created,
        failures=Failures()
        if worst is None
        else Failures(worst.failed, worst.last, worst.locked_until, worst.revoked, digests_from(worst.digests)),
        quiet_since=row.quiet_since,
    )


def _history(connection: sa.Connection, name: str, count: int) -> tuple[str, ...]:
    user = connection.execute(sa.select(users.c.id, users.c.password_hash).where(users.c.name == name)).one_or_none()
    if user is None:
        raise NotFound(f"there is no user called {name!r}")
    older = (
        sa.select(password_history.c.password_hash)
        .where(password_history.c.user_id == user.id)
        .order_by(password_history.c.id.desc())
        .limit(count)
    )
    hashes = (user.password_hash, *connection.execute(older).scalars())
    return tuple(one for one in hashes if one)[:count]


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_texts(user: User) -> None:
    """Raise ValueError for what no engine could hold, or nobody could log in with."""
    for text in (
        user.name,
        user.organisation,
        user.email,
        user.phone,
        *user.groups,
        *user.processes,
        *user.certificates,
        *user.routes,
    ):
        if plain(text, NAME_LIMIT) != text and text not in user.certificates:
            raise ValueError(f"{text[:NAME_LIMIT]!r} is longer than {NAME_LIMIT} characters or holds a NUL")
    if not user.name.strip() or user.name != user.name.strip():
        raise ValueError("a user's name is not empty and neither begins nor ends with a space")


def columns_of(user: User) -> dict[str, object]:
    """Return what stands of a user in its own row, without name, password and role."""
    return {
        "organisation": user.organisation,
        "enabled": user.enabled,
        "method": user.method.value,
        "second_factor": user.second_factor.value if user.second_factor else None,
        "valid_from": user.valid_from,
        "valid_until": user.valid_until,
        "must_change": user.must_change,
        "email": user.email,
        "phone": user.phone,
        "channel": user.channel.value,
    }


def role_columns(grant: Grant | None) -> dict[str, object]:
    """Return a grant as its columns."""
    return {"role": grant.role.value if grant else "user", "role_until": grant.until if grant else None}


def give_role(tx: Tx, name: str, grant: Grant | None, by: Actor) -> None:
    """Give a user a role in place of the one it has, None takes it away. Raises NotFound."""
    user = touch(tx, name)
    tx.execute(sa.update(users).where(users.c.id == user.id).values(role_columns(grant)))
    if grant is None:
        record(tx, by, Event.ROLE_ENDED, name, {"role": user.role})
    else:
        record(tx, by, Event.ROLE_GRANTED, name, {"role": grant.role.value, "until": grant.until})


def add_user(tx: Tx, user: User, by: Actor) -> Account:
    """Add a user inside a transaction; see UserStore."""
    if tx.execute(sa.select(users.c.id).where(users.c.name == user.name)).first() is not None:
        raise AlreadyExists(f"a user called {user.name!r} exists already")
    id_ = user.id or secrets.token_hex(8)
    row = {
        "id": id_,
        "name": user.name,
        "created": by.wall,
        "revision": 1,
        **columns_of(user),
        **role_columns(user.grant),
    }
    tx.execute(
        sa.insert(users), {**row, "password_hash": user.password_hash, "password_changed": user.password_changed}
    )
    _bind(tx, id_, user)
    record(tx, by, Event.USER_ADDED, user.name, {"method": user.method.value})
    return accounts_where(tx.connection, users.c.id == id_, 1)[0]


def binding_rows(id_: str, user: User) -> list[dict[str, str]]:
    """Return the rows of `bindings` of a user."""
    kinds = {"process": user.processes, "certificate": user.certificates, "route": user.routes, "group": user.groups}
    return [
        {"user_id": id_, "kind": kind, "value": value} for kind, values in kinds.items() for value in sorted(values)
    ]


def _bind(tx: Tx, id_: str, user: User) -> None:
    if rows := binding_rows(id_, user):
        tx.execute(sa.insert(bindings), rows)
    if user.groups:
        check_groups(tx.connection, user.groups)
        write_group_routes(tx, [id_])


def check_groups(connection: sa.Connection, names: Collection[str]) -> None:
    """Raise NotFound for a group that is not there."""
    # Nobody changes their routes before this transaction is over.
    found = sa.select(groups.c.name).where(groups.c.name.in_(names)).order_by(groups.c.name)
    there = set(connection.execute(found.with_for_update(read=True)).scalars())
    if missing := sorted(set(names) - there):
        raise NotFound(f"there is no group called {missing[0]!r}")


def write_group_routes(tx: Tx, ids: Sequence[str]) -> None:
    """Write anew the routes that these users have by way of their groups."""
    for start in range(0, len(ids), _AT_ONCE):
        _write_group_routes(tx, ids[start : start + _AT_ONCE])


def _write_group_routes(tx: Tx, ids: Sequence[str]) -> None:
    mine = sa.and_(bindings.c.user_id.in_(ids), bindings.c.kind == "via")
    tx.execute(sa.delete(bindings).where(mine))
    member = sa.and_(bindings.c.kind == "group", bindings.c.value == group_routes.c.group_name)
    found = (
        sa.select(bindings.c.user_id, sa.literal("via"), group_routes.c.route)
        .select_from(bindings.join(group_routes, member))
        .where(bindings.c.user_id.in_(ids))
        .distinct()
    )
    tx.execute(sa.insert(bindings).from_select(["user_id", "kind", "value"], found))


def _change(tx: Tx, user: User, revision: int, by: Actor) -> Account:
    before = accounts_where(tx.connection, users.c.name == user.name, 1)
    row = touch(tx, user.name)
    if row.revision != revision + 1:
        raise Conflict(f"user {user.name!r} changed since it was read; read it again and repeat the change")
    if before[0].user.groups and not user.groups and not user.routes:
        raise ValueError("without its last group every route would be open to it: give it a route of its own first")
    tx.execute(sa.update(users).where(users.c.id == row.id).values(columns_of(user)))
    tx.execute(sa.delete(bindings).where(bindings.c.user_id == row.id))
    _bind(tx, row.id, user)
    after = accounts_where(tx.connection, users.c.id == row.id, 1)[0]
    end_what_was_lost(tx, before[0].user, after.user, by)
    if before[0].user.email != user.email:
        void_links(tx, row.id, by)
    if any(getattr(before[0].user, name) != getattr(user, name) for name in ("email", "phone", "channel")):
        void_sent_codes(tx, row.id, by.wall)
    changed = [name for name in User.__slots__ if getattr(before[0].user, name) != getattr(after.user, name)]
    record(tx, by, Event.USER_CHANGED, user.name, {"fields": ",".join(changed)})
    return after
