"""The merchant's own server: it has keys of daifu's merchant API and nothing else."""

from collections.abc import Sequence
from typing import Any, Final

import httpx

from server.domain.merchant_key import Scope, made_key
from tests.people import a_client

ALL_SCOPES: Final = tuple(Scope)


def a_key(key_id: str, scopes: Sequence[Scope] = ALL_SCOPES) -> tuple[str, str]:
    """Return a key and the line of the settings that lets it in."""
    key, kept = made_key(key_id, "s3cret" * 8, scopes)
    return key, kept.line


class MerchantServer:
    """Calls the merchant API with one key."""

    def __init__(self, url: str, key: str) -> None:
        self.http: httpx.AsyncClient = a_client(
            url, headers={"Authorization": f"Bearer {key}", "Accept-Language": "en"}
        )

    async def create(self, order_no: str = "A-1", *, key: str = "", **fields: Any) -> httpx.Response:
        asked = {"merchant_order_no": order_no, "title": "奶茶", "amount": 1800, **fields}
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post("/merchant/v1/orders", json=asked, headers=headers)

    async def placed(self, order_no: str = "A-1", **fields: Any) -> dict[str, Any]:
        answer = await self.create(order_no, **fields)
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()["order"]
        return order

    async def read(self, order_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/merchant/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()["order"]
        return order

    async def refund(self, order_id: str, *, key: str = "", **body: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        return await self.http.post(f"/merchant/v1/orders/{order_id}/refund", json=body, headers=headers)
