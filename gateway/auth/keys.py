"""Rotating keys, for the command line: one bounded step after the other, so that logins go between them. Prints nothing."""

import asyncio
import time
from dataclasses import dataclass

from gateway.store.ports import Actor, DataKey, KeyStore
from gateway.store.vault import MasterKey

BATCH = 100
"""Devices in one transaction: some milliseconds, the longest that a login waits for it."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did: the data key that seals now, and how many devices this run moved under it."""

    key_id: str
    devices: int


class Keys:
    """The store's keys. Invariant: between two batches the store is left alone for as long as the last one took."""

    def __init__(self, store: KeyStore, *, batch: int = BATCH, pause: float = 0.005) -> None:
        """`batch` devices at once, at least `pause` seconds between two."""
        self._store = store
        self._batch = batch
        self._pause = pause

    async def list(self) -> tuple[DataKey, ...]:
        """Return the data keys, oldest first."""
        return await self._store.list()

    async def rotate(self, by: Actor) -> Rotation:
        """Seal every TOTP key under a new data key and destroy the old one (BY-7); goes on where another run was cut.

        Raises KeyRefused, StoreUnavailable: nothing is lost then, run it again.
        """
        newest = await self._store.begin(by)
        moved = 0
        while True:
            began = time.monotonic()
            count = await self._store.reseal(self._batch)
            moved += count
            if not count and await self._store.finish(by):
                return Rotation(newest.id, moved)
            await asyncio.sleep(max(self._pause, time.monotonic() - began))

    async def change_master(self, new: MasterKey, by: Actor) -> int:
        """Seal the data keys under another master key; return how many there are. Raises KeyRefused."""
        return await self._store.change_master(new, by)
