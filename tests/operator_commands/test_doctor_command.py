"""`run.py doctor`: in two languages, as a table and as JSON, with an exit code, and never a secret."""

import ast
import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from string import Formatter
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from operator_commands import doctor_words_en, doctor_words_zh
from operator_commands.doctor import Exit, doctor, exit_of
from server.doctor.finding import by_hand, ok, warning, wrong
from settings import Settings, load_settings
from tests.running import Daifu

ROOT: Final = Path(__file__).resolve().parent.parent.parent


async def examine(settings: Settings, *arguments: str, **environment: str) -> Result:
    """Run the command; it finds these settings."""

    @asynccontextmanager
    async def complete(_: Settings) -> AsyncIterator[Settings]:
        yield settings

    return await asyncio.to_thread(
        CliRunner().invoke, doctor, list(arguments), obj=complete, env=environment, catch_exceptions=False
    )


def mistaken(daifu: Daifu, **changes: Any) -> Settings:
    settings = daifu.services.settings
    known = {name: getattr(settings, name) for name in settings.model_fields_set}
    return load_settings(**{**known, "_env_file": None, "watch_max_per_process": 100, **changes})


async def test_a_sound_server_ends_with_0(daifu: Daifu) -> None:
    result = await examine(mistaken(daifu), LANG="en_US.UTF-8")

    assert result.exit_code == Exit.FINE, result.output
    assert "answers as WeChat expects" in result.output


async def test_a_mistake_is_told_with_what_to_do_in_the_language_of_the_terminal(daifu: Daifu) -> None:
    settings = mistaken(daifu, wechat_app_secret="f" * 31 + "0")

    english = await examine(settings, LANG="C.UTF-8")
    chinese = await examine(settings, LANG="zh_CN.UTF-8")

    assert english.exit_code == chinese.exit_code == Exit.WRONG
    assert "Reset the AppSecret" in english.output
    assert "重置 AppSecret" in chinese.output


async def test_json_has_every_finding_and_no_output_has_a_secret(daifu: Daifu) -> None:
    settings = mistaken(daifu, wechat_api_keys="aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC2eF")

    result = await examine(settings, "--json", "--language", "zh")

    found = {row["code"]: row for row in json.loads(result.output)}
    assert found["v2_key_wrong"]["level"] == "wrong"
    assert "WECHAT_API_KEYS" in found["v2_key_wrong"]["to_do"]
    assert not [secret for secret in settings.secret_values if secret in result.output]


async def test_settings_that_do_not_even_start_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WECHAT_API_KEYS", "too-short-to-be-a-key")
    monkeypatch.setenv("SESSION_SECRETS", "too-short-to-be-one")

    result = await asyncio.to_thread(CliRunner().invoke, doctor, ["--json"])

    said = [row["facts"]["says"].partition(":")[0] for row in json.loads(result.output)]
    assert result.exit_code == Exit.WRONG
    assert said == ["SESSION_SECRETS", "WECHAT_API_KEYS"]
    assert "too-short" not in result.output


def test_the_exit_code_is_that_of_the_worst_finding() -> None:
    assert exit_of([ok("a"), by_hand("b")]) is Exit.FINE
    assert exit_of([ok("a"), warning("b")]) is Exit.WARNINGS
    assert exit_of([wrong("a"), warning("b")]) is Exit.WRONG


def test_both_languages_have_words_for_the_same_findings_with_the_same_facts() -> None:
    english, chinese = doctor_words_en.WORDS, doctor_words_zh.WORDS

    assert english.keys() == chinese.keys()
    for code, words in english.items():
        assert _facts(words) == _facts(chinese[code]), code


def _facts(words: tuple[str, str]) -> set[str]:
    return {name for text in words for _, name, _, _ in Formatter().parse(text) if name}


def test_every_finding_has_words_for_exactly_the_facts_it_may_need() -> None:
    """Read from the sources: a finding nobody has words for would end the command with a traceback."""
    for code, facts in _findings():
        assert code in doctor_words_en.WORDS, code
        assert _facts(doctor_words_en.WORDS[code]) <= facts, code


def _findings() -> list[tuple[str, set[str]]]:
    """Return code and facts of each call of `ok`, `by_hand`, `warning` and `wrong`."""
    sources = (ROOT / "server" / "doctor").glob("*.py")
    nodes = (node for source in sources for node in ast.walk(ast.parse(source.read_text())))
    calls = [node for node in nodes if isinstance(node, ast.Call) and _makes_finding(node)]
    return [(ast.literal_eval(call.args[0]), {word.arg or "" for word in call.keywords}) for call in calls]


def _makes_finding(call: ast.Call) -> bool:
    is_ours = isinstance(call.func, ast.Name) and call.func.id in ("ok", "by_hand", "warning", "wrong")
    return is_ours and isinstance(call.args[0], ast.Constant)
