"""What the README says is so."""

import re
from pathlib import Path

from settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")


def test_every_setting_is_in_the_readme_with_its_words() -> None:
    for name, field in Settings.model_fields.items():
        assert re.search(
            rf"^\| `{name.upper()}` \| .* \| {re.escape(field.description or '')} \|$", README, re.MULTILINE
        ), name


def test_the_readme_names_no_setting_that_is_not_there() -> None:
    named = set(re.findall(r"^\| `([A-Z_0-9]+)` \|", README, re.MULTILINE))

    assert named == {name.upper() for name in Settings.model_fields}


def test_every_file_and_target_the_readme_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert set(re.findall(r"\bmake ([a-z-]+)", README)) <= targets | {"help"}
    for path in re.findall(r"\]\(([A-Za-z./-]+)\)", README):
        assert (ROOT / path).exists(), path


def test_every_dependency_is_explained() -> None:
    declared = re.findall(
        r'^    "([a-z0-9-]+)[\[>=]', (ROOT / "pyproject.toml").read_text().split("[dependency-groups]")[0], re.MULTILINE
    )

    assert declared
    assert [name for name in declared if not re.search(rf"\b{name}\b", README)] == []


class TestTheChineseTwin:
    def test_has_the_same_commands(self) -> None:
        assert re.findall(r"```sh\n.*?```", CHINESE, re.DOTALL) == re.findall(r"```sh\n.*?```", README, re.DOTALL)

    def test_has_the_same_settings_with_the_same_defaults(self) -> None:
        rows = r"^\| `([A-Z_0-9]+)` \| (.*?) \|"

        assert re.findall(rows, CHINESE, re.MULTILINE) == re.findall(rows, README, re.MULTILINE)

    def test_leads_to_the_same_pages(self) -> None:
        links = r"\]\((docs/[a-z-]+\.md)\)"

        assert set(re.findall(links, CHINESE)) == set(re.findall(links, README))
