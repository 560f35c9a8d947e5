"""How a page looks: pictures of it, and what axe-core and a ruler find wrong with it (WCAG 2.2 AA).

It must not import the gateway.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.async_api import Page

from tests.blackbox.amqp_npm import installed
from tests.blackbox.portal_walk_browser import SIZES, Walker

COLOURS: tuple[Literal["light", "dark"], ...] = ("light", "dark")
NARROWEST = 360
"""Pixels of the narrowest screen that a page fits on without being pushed from side to side."""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_JUDGE = """async (rules) => (await axe.run(document, {runOnly: rules, resultTypes: ["violations"]})).violations.map(
  (one) => `${one.id}: ${one.help}: ${one.nodes.map((node) => node.target.join(" ")).join(", ")}`)"""


def _axe() -> str:
    return (installed() / "node_modules/axe-core/axe.min.js").read_text()


@dataclass
class Looks:
    """Looks at pages. Invariant: `wrong` is everything that was found, with the page it is on."""

    pictures: Path
    axe: str = field(default_factory=_axe)
    wrong: list[str] = field(default_factory=list)

    async def at(self, walker: Walker, name: str) -> None:
        """Keep the page as it looks on a desk and on a phone, light and dark, and judge it."""
        page = walker.page
        await page.evaluate(self.axe)
        for colour in COLOURS:
            await page.emulate_media(color_scheme=colour)
            for size, (width, height) in SIZES.items():
                await page.set_viewport_size({"width": width, "height": height})
                await page.screenshot(path=self.pictures / f"{name}-{size}-{colour}.png", full_page=True)
                rules = _RULES if (colour, size) == ("light", "wide") else ["color-contrast", "target-size"]
                self.wrong += [f"{name}, {size}, {colour}: {one}" for one in await page.evaluate(_JUDGE, rules)]
        if (width := await _width(page)) > NARROWEST:
            self.wrong.append(f"{name}: {width} pixels wide on a screen of {NARROWEST}")
        await page.emulate_media(color_scheme="light")
        await page.set_viewport_size(dict(zip(("width", "height"), SIZES["wide"], strict=True)))


async def _width(page: Page) -> int:
    await page.set_viewport_size({"width": NARROWEST, "height": 740})
    return int(await page.evaluate("document.documentElement.scrollWidth"))
