"""How a page looks: pictures of it, and what axe-core and a ruler find wrong with it (WCAG 2.2 AA).

It must not import the gateway.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.async_api import Page

from tests.blackbox.amqp_npm import installed
from tests.blackbox.portal_walk_browser import SIZES, Walker

NARROWEST = 360
"""Pixels of the narrowest screen that a page fits on without being pushed from side to side."""
_RULES: dict[tuple[str, Literal["light", "dark"]], list[str]] = {
    ("wide", "light"): ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    ("wide", "dark"): ["color-contrast"],
    ("phone", "light"): ["target-size"],
    ("phone", "dark"): [],
}
"""How each page is looked at, and what is judged there; what does not change is judged once."""
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
        for (size, colour), rules in _RULES.items():
            width, height = SIZES[size]
            await page.set_viewport_size({"width": width, "height": height})
            await page.emulate_media(color_scheme=colour)
            picture = self.pictures / f"{name}-{size}-{colour}.jpg"
            await page.screenshot(path=picture, full_page=True, type="jpeg", quality=85)
            found = await page.evaluate(_JUDGE, rules) if rules else []
            self.wrong += [f"{name}, {size}, {colour}: {one}" for one in found]
        if (width := await _width(page)) > NARROWEST:
            self.wrong.append(f"{name}: {width} pixels wide on a screen of {NARROWEST}")
        await page.emulate_media(color_scheme="light")
        await page.set_viewport_size(dict(zip(("width", "height"), SIZES["wide"], strict=True)))


async def _width(page: Page) -> int:
    await page.set_viewport_size({"width": NARROWEST, "height": 740})
    return int(await page.evaluate("document.documentElement.scrollWidth"))
