"""
What a screen must be, whatever it shows: no wider than the phone, and without a serious barrier by axe-core's rules.

`tests/vendor/axe-core` is axe-core as its makers publish it, under the Mozilla Public License 2.0; nothing but these
tests loads it.
"""

import os
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page

from tests.e2e.phones import Look, Tab

LOOKS: Final = (
    Look("zh-CN", 375),
    Look("zh-CN", 1280, dark=True),
    Look("en", 375, dark=True),
    Look("en", 1280),
)
ALL_LOOKS: Final = tuple(
    Look(locale, width, dark=dark) for locale in ("zh-CN", "en") for width in (375, 1280) for dark in (False, True)
)
# Contrast differs between light and dark, names between the languages: these two see all of it once.
AXE_LOOKS: Final = (LOOKS[0], LOOKS[2])

_AXE: Final = Path(__file__).parent.parent / "vendor" / "axe-core" / "axe.min.js"
# What fades in is judged as it will be, and what breathes as it is at rest.
_RUN_AXE: Final = """() => {
  for (const animation of document.getAnimations()) {
    if (animation.effect.getComputedTiming().endTime === Infinity) animation.cancel();
    else animation.finish();
  }
  return axe.run(document, {resultTypes: ["violations"], iframes: false});
}"""


def looks(usual: tuple[Look, ...] = LOOKS) -> tuple[Look, ...]:
    """Return these looks; where pictures are wanted (DAIFU_SCREENSHOTS names a folder), all there are."""
    return ALL_LOOKS if os.environ.get("DAIFU_SCREENSHOTS") else usual


async def looks_right(tab: Tab, name: str) -> None:
    """Take a picture if one is wanted; nothing may reach beyond the screen's sides or shut anybody out."""
    await tab.page.bring_to_front()
    await tab.picture(name)
    too_wide = await tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert too_wide == 0, name
    if replace(tab.look, is_phone=False, is_wechat=False, has_touch=False) in AXE_LOOKS:
        found = await barriers(tab.page)
        assert not found, f"{name}: " + "\n".join(found)


async def barriers(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical on this page, with the elements."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(_axe())
    found: dict[str, Any] = await page.evaluate(_RUN_AXE)
    return [
        f"{violation['id']}: {node['html']}\n{node['failureSummary']}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


@cache
def _axe() -> str:
    return _AXE.read_text()
