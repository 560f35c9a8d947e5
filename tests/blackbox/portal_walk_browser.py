"""Debian's Chromium, and a person in front of it who finds things as people do: by their labels and what stands on buttons.

It must not import the gateway, and must not put scripts of its own into a page: what the pages allow is part of what is tested.
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.blackbox.packages import provide

PATIENCE = 60_000.0  # milliseconds; a bound for a slow machine, never a measure
SIZES = {"wide": (1366, 768), "phone": (390, 844)}
_STEP = 30
_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


def chromium() -> str:
    """Return the browser's path. Without one the test fails: nothing else shows that the pages work."""
    try:
        return provide("chromium", "chromium")
    except pytest.skip.Exception as missing:
        pytest.fail(f"the portal is walked through with a browser: {missing}", pytrace=False)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """Start one; it ends with all of its windows."""
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as driver:
        started = await driver.chromium.launch(executable_path=chromium(), args=_FLAGS, timeout=PATIENCE)
        try:
            yield started
        finally:
            await started.close()


@dataclass
class Walker:
    """One person with a browser of its own. Invariant: `faults` is everything the browser complained about."""

    page: Page
    url: str
    pictures: Path
    faults: list[str] = field(default_factory=list)

    @classmethod
    async def at(cls, browser: Browser, url: str, pictures: Path, *, script: bool = True) -> "Walker":
        """Open a window that nobody used before; `script=False`: JavaScript is switched off in it."""
        width, height = SIZES["wide"]
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            ignore_https_errors=True,  # the authority is the test's own
            java_script_enabled=script,
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE)
        walker = cls(await context.new_page(), url, pictures)
        walker.page.on("console", lambda said: walker.faults.append(said.text) if _complains(said.text) else None)
        walker.page.on("pageerror", lambda error: walker.faults.append(str(error)))
        return walker

    # ── what a person does ──

    async def opens(self, path: str) -> None:
        """Type an address, or follow a link out of a mail."""
        await self.page.goto(path if "://" in path else f"{self.url}{path}")

    async def types(self, label: str, text: str) -> None:
        """Fill in the field that is called so."""
        await self.field(label).fill(text)

    async def ticks(self, label: str) -> None:
        """Choose the box or the round button that is called so."""
        await self.page.get_by_label(label).check()

    async def presses(self, name: str) -> None:
        """Press the button that is called so."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def follows(self, name: str) -> None:
        """Follow the link that is called so."""
        await self.page.get_by_role("link", name=name, exact=True).click()

    async def unfolds(self, words: str) -> None:
        """Open what is folded away under these words."""
        await self.page.locator("summary", has_text=words).click()

    # ── what a person sees ──

    def field(self, label: str) -> Locator:
        return self.page.get_by_label(re.compile(rf"^\s*{re.escape(label)}(\s+optional)?\s*$"))

    async def is_at(self, title: str) -> None:
        """Wait for a page with this heading."""
        await expect(self.page.get_by_role("heading", level=1)).to_have_text(title)

    async def is_told(self, words: str) -> None:
        """Wait for the line that says what was done."""
        await expect(self.page.get_by_role("status").filter(has_text=words)).to_be_visible()

    async def is_refused(self, words: str) -> None:
        """Wait for the line that says why it was not done."""
        await expect(self.page.get_by_role("alert").filter(has_text=words)).to_be_visible()

    async def sees(self, words: str) -> None:
        """Wait for a text anywhere on the page."""
        await expect(self.page.get_by_role("main").get_by_text(words).first).to_be_visible()

    async def key(self) -> str:
        """Read the authenticator's key off the page, as it would be typed into an app."""
        return (await self.page.locator("#key").inner_text()).replace(" ", "")

    async def passkeys(self) -> Any:
        """Plug in an authenticator that says yes to everything (WebAuthn, CDP), and return the line to it."""
        line = await self.page.context.new_cdp_session(self.page)
        await line.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
        always = {"isUserVerified": True, "automaticPresenceSimulation": True}
        await line.send("WebAuthn.addVirtualAuthenticator", {"options": options | always})
        return line


@dataclass
class App:
    """An authenticator app with one key in it. Invariant: the portal is told no code twice, since each is good once there.

    A code of a step before is told first, as late as the house lets people be (two steps; one where a key is new): the walks
    are over sooner. Half a step of that is left for a slow machine.
    """

    key: str
    told: int = 0

    @classmethod
    def new(cls, key: str) -> "App":
        return cls(key, _half_a_step_ago() - 1)

    async def code(self) -> str:
        """Return a code that was not told yet, when there is one."""
        step = max(self.told + 1, _half_a_step_ago() - 1)
        await asyncio.sleep(max(0.0, step * _STEP - time.time()))
        self.told = step
        return pyotp.TOTP(self.key).generate_otp(step)


def _half_a_step_ago() -> int:
    return int((time.time() - _STEP / 2) // _STEP)


def gallery(folder: Path) -> Path:
    """Where pictures are kept: in the folder that GATEWAY_TEST_PICTURES names, else with the test's own files."""
    named = os.environ.get("GATEWAY_TEST_PICTURES")
    kept = Path(named) if named else folder / "pictures"
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def _complains(text: str) -> bool:
    """A refused form's status is shown on the console, too; that is no fault of the page."""
    return "the server responded with a status of 4" not in text
