"""What the documents name is there."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_every_test_the_security_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", _text(ROOT / "docs/security.md")))
    there = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", _text(file))
    }

    assert len(named) > 30
    assert named - there == set()


def test_every_link_from_page_to_page_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", _text(page)):
            assert (page.parent / target).exists(), (page.name, target)


def test_the_picture_shows_files_that_are_there() -> None:
    drawn = re.findall(
        r"\b(?:handlers|server)/[a-z0-9_/]+(?:\.py|/)", _text(ROOT / "docs/architecture.md").split("```")[1]
    )

    assert len(drawn) > 10
    for name in drawn:
        assert (ROOT / name).exists(), name


def test_every_page_is_reached_from_the_readme() -> None:
    readme = _text(ROOT / "README.md")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in readme, page.name
