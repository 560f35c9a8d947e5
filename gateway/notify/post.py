"""Letters with links, and codes that are sent: straight into the outbox, sealed, good for as long as what they hold."""

import secrets
import time
from collections.abc import Callable

from gateway.auth.links import Letter
from gateway.notify.kinds import LETTER
from gateway.notify.spec import MAIL
from gateway.notify.told import notice_of
from gateway.store.notices import LETTER as SEALED
from gateway.store.notices import OutboxStore


class Queue:
    """`auth.links.Post` over the outbox. Invariant: a token or a code leaves here sealed only."""

    def __init__(self, outbox: OutboxStore, clock: Callable[[], float] = time.time) -> None:
        self._outbox = outbox
        self._clock = clock

    async def send(self, letter: Letter) -> None:
        """Queue a link's letter. Raises StoreError."""
        facts = {"user": letter.user, "until": letter.expires, "url": letter.url.reveal().decode()}
        await self._put(f"{LETTER}.{letter.purpose.value}", MAIL, letter.email, facts, letter.expires)

    async def _put(self, text: str, channel: str, to: str, facts: dict[str, object], expires: float) -> None:
        tag = f"{SEALED}{secrets.token_hex(16)}"
        await self._outbox.put([notice_of(tag, text, channel, to, facts, self._clock(), expires)])
