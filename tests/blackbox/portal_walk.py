"""The house that people walk through: `gateway serve` with its portal, a mail server, and a QuickFIX exchange behind a listener.

It must not import the gateway.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser

from tests.blackbox.counterparties import Algo, Engine
from tests.blackbox.floor import Floor
from tests.blackbox.gateway_process import GatewayProcess
from tests.blackbox.mail_server import Mailbox
from tests.blackbox.net_certificates import Authority
from tests.blackbox.ops_rig import SQLITE, config
from tests.blackbox.people import PASSWORD
from tests.blackbox.portal_walk_browser import App, Walker, browser, gallery
from tests.blackbox.ports import free_port

NEW = "a quite New sentence 8"
LATE = 'totp.window = 2\ntotp.reuse = "within_step"'
"""Algorithms may log in with a code that a page was told before."""
_PORTAL = """\
[portal]
address = "127.0.0.1:{number}"
url = "{scheme}://localhost:{number}"
{way}
[notify.mail]
server = "127.0.0.1:{mail}"
tls = "plain"
sender = "Gateway <gateway@example.com>"
"""
_LINK = re.compile(r"https?://\S+/link/\S+")


@dataclass
class House:
    """Everything that runs, and who walks through it."""

    floor: Floor
    gateway: GatewayProcess
    mail: Mailbox
    exchange: Engine
    browser: Browser
    url: str
    pictures: Path
    walkers: list[Walker] = field(default_factory=list)

    async def enters(self, *, script: bool = True) -> Walker:
        """Let somebody in, with a browser of its own."""
        self.walkers.append(await Walker.at(self.browser, self.url, self.pictures, script=script))
        return self.walkers[-1]

    async def signs_in(self, walker: Walker, name: str, app: App, password: str = PASSWORD) -> None:
        """Sign in with user, password and code (M7-16)."""
        await walker.opens("/sign-in")
        await walker.types("User", name)
        await walker.types("Password", password)
        await walker.types("One-time code", await app.code())
        await walker.presses("Sign in")

    async def bootstrap(self, name: str) -> str:
        """Return the link of one of the first two administrators."""
        return str(json.loads(await self.gateway.run("admin", "bootstrap", name, "--json"))["url"])

    async def hire(self, name: str, *options: str) -> App:
        """Make somebody with a password and an authenticator, as operators do it at the command line."""
        mail = ("--email", f"{name}@example.com")
        await self.gateway.run("user", "add", name, *mail, *options, "--password-stdin", stdin=PASSWORD + "\n")
        made = json.loads(await self.gateway.run("totp", "enroll", name, "--confirmed", "--json"))
        return App(made["secret"])

    async def link(self, name: str, subject: str) -> str:
        """Return the link in the latest mail to somebody about that."""
        letters = await self.mail.until(1, to=f"{name}@example.com", subject=subject)
        return _LINK.findall(letters[-1].get_content())[0]

    async def algo(self, user: str, app: App, password: str = PASSWORD, *, name: str = "algo") -> Algo:
        """Start somebody's algorithm; it waits for its first `logon`."""
        login = {"user": user, "password": password, "totp_secret": app.key}
        return await self.floor.algo(self.gateway.port, name=name, wait=True, **login)


@asynccontextmanager
async def house(
    floor: Floor,
    *,
    tls: bool = True,
    store: str = SQLITE,
    environment: Mapping[str, str] | None = None,
    policy: str = "",
    more: str = "",
) -> AsyncIterator[House]:
    """Start everything. `tls`: pages come over https; without it they come from http://localhost, as passkeys want it here.

    When it ends nobody's browser may have complained about a page.
    """
    number, folder = free_port(), floor.folder
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(Mailbox())
        exchange = await floor.engine()
        portal = _PORTAL.format(
            number=number, scheme="https" if tls else "http", way=_way(folder, tls=tls), mail=mail.port
        )
        text = config(exchange.port, store=store, policy=f"{LATE}\n{policy}") + portal + more
        gateway = await floor.gateway(text, **(environment or {}))
        chrome = await stack.enter_async_context(browser())
        url = f"{'https' if tls else 'http'}://localhost:{number}"
        here = House(floor, gateway, mail, exchange, chrome, url, gallery(folder))
        yield here
        faults = [fault for walker in here.walkers for fault in walker.faults]
        assert faults == [], faults
        assert gateway.seen(event="failed") == []


def _way(folder: Path, *, tls: bool) -> str:
    if not tls:
        return "plain = true"
    pair = Authority(folder).issue("portal")
    return f'tls = {{certificate = "{pair.certificate}", private_key = "{pair.key}"}}'


async def enrols(walker: Walker) -> App:
    """Show oneself a key, as a link's page offers it, and put it into an app."""
    await walker.presses("Show me a key")
    return App.new(await walker.key())


async def chooses(walker: Walker, password: str = NEW) -> None:
    """Type a new password twice."""
    await walker.types("New password", password)
    await walker.types("The same again", password)


async def opens_account(walker: Walker, link: str) -> App:
    """Use a setup link up: an authenticator and a password of one's own."""
    await walker.opens(link)
    app = await enrols(walker)
    await chooses(walker)
    await walker.types("Code of the new authenticator", await app.code())
    await walker.presses("Finish")
    await walker.is_told("Sign in with it now")
    return app
