"""The rig of the use-cases: one store and one pool of hashing threads per test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from gateway.auth.passwords import Passwords
from gateway.policy.rules import Policy
from gateway.policy.snapshot import Method
from gateway.store.store import Store
from tests.unit.auth.rig import Rig, open_store

MakeRig = Callable[..., Awaitable[Rig]]


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    pool = Passwords(time_cost=1, memory_cost=64, workers=2)
    yield pool
    pool.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def make_rig(store: Store, passwords: Passwords) -> MakeRig:
    async def make(policy: Policy | None = None, method: Method = Method.PASSWORD_TOTP, *, device: bool = True) -> Rig:
        rig = Rig(store, passwords, policy or Policy())
        await rig.enrol(method, device=device)
        return rig

    return make


@pytest.fixture
async def rig(make_rig: MakeRig) -> Rig:
    return await make_rig()
