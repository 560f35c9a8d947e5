"""Letters with links, and codes that are sent: straight into the outbox, sealed, good for as long as what they hold."""

import secrets
import time
from collections.abc import Callable

from gateway.auth.links import Letter
from gateway.core.secret import Secret
from gateway.notify.kinds import CODE, LETTER
from gateway.notify.spec import MAIL
from gateway.notify.told import notice_of
from gateway.policy.rules import Channel
from gateway.store.errors import Conflict
from gateway.store.notices import LETTER as SEALED
from gateway.store.notices import OutboxStore


class Queue:
    """`auth.links.Post` and `auth.sentcodes.Messenger` over the outbox. Invariant: a token or a code leaves here sealed
    only. Without `mail` letters are copied by hand; `sms` is the channel of text messages, "" for none.
    """

    def __init__(
        self, outbox: OutboxStore, *, mail: bool = False, sms: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._outbox = outbox
        self._mail = mail
        self._sms = sms
        self._clock = clock

    async def send(self, letter: Letter) -> None:
        """Queue a link's letter. Raises StoreError."""
        if self._mail:
            facts = {"user": letter.user, "until": letter.expires, "url": letter.url.reveal().decode()}
            await self._put(f"{LETTER}.{letter.purpose.value}", MAIL, letter.email, facts, letter.expires)

    async def send_code(self, user: str, channel: Channel, address: str, code: Secret, expires: float) -> None:
        """Queue a code. Raises Conflict where nothing is set up for that channel, StoreError."""
        way = {Channel.EMAIL: MAIL if self._mail else "", Channel.SMS: self._sms}.get(channel, "")
        if not way:
            raise Conflict(f"no codes are sent by {channel.value} from here: configure [notify]")
        facts = {"user": user, "until": expires, "code": code.reveal().decode()}
        await self._put(CODE, way, address, facts, expires)

    async def _put(self, text: str, channel: str, to: str, facts: dict[str, object], expires: float) -> None:
        tag = f"{SEALED}{secrets.token_hex(16)}"
        await self._outbox.put([notice_of(tag, text, channel, to, facts, self._clock(), expires)])
