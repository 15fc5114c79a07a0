"""Which language an answer speaks, and that every sentence exists in both."""

import pytest

from handlers.texts import REASONS, TEXTS, Language, preferred_language


@pytest.mark.parametrize(
    ("accept_language", "cookie", "language"),
    [
        ("", None, "zh-CN"),
        ("en-GB,en;q=0.9", None, "en"),
        ("de,en;q=0.5,zh;q=0.8", None, "zh-CN"),
        ("en;q=0,fr", None, "zh-CN"),
        ("zh-TW", "en", "en"),
        ("en", "zh-CN", "zh-CN"),
        ("en;q=nonsense,zh;q=0.1", None, "zh-CN"),
        (",".join(["fr"] * 1000 + ["en"]), None, "zh-CN"),
    ],
)
def test_the_language_asked_for_most_is_spoken(accept_language: str, cookie: str | None, language: Language) -> None:
    assert preferred_language(accept_language, cookie) == language


def test_every_sentence_is_there_in_both_languages() -> None:
    assert all(set(words) == {"zh-CN", "en"} for table in (TEXTS, REASONS) for words in table.values())
