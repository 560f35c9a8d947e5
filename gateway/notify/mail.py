"""Mail over SMTP (RFC 5321): with TLS unless its absence was asked for by name; a mail of its own for each reader."""

import asyncio
import contextlib
import re
import socket
import ssl
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

import aiosmtplib
from aiosmtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException

from gateway.notify.channel import Away, Declined, Message, Undeliverable
from gateway.notify.spec import MailSpec
from gateway.notify.tls import trusting
from gateway.notify.wording import Words, words

_ADDRESS = re.compile(r"[!#-'*+/-9=?A-Z^-~-]+(\.[!#-'*+/-9=?A-Z^-~-]+)*@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""RFC 5321 §4.1.2, Mailbox, without quoted local parts and address literals: nothing in it ends a header or a command."""
IDLE = 10.0
"""Seconds an unused connection is kept: a crowd that logs in needs one, and not a handshake for each of them."""
_CLOSING = 421
"""RFC 5321 §3.8: the server goes away, whatever was asked."""


class Mail:
    """`Channel` over one mail server. Invariants: no header holds anything but what this file put there; at most one
    connection, which carries one mail after the other and is closed when none came for IDLE seconds.
    """

    def __init__(self, spec: MailSpec, portal: str = "") -> None:
        """Raises OSError and ssl.SSLError where `ca` can't be used."""
        self._spec = spec
        self._portal = portal
        self._tls = None if spec.tls == "plain" else trusting(spec.ca)
        self._turn = asyncio.Lock()
        self._smtp: aiosmtplib.SMTP | None = None
        self._closing: asyncio.TimerHandle | None = None

    async def send(self, message: Message) -> None:
        """See Channel."""
        if not is_address(message.to):
            raise Undeliverable("that is no mail address")
        text = words(message.kind, message.facts, message.wall, self._portal)
        letter = composed(self._spec.sender, message, text).as_bytes()
        async with self._turn:
            if self._smtp is not None:
                with contextlib.suppress(
                    Away
                ):  # the server had closed it meanwhile: that says nothing about the server
                    return await self._hand_over(self._smtp, message.to, letter)
            return await self._hand_over(await self.connected(), message.to, letter)

    async def _hand_over(self, smtp: aiosmtplib.SMTP, to: str, letter: bytes) -> None:
        self._let_go()
        try:
            await smtp.sendmail(parseaddr(self._spec.sender)[1], [to], letter)
        except SMTPRecipientsRefused as error:
            self._keep(smtp)
            raise Declined(_said(error.recipients[0])) from None
        except SMTPResponseException as error:
            smtp.close()
            raise (Away if error.code == _CLOSING else Declined)(_said(error)) from None
        except (SMTPException, OSError) as error:
            smtp.close()
            raise Away(type(error).__name__) from None
        except BaseException:
            smtp.close()
            raise
        self._keep(smtp)

    def _keep(self, smtp: aiosmtplib.SMTP) -> None:
        self._smtp = smtp
        self._closing = asyncio.get_running_loop().call_later(IDLE, self._hang_up)

    def _let_go(self) -> None:
        """Take the connection out of keeping: whoever called uses it now, or closes it."""
        self._smtp = None
        if self._closing is not None:
            self._closing.cancel()

    def _hang_up(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
        self._let_go()

    async def connected(self) -> aiosmtplib.SMTP:
        """Return a connection that may send, or raise Away: also where the server offers no TLS."""
        spec = self._spec
        smtp = aiosmtplib.SMTP(
            hostname=spec.host,
            port=spec.port,
            timeout=spec.timeout,
            local_hostname=re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "gateway",
            use_tls=spec.tls == "tls",
            start_tls=spec.tls == "starttls",
            tls_context=self._tls,
        )
        try:
            await smtp.connect()
            if spec.password is not None:
                await smtp.login(spec.user, spec.password.reveal().decode())
        except SMTPResponseException as error:
            smtp.close()
            raise Away(_said(error)) from None
        except (SMTPException, OSError) as error:
            smtp.close()
            raise Away(_kind(error)) from None
        except BaseException:
            smtp.close()
            raise
        return smtp

    async def close(self) -> None:
        """See Channel."""
        smtp = self._smtp
        self._let_go()
        if smtp is not None:
            with contextlib.suppress(SMTPException, OSError):  # it has every mail: a bad farewell changes nothing
                await smtp.quit()
            smtp.close()


def is_address(text: str) -> bool:
    """Say whether mail can go there: ASCII, and nothing that could be taken for anything else."""
    return len(text) <= 254 and _ADDRESS.fullmatch(text) is not None  # noqa: PLR2004 - RFC 5321 §4.5.3.1.3


def composed(sender: str, message: Message, text: Words) -> EmailMessage:
    """Return the mail. Its Message-ID is the same at each try; RFC 3834 keeps holiday answers away."""
    name, address = parseaddr(sender)
    mail = EmailMessage(SMTP)
    mail["From"] = Address(name, addr_spec=address)
    mail["To"] = Address(addr_spec=message.to)
    mail["Subject"] = text.subject
    mail["Date"] = format_datetime(datetime.fromtimestamp(message.wall, UTC))
    mail["Message-ID"] = f"<{message.key}@{address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text.body)
    return mail


def _said(error: SMTPResponseException) -> str:
    """Return what went wrong, without the server's words: they may repeat what it was told."""
    return f"{type(error).__name__} {error.code}"


def _kind(error: BaseException) -> str:
    cause = error.__cause__ or error.__context__
    hidden = isinstance(cause, ssl.SSLError)
    return f"{type(error).__name__}: {type(cause).__name__}" if hidden else type(error).__name__
