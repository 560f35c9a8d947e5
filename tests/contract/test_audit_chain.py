"""AuditStore: whatever is done to the chain behind our back is found, and where (BY-6)."""

import asyncio

import pytest
import sqlalchemy as sa

from gateway.store.audit import AuditEntry, Event, genesis, link
from gateway.store.chain import CHUNK
from gateway.store.schema import audit, audit_head
from gateway.store.store import Store
from tests.contract.world import NOW

ROWS = 7
pytestmark = pytest.mark.req("BY-6")


@pytest.fixture
async def chain(store: Store) -> Store:
    """A store whose chain has ROWS rows; the first says that the store was created."""
    for number in range(ROWS - 1):
        await store.audit.append(
            AuditEntry(NOW + number, Event.STORE_CREATED, user=f"u{number}", details={"count": number})
        )
    return store


async def tamper(store: Store, statement: sa.Executable) -> None:
    """Write as somebody would who has the database but not the master key."""
    await store._database.write(lambda tx: tx.execute(statement) and None)


async def test_a_whole_chain_is_intact(chain: Store):
    found = await chain.audit.verify()

    assert (found.intact, found.count, found.row, found.fault) == (True, ROWS, None, "")
    assert (await chain.audit.head()).count == ROWS


async def test_rows_are_read_in_pages(chain: Store):
    assert [row.seq for row in await chain.audit.rows(after=2, limit=3)] == [3, 4, 5]


@pytest.mark.parametrize("seq", [1, 2, ROWS])
@pytest.mark.parametrize(
    ("column", "value"),
    [("wall", 1), ("event", "user.added"), ("reason", "kicked"), ("user", "x"), ("session", "x"), ("address", "x"),
     ("details", '{"count":99}'), ("prev_hash", b"x" * 32), ("hash", b"x" * 32)],
)  # fmt: skip
async def test_a_changed_row_is_found(chain: Store, seq: int, column: str, value: object):
    await tamper(chain, sa.update(audit).where(audit.c.seq == seq).values({column: value}))

    found = await chain.audit.verify()
    assert (found.intact, found.row) == (False, seq)
    assert str(seq) in found.fault


@pytest.mark.parametrize("seq", [1, 2, ROWS])
async def test_a_removed_row_is_found(chain: Store, seq: int):
    await tamper(chain, sa.delete(audit).where(audit.c.seq == seq))

    found = await chain.audit.verify()
    assert (found.intact, found.row) == (False, seq)


async def test_the_removal_of_all_rows_is_found(chain: Store):
    await tamper(chain, sa.delete(audit))

    assert (await chain.audit.verify()).row == 1


async def test_the_removal_of_all_rows_and_the_head_is_found(chain: Store):
    await tamper(chain, sa.delete(audit))
    await tamper(chain, sa.delete(audit_head))

    assert not (await chain.audit.verify()).intact


async def test_cutting_the_end_off_and_moving_the_head_back_is_found(chain: Store):
    last = (await chain.audit.rows())[ROWS - 2]
    await tamper(chain, sa.delete(audit).where(audit.c.seq == ROWS))
    await tamper(chain, sa.update(audit_head).values(count=last.seq, hash=last.hash))

    found = await chain.audit.verify()
    assert (found.intact, "signature" in found.fault) == (False, True)


async def test_a_well_linked_row_without_the_head_is_found(chain: Store):
    last = (await chain.audit.rows())[-1]
    forged = (ROWS + 1, 1, "user.added", "", "mallory", "", "", "{}")
    values = dict(zip(("seq", "wall", "event", "reason", "user", "session", "address", "details"), forged, strict=True))
    await tamper(chain, sa.insert(audit).values(**values, prev_hash=last.hash, hash=link(last.hash, forged)))

    found = await chain.audit.verify()
    assert (found.intact, found.row) == (False, ROWS + 1)


async def test_a_chain_recomputed_from_the_first_row_is_found_by_its_head(chain: Store):
    rows = await chain.audit.rows()
    last = genesis(await chain._database.read(_store_id))
    for row in rows:
        changed = (row.seq, row.wall, row.event, row.reason, "nobody", row.session, row.address, row.details)
        new = link(last, changed)
        await tamper(
            chain, sa.update(audit).where(audit.c.seq == row.seq).values(user="nobody", prev_hash=last, hash=new)
        )
        last = new
    await tamper(chain, sa.update(audit_head).values(hash=last))

    found = await chain.audit.verify()
    assert "signature" in found.fault


def _store_id(connection: sa.Connection) -> str:
    return connection.exec_driver_sql("SELECT value FROM meta WHERE key = 'store_id'").scalar_one()


async def test_rows_that_change_places_are_found(chain: Store):
    await tamper(chain, sa.update(audit).where(audit.c.seq == 2).values(seq=99))
    await tamper(chain, sa.update(audit).where(audit.c.seq == 3).values(seq=2))
    await tamper(chain, sa.update(audit).where(audit.c.seq == 99).values(seq=3))

    assert (await chain.audit.verify()).row == 2


async def test_a_database_set_back_to_an_older_copy_is_found_by_a_head_noted_elsewhere(chain: Store):
    old = await chain.audit.head()
    await chain.audit.append(AuditEntry(NOW, Event.STORE_BACKED_UP))
    noted = await chain.audit.head()
    assert (await chain.audit.verify(noted)).intact
    assert (await chain.audit.verify(old)).intact

    await tamper(chain, sa.delete(audit).where(audit.c.seq > old.count))
    await tamper(chain, sa.update(audit_head).values(count=old.count, hash=old.hash, mac=old.mac))

    assert (await chain.audit.verify()).intact  # nothing inside the database can tell
    assert not (await chain.audit.verify(noted)).intact


async def test_a_chain_longer_than_one_read_is_walked_to_its_end(store: Store):
    def write(tx) -> None:
        for number in range(CHUNK + 10):
            tx.audit(AuditEntry(NOW, Event.STORE_CREATED, details={"count": number}))

    await store._database.write(write)

    found = await store.audit.verify()
    assert (found.intact, found.count) == (True, CHUNK + 11)
    await tamper(store, sa.update(audit).where(audit.c.seq == CHUNK + 3).values(user="x"))
    assert (await store.audit.verify()).row == CHUNK + 3


async def test_the_chain_is_intact_while_it_grows(store: Store):
    async def grow(name: str) -> None:
        for _ in range(40):
            await store.audit.append(AuditEntry(NOW, Event.STORE_CREATED, user=name))

    growing = asyncio.gather(*(grow(f"node-{number}") for number in range(4)))
    while not growing.done():
        found = await store.audit.verify()
        assert found.intact, found.fault
    await growing

    assert (await store.audit.verify()).count == 161


@pytest.mark.req("TW-10")
@pytest.mark.parametrize("details", [{"password": "x"}, {"count": b"x"}, {"count": None}, {"count": float}])
def test_what_is_not_a_plain_value_under_a_fixed_key_cannot_enter(details: dict):
    with pytest.raises(ValueError, match="audit detail"):
        AuditEntry(NOW, Event.LOGIN_REFUSED, details=details)
