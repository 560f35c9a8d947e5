"""Signed webhooks: JSON by POST, over TLS; redirects are not followed and the answer's body is not read.

    Gateway-Signature: t=1800000000,v1=HMAC-SHA256(secret, "1800000000." + body) in hex

The receiver checks the signature over the bytes it got and refuses an old `t`; `id` in the body is the same at each try.
"""

import hmac
import time
from collections.abc import Callable

import httpx

import gateway
from gateway.core.secret import Secret
from gateway.notify.channel import Away, Declined, Message
from gateway.notify.kinds import CODE
from gateway.notify.spec import HookSpec
from gateway.notify.tls import trusting
from gateway.notify.wording import words

SIGNATURE = "Gateway-Signature"


class Webhook:
    """`Channel` over one receiver."""

    def __init__(self, spec: HookSpec, clock: Callable[[], float] = time.time) -> None:
        """Raises OSError where `ca` can't be used."""
        self._spec = spec
        self._clock = clock
        self._client = httpx.AsyncClient(
            verify=trusting(spec.ca), timeout=spec.timeout, follow_redirects=False, trust_env=False
        )

    async def send(self, message: Message) -> None:
        """See Channel."""
        body = _text_message(message).data() if message.kind == CODE else message.data()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"login-session-gateway/{gateway.__version__}",
            SIGNATURE: signature(self._spec.secret, int(self._clock()), body),
        }
        try:
            async with self._client.stream("POST", self._spec.url, content=body, headers=headers) as answer:
                if not answer.is_success:
                    raise Declined(f"HTTP {answer.status_code}")
        except httpx.HTTPError as error:  # its text holds the URL, and that may hold a secret
            raise Away(type(error).__name__) from None

    async def close(self) -> None:
        """See Channel."""
        await self._client.aclose()


def signature(secret: Secret, at: int, body: bytes) -> str:
    """Return the value of the signature's header for a body that is sent at wall second `at`."""
    return f"t={at},v1={hmac.digest(secret.reveal(), f'{at}.'.encode() + body, 'sha256').hex()}"


def _text_message(message: Message) -> Message:
    """Return what a text message's sender needs: number and words."""
    text = words("code.sms", message.facts, message.wall).subject
    return Message(message.key, "sms", message.to, message.wall, {"to": message.to, "text": text})
