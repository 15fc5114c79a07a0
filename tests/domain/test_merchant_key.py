"""Keys of the merchant API."""

import pytest

from server.domain.merchant_key import MAX_KEY_LENGTH, Scope, key_behind, made_key, read_key

SCOPES = (Scope.ORDERS_READ, Scope.REFUNDS_WRITE)


def test_a_key_is_known_again_by_the_line_that_does_not_hold_it() -> None:
    key, kept = made_key("shop", "s3cret", SCOPES)

    line = kept.line

    assert line.startswith("shop:orders:read+refunds:write:")
    assert "s3cret" not in line
    assert read_key(line) == kept
    assert key_behind(key, [made_key("other", "x", SCOPES)[1], kept]) == kept


@pytest.mark.parametrize("presented", ["", "shop", "daifu_shop_s3creT", "daifu_shop_s3cret ", "\udcff", "x" * 10**6])
def test_anything_else_is_nobodys_key(presented: str) -> None:
    assert key_behind(presented, [made_key("shop", "s3cret", SCOPES)[1]]) is None


def test_a_key_with_a_tail_is_not_cut_to_fit() -> None:
    key, kept = made_key("shop", "s" * (MAX_KEY_LENGTH - len("daifu_shop_")), SCOPES)

    assert key_behind(key, [kept]) == kept
    assert key_behind(key + "x", [kept]) is None


@pytest.mark.parametrize(
    "line",
    ["", "shop", f"shop:orders:read:{'a' * 63}", f"shop:orders:delete:{'a' * 64}", f"S:orders:read:{'a' * 64}"],
)
def test_a_line_that_is_none_is_refused_without_being_quoted(line: str) -> None:
    with pytest.raises(ValueError, match="key") as refused:
        read_key(line)
    assert not line or line not in str(refused.value)
