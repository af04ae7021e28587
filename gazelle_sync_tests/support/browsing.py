"""Somebody with a browser window, on a phone or a screen, in a language, in the light or the dark; judged by axe."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gazelle_sync.desk.desk import Desk
from gazelle_sync.settings import PROJECT_ROOT

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
AXE = PROJECT_ROOT / ".servers/node_modules/axe-core/axe.min.js"
PHONE = {"width": 390, "height": 844}
SCREEN = {"width": 1280, "height": 800}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True)
class Way:
    """How somebody looks at the desk."""

    window: str
    language: str
    scheme: str

    @property
    def viewport(self) -> dict[str, int]:
        """Its width and height, in pixels."""
        return PHONE if self.window == "phone" else SCREEN

    def __str__(self) -> str:
        return f"{self.window}-{self.language}-{self.scheme}"


WAYS = (
    Way("phone", "fr", "light"), Way("phone", "en", "dark"), Way("screen", "fr", "dark"), Way("screen", "en", "light"),
)  # fmt: skip
"""Each window with each language and each scheme, and each language with each scheme."""


class Visitor:
    """Somebody with a browser window.

    Attributes:
        page: Playwright's.
        way: How they look at it.
        problems: What the browser complained about: scripts, styles and files that the policy refuses are there.
    """

    def __init__(self, page: Any, way: Way = WAYS[0]) -> None:
        self.page = page
        self.way = way
        self.problems: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.problems.append(str(error)))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def field(self, name: str) -> Any:
        """A field of a piano's page."""
        return self.page.locator(f"#value-{name}")

    def save(self, name: str) -> Any:
        """Its button."""
        return self.page.locator(f"#field-{name} button")

    def send(self, form: str = "main form[method=post]", *, button: str = "button", **fields: str) -> None:
        """Fill in a form and press one of its buttons."""
        found = self.page.locator(form).last
        for name, value in fields.items():
            field = found.locator(f"[name={name}]:not([type=hidden])")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        found.locator(button).first.click()

    def faults(self) -> dict[str, Any]:
        """What is wrong with the page that is shown: too wide, against a rule of axe, complained about."""
        found: dict[str, Any] = {}
        if self.problems:
            found["complaints"] = list(self.problems)
            self.problems.clear()
        wide = self.page.evaluate("document.scrollingElement.scrollWidth - window.innerWidth")
        if wide > 0:
            found["too wide"] = wide
        # Playwright evaluates outside of the page's policy.
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        result = self.page.evaluate("rules => axe.run(document, {runOnly: {type: 'tag', values: rules}})", RULES)
        for violation in result["violations"]:
            nodes = [node["html"][:200] for node in violation["nodes"][:3]]
            found[violation["id"]] = [violation["help"], *nodes]
        return found

    def assert_fine(self, *, refused: bool = False) -> None:
        """The page fits, breaks no rule, and the browser had nothing to say.

        Args:
            refused: The answer had a status that browsers write to their console.
        """
        found = self.faults()
        if refused:
            found["complaints"] = [one for one in found.pop("complaints", ()) if "status of 4" not in one]
        assert not any(found.values()), f"{self.page.url}\n{json.dumps(found, indent=1, ensure_ascii=False)}"


@contextmanager
def visitor_at(browser: Any, desk: Desk, way: Way = Way("screen", "fr", "light"), **options: Any) -> Iterator[Visitor]:
    """A window of its own, with its own cookies."""
    context = browser.new_context(
        base_url=desk.public_url, viewport=way.viewport, color_scheme=way.scheme, locale=f"{way.language}-CA", **options
    )
    context.set_default_timeout(20_000)
    context.add_cookies([{"name": "gazelle_desk_language", "value": way.language, "url": desk.public_url}])
    try:
        yield Visitor(context.new_page(), way)
    finally:
        context.close()
