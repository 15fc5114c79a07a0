"""A relay with every part real but the time: a store, the simulated WeChat, and one clock that is moved for both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from ulid import ULID

from sandbox.app import Sandbox
from server.bus.hub import Hub
from server.bus.local import LocalBus
from server.bus.ringing import RingingBus
from server.cache.local import LocalCache
from server.domain.document import Order
from server.domain.effects import Effect, due_effects
from server.domain.events import Event, PayApi, PaymentStarted, Person, RefundState, TradeType
from server.domain.money import Fen
from server.domain.rewards import RewardRule
from server.ports import Deliveries, PayGateway, Store
from server.usecases.change_order import change_order
from server.usecases.effect_means import Means
from server.usecases.outbox import Outbox
from server.usecases.place_order import OrderDraft, place_order
from server.usecases.relay import Relay
from server.usecases.start_payment import start_payment
from server.wechat.client import WeChatPayClient
from server.wechat.v2_sign import Merchant, SignType
from server.wechat.v3_client import WeChatPayV3Client
from server.wechat.v3_keys import KeyRing
from server.wechat.v3_sign import V3Merchant
from tests.builders import LEASE_MS
from tests.contracts.store_fillings import OpenStore, open_sqlite
from tests.running import ShiftedClock

PATIENCE_S: Final = 15
NOBODY: Final = "http://127.0.0.1:9/wechat/notify"  # no notify is ever delivered
INITIATOR: Final = "小红"
RULE: Final = RewardRule(initiator_points=10, payer_points=5)


class RelayRig:
    """One store, one WeChat, one clock, and as many relays as a test wants."""

    def __init__(
        self,
        store: Store,
        deliveries: Deliveries,
        gateway: PayGateway,
        control: httpx.AsyncClient,
        *,
        api: PayApi = PayApi.V2,
    ) -> None:
        self.api = api
        self.clock = ShiftedClock()
        self.store = store
        self.gateway = gateway
        self.control = control
        self.bell = asyncio.Event()
        self.cache = LocalCache(lambda: self.clock.now_ms() / 1000)
        hub = Hub(clock=self.clock, monotonic_s=lambda: 0.0)
        self.bus = RingingBus(LocalBus(hub), self.bell, self.clock)
        self.outbox = Outbox(deliveries, {}, clock=self.clock)

    def means(self, gateway: PayGateway | None = None) -> Means:
        return Means(
            store=self.store,
            bus=self.bus,
            cache=self.cache,
            gateway=gateway or self.gateway,
            clock=self.clock,
            rule=RULE,
            outbox=self.outbox,
            origin="https://pay.example.com",
            jitter=lambda: 0.0,
        )

    @asynccontextmanager
    async def relay(self, gateway: PayGateway | None = None) -> AsyncIterator[Relay]:
        """A relay that runs until the end of the block, and is then as good as a process that ended."""
        relay = Relay(self.means(gateway), self.bell)
        relay.start()
        try:
            yield relay
        finally:
            await relay.aclose()

    @property
    def hands(self) -> dict[str, Any]:
        """What a person's decision about a refund is carried out with."""
        return {"store": self.store, "bus": self.bus, "gateway": self.gateway, "clock": self.clock}

    # What people do

    async def person(self, name: str) -> Person:
        users = (await self.control.get("/_sim/users")).json()
        return Person(next(user["openid"] for user in users if user["nickname"] == name), name)

    async def place(self, *shares: int, ttl_s: int = 1800, initiator: str = INITIATOR) -> str:
        order = await place_order(
            OrderDraft(title="奶茶", note="", shares=tuple(map(Fen, shares or (100,))), ttl_s=ttl_s, earns=True),
            await self.person(initiator),
            idempotency=None,
            store=self.store,
            clock=self.clock,
            new_order_id=lambda: str(ULID()),
        )
        return order.order_id

    async def press(self, order_id: str, payer: str = "小明") -> str:
        """Press pay; return the attempt's number."""
        started = await start_payment(
            order_id,
            PaymentStarted(
                payer=await self.person(payer),
                trade_type=TradeType.JSAPI,
                client_ip="127.0.0.1",
                lease_ms=LEASE_MS,
                api=self.api,
            ),
            store=self.store,
            bus=self.bus,
            cache=self.cache,
            gateway=self.gateway,
            clock=self.clock,
        )
        return started.payment.out_trade_no

    async def pay(self, out_trade_no: str) -> None:
        """Pay with the password sheet open already: an order's end does not stop this friend."""
        asked = {"out_trade_no": out_trade_no, "outcome": "ok", "in_sheet": True}
        answer = await self.control.post("/_sim/pay", json=asked)
        assert answer.status_code == 200, answer.text

    async def paid_order(self, *shares: int, payers: tuple[str, ...] = ("小明",)) -> str:
        """Return an order these friends have paid, as the relay's own queries found out; the relay has to run."""
        order_id = await self.place(*shares)
        for payer in payers:
            await self.pay(await self.press(order_id, payer))
        await self.advance(6)
        await self.until(order_id, lambda order: len(order.held_shares) == len(payers))
        return order_id

    # WeChat

    async def fault(self, target: str, kind: str, **parameters: Any) -> None:
        answer = await self.control.post("/_sim/faults", json={"target": target, "kind": kind, **parameters})
        assert answer.status_code == 200, answer.text

    async def heal(self) -> None:
        await self.control.delete("/_sim/faults")

    async def calls(self, api: str) -> list[dict[str, Any]]:
        """Return what WeChat was asked, in order."""
        calls = (await self.control.get("/_sim/calls")).json()["calls"]
        return [call for call in calls if call["api"] == api]

    async def ledger(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = (await self.control.get("/_sim/ledger")).json()
        return found

    # Time

    async def advance(self, seconds: float) -> None:
        """Move both clocks on and let the relay look."""
        answer = await self.control.post("/_sim/clock", json={"advance_s": seconds})
        assert answer.status_code == 200, answer.text
        self.clock.ahead_ms += int(seconds * 1000)
        self.bell.set()

    async def until(self, order_id: str, is_so: Callable[[Order], bool]) -> Order:
        """Return the order once this is so, whatever the relay takes for it."""
        order = await self.store.get(order_id)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not is_so(order):
                    await asyncio.sleep(0.005)  # nothing tells of a postponed effect but asking
                    order = await self.store.get(order_id)
        except TimeoutError:
            raise AssertionError(f"{order.state} {order.effects}") from None
        return order

    async def at_rest(self, order_id: str) -> Order:
        """Return the order once nothing of it is due."""
        return await self.until(order_id, lambda order: not due_effects(order.effects, self.clock.now_ms()))

    async def climb(self, order_id: str, is_so: Callable[[Order], bool], *, within_s: float) -> Order:
        """Move time on to each next effect until this is so, but not beyond so many seconds."""
        end_ms = self.clock.now_ms() + within_s * 1000
        order = await self.at_rest(order_id)
        while not is_so(order):
            assert order.due_at_ms is not None, order.state
            assert order.due_at_ms <= end_ms, f"{order.state} {order.effects}"
            await self.advance(max(0, order.due_at_ms - self.clock.now_ms()) / 1000 + 0.001)
            order = await self.at_rest(order_id)
        return order

    async def happen(self, order_id: str, event: Event) -> Order:
        return await change_order(order_id, event, store=self.store, bus=self.bus, clock=self.clock)


def refund_states(order: Order) -> list[RefundState]:
    return [refund.state for payment in order.payments for refund in payment.refunds]


def effect_of(order: Order, kind: str) -> Effect:
    (found,) = [effect for effect in order.effects if effect.kind == kind]
    return found


@asynccontextmanager
async def a_rig(
    wechat: Sandbox,
    control: httpx.AsyncClient,
    directory: Path,
    *,
    open_store: OpenStore = open_sqlite,
    api: PayApi = PayApi.V2,
) -> AsyncIterator[RelayRig]:
    credentials = (await control.get("/_sim/merchant")).json()
    store = await open_store(directory)
    gateway = (_v2_client if api is PayApi.V2 else _v3_client)(credentials, wechat.url)
    try:
        yield RelayRig(store, store.deliveries(), gateway, control, api=api)
    finally:
        await gateway.aclose()
        await store.aclose()


def _v2_client(credentials: dict[str, Any], url: str) -> PayGateway:
    merchant = Merchant(
        appid=credentials["appid"],
        mch_id=credentials["mch_id"],
        api_keys=(credentials["api_key"],),
        sign_type=SignType.HMAC_SHA256,
        notify_url=NOBODY + "/pay",
        refund_notify_url=NOBODY + "/refund",
    )
    return WeChatPayClient(merchant, [url], total_s=5)


def _v3_client(credentials: dict[str, Any], url: str) -> PayGateway:
    """Its clock stands apart from the rig's: WeChat signs with the real time."""
    private_key = load_pem_private_key(credentials["private_key_pem"].encode(), password=None)
    public_key = load_pem_public_key(credentials["platform"]["public_key_pem"].encode())
    assert isinstance(private_key, RSAPrivateKey)
    assert isinstance(public_key, RSAPublicKey)
    merchant = V3Merchant(
        appid=credentials["appid"],
        mch_id=credentials["mch_id"],
        serial_no=credentials["serial_no"],
        private_key=private_key,
        api_v3_keys=(credentials["api_v3_key"],),
        notify_url=NOBODY + "/v3",
    )
    ring = KeyRing({credentials["platform"]["public_key_id"]: public_key})
    return WeChatPayV3Client(merchant, [url], ring=ring, clock=ShiftedClock(), total_s=5)
