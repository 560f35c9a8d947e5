"""Who is told: does the mail server let us in, and who has no address?"""

import asyncio
from collections.abc import Iterator

from gateway.cli.checkup.finding import Finding, failed, ok, warning
from gateway.net.spec import StartError
from gateway.notifications import channels_of, spec_of
from gateway.notify.channel import Away
from gateway.notify.mail import Mail
from gateway.notify.spec import MAIL, MailSpec
from gateway.settings.model import Settings

SHOWN = 5
"""Names in one line."""


def channels(settings: Settings) -> Iterator[Finding]:
    """Connect to the mail server, with TLS and login as configured; no mail is sent. Other ways out: `notify test`."""
    spec = spec_of(settings)
    if not spec.channels:
        yield warning("notifications", "nobody is told of logins, locks and changes (SF-11)", "configure [notify.mail]")
        return
    try:
        mail = channels_of(spec).get(MAIL)
    except StartError as error:
        yield failed("notifications", str(error), "mend the file that ca names")
        return
    if spec.mail and isinstance(mail, Mail):
        yield asyncio.run(_server(mail, spec.mail))


async def _server(mail: Mail, spec: MailSpec) -> Finding:
    where = f"{spec.host}:{spec.port}"
    try:
        (await mail.connected()).close()
    except Away as error:
        return failed(
            "mail", f"{where} does not let us in: {error}", "check notify.mail: server, tls, ca, user, password"
        )
    return ok("mail", f"{where} answers{'' if spec.tls == 'plain' else ' with TLS, its certificate holds'}")


def unreachable(names: list[str]) -> Finding:
    """Say who has no address; `names` are the enabled users without one."""
    if not names:
        return ok("notifications", "every enabled user has a mail address")
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    found = f"told of nothing, as they have no mail address: {', '.join(names[:SHOWN])}{more}"
    return warning("notifications", found, "gateway user change NAME --email ADDRESS")
