"""Mail over SMTP (RFC 5321): with TLS unless its absence was asked for by name; one connection, one message, one reader."""

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
_CLOSING = 421
"""RFC 5321 §3.8: the server goes away, whatever was asked."""


class Mail:
    """`Channel` over one mail server. Invariant: no header holds anything but what this file put there."""

    def __init__(self, spec: MailSpec, portal: str = "") -> None:
        """Raises OSError and ssl.SSLError where `ca` can't be used."""
        self._spec = spec
        self._portal = portal
        self._tls = None if spec.tls == "plain" else trusting(spec.ca)

    async def send(self, message: Message) -> None:
        """See Channel."""
        if not is_address(message.to):
            raise Undeliverable("that is no mail address")
        text = words(message.kind, message.facts, message.wall, self._portal)
        letter = composed(self._spec.sender, message, text)
        smtp = await self.connected()
        try:
            await smtp.sendmail(parseaddr(self._spec.sender)[1], [message.to], letter.as_bytes())
        except SMTPResponseException as error:
            raise (Away if error.code == _CLOSING else Declined)(_said(error)) from None
        except SMTPRecipientsRefused as error:
            raise Declined(_said(error.recipients[0])) from None
        except (SMTPException, OSError) as error:
            raise Away(type(error).__name__) from None
        else:
            with contextlib.suppress(SMTPException, OSError):  # it has the message: a bad farewell changes nothing
                await smtp.quit()
        finally:
            smtp.close()

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
        return smtp

    async def close(self) -> None:
        """See Channel: no connection outlives its message."""


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
