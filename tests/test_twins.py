"""The Chinese pages say what the English ones do: the same headings, examples, and names to type or to search for."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
TWINS: Final = sorted((ROOT / "docs/zh-CN").glob("*.md"))
# What has no page of its own in English.
SECTIONS: Final = {"merchant-api.md": ("api.md", "## The merchant's own server\n")}

BLOCK: Final = re.compile(r"^```.*?^```$|(?:^    [^\n]*\n)+", re.MULTILINE | re.DOTALL)


def english(twin: Path) -> str:
    """Return the page, or the part of one, that this page says in Chinese."""
    name, heading = SECTIONS.get(twin.name, (twin.name, ""))
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    if not heading:
        return page
    start = page.index(heading)
    return page[start : page.index("\n## ", start)]


def chinese(twin: Path) -> str:
    return twin.read_text(encoding="utf-8")


def headings(page: str) -> int:
    return len(re.findall(r"^#+ ", BLOCK.sub("", page), re.MULTILINE))


def examples(page: str) -> list[str]:
    return [block.strip() for block in BLOCK.findall(page)]


def names(page: str) -> set[str]:
    """Return what is set in code: settings, commands, metrics, lines of the log, fields."""
    return {" ".join(name.split()) for name in re.findall(r"`([^`]+)`", BLOCK.sub("", page))}


def rows(page: str) -> int:
    return len(re.findall(r"^\|", page, re.MULTILINE))


def test_there_are_pages_for_what_a_merchant_needs_first() -> None:
    assert {page.name for page in TWINS} >= {"going-live.md", "merchant-api.md", "operations.md"}


@pytest.mark.parametrize("twin", TWINS, ids=lambda page: page.name)
class TestATwin:
    def test_has_as_many_headings_and_rows_of_tables(self, twin: Path) -> None:
        assert (headings(chinese(twin)), rows(chinese(twin))) == (headings(english(twin)), rows(english(twin)))

    def test_has_the_same_examples(self, twin: Path) -> None:
        assert examples(chinese(twin)) == examples(english(twin))

    def test_names_the_same_settings_commands_metrics_and_events(self, twin: Path) -> None:
        assert names(chinese(twin)) ^ names(english(twin)) == set()

    def test_is_reached_from_the_chinese_readme(self, twin: Path) -> None:
        assert f"](docs/zh-CN/{twin.name})" in (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
