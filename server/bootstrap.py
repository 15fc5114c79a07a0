"""Everything wired in one place: which filling stands behind which port."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import anyio
import anyio.lowlevel

from server.bus.hub import Hub
from server.bus.local import LocalBus
from server.bus.noting import NotingBus
from server.bus.presence import CachedPresence
from server.bus.redis import RedisBus
from server.bus.ringing import RingingBus
from server.bus.visits import Visits
from server.cache.local import LocalCache
from server.cache.redis import PATIENT_S, RedisCache
from server.domain.events import PayApi
from server.domain.rewards import RewardRule
from server.metrics import Metrics
from server.official_ports import MessageKind, MiniProgramGateway
from server.ports import (
    Bus,
    Cache,
    Clock,
    Deliveries,
    Journal,
    LoginGateway,
    PayGateway,
    Reconciliations,
    StatsStore,
    StatsTurn,
    Store,
)
from server.stores.mongo import MongoStore
from server.stores.mongo_stats import MongoStats
from server.stores.sole_turn import SoleTurn
from server.stores.sqlite import SqliteStore
from server.stores.sqlite_deliveries import SqliteDeliveries
from server.stores.sqlite_stats import SqliteStats
from server.usecases.effect_means import Means
from server.usecases.forget_old import forget_old
from server.usecases.keep_stats import StatsKeeper
from server.usecases.leave_trace import Traces
from server.usecases.official_account import OfficialAccount
from server.usecases.outbox import Outbox
from server.usecases.reconcile_daily import DailyReconciliation
from server.usecases.record_notifies import NotifyRecorder
from server.usecases.relay import Relay
from server.usecases.teller import Teller, Way
from server.usecases.watch_certificates import CertificateWatch
from server.webhooks.client import WebhookClient, endpoint_name
from server.webhooks.signature import read_secret
from server.wechat import key_files
from server.wechat.client import WeChatPayClient
from server.wechat.line import Certificate
from server.wechat.official_client import MiniProgramClient, OfficialClient, WeChatLoginClient
from server.wechat.router import PayRouter
from server.wechat.v2_sign import Merchant, SignType
from server.wechat.v3_client import WeChatPayV3Client
from server.wechat.v3_keys import KeyRing
from server.wechat.v3_sign import V3Merchant
from settings import Settings

NOTIFY_PATH = "/wechat/notify/pay"
REFUND_NOTIFY_PATH = "/wechat/notify/refund"
V3_NOTIFY_PATH = "/wechat/notify/v3"
SQLITE_FILE = "daifu.db"  # in DATA_DIR


class SystemClock:
    """Fills ports.Clock with the machine's wall clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Services:
    """What the handlers and the use cases work with."""

    settings: Settings
    merchant: Merchant
    store: Store
    journal: Journal
    reconciliations: Reconciliations
    stats: StatsStore
    turn: StatsTurn
    deliveries: Deliveries
    cache: Cache
    hub: Hub
    visits: Visits
    bus: Bus
    gateway: PayGateway
    v3: WeChatPayV3Client | None  # reads what WeChat says by API v3, where its keys are configured
    certificates: CertificateWatch  # whoever serves starts and ends it
    login: LoginGateway
    official: OfficialAccount
    miniprogram: MiniProgramGateway | None
    miniprogram_account: OfficialAccount | None  # sends its messages, where there is a template for them
    presence: CachedPresence
    clock: Clock
    bell: asyncio.Event  # rings when an order has something to do
    metrics: Metrics
    changed_days: set[str]  # whose statistics are to be added up again

    @cached_property
    def means(self) -> Means:
        """What effects and reconciliations are run with."""
        rule = RewardRule(
            initiator_points=self.settings.reward_initiator_points, payer_points=self.settings.reward_payer_points
        )
        accounts = {MessageKind.MINIPROGRAM: self.miniprogram_account}
        ways = [Way(accounts.get(each.kind) or self.official, each) for each in self.settings.message_templates]
        return Means(
            store=self.store,
            bus=self.bus,
            cache=self.cache,
            gateway=self.gateway,
            clock=self.clock,
            rule=rule,
            outbox=self.outbox,
            origin=self.settings.origin,
            teller=Teller(ways, self.presence, self.settings.origin) if ways else None,
            metrics=self.metrics,
        )

    @cached_property
    def relay(self) -> Relay:
        """Runs the orders' effects with these services; whoever serves starts and ends it."""
        return Relay(self.means, self.bell)

    @cached_property
    def daily_reconciliation(self) -> DailyReconciliation | None:
        """Compares each day with WeChat's bill, if that is switched on; whoever serves starts and ends it."""
        if (at_ms := self.settings.reconcile_daily_at_ms) is None:
            return None
        return DailyReconciliation(self.means, self.reconciliations, at_ms=at_ms)

    @cached_property
    def recorder(self) -> NotifyRecorder:
        """Keeps what WeChat posts; whoever serves starts and ends it."""
        recorder = NotifyRecorder(self.journal)
        lost = "Notifies that were answered and are not in the journal, because the store was out."
        self.metrics.watch("daifu_notifies_not_kept", lost, lambda: recorder.dropped)
        return recorder

    async def forget_old(self) -> None:
        """Forget what has been kept for long enough; whoever serves does it now and then."""
        await forget_old(
            self.store,
            self.journal,
            self.deliveries,
            self.clock,
            keep_notifies_ms=self.settings.notify_keep_days * 86_400_000,
            keep_webhooks_ms=self.settings.webhook_keep_days * 86_400_000,
        )

    @cached_property
    def outbox(self) -> Outbox:
        """Tells the merchant's endpoints; whoever serves starts and ends it."""
        settings = self.settings
        keys = [read_secret(secret.get_secret_value()) for secret in settings.webhook_secrets]
        senders = {
            endpoint_name(url): WebhookClient(
                url, keys, allow_private=settings.webhook_allow_private, ca_file=settings.webhook_ca_file
            )
            for url in settings.webhook_url
        }
        return Outbox(self.deliveries, senders, clock=self.clock)

    @cached_property
    def stats_keeper(self) -> StatsKeeper:
        """Keeps the days' statistics near the truth; whoever serves starts and ends it."""
        return StatsKeeper(
            store=self.store,
            stats=self.stats,
            turn=self.turn,
            clock=self.clock,
            changed_days=self.changed_days,
        )

    @cached_property
    def traces(self) -> Traces:
        """Writes down who took or opened a link."""
        return Traces(stats=self.stats, bus=self.bus, clock=self.clock, changed_days=self.changed_days)

    async def aclose(self) -> None:
        """Let go of everything, in the reverse order of its making."""
        await self.traces.aclose()
        for optional in (self.miniprogram, self.miniprogram_account):
            if optional is not None:
                await optional.aclose()
        ends = (self.presence, self.official, self.login, self.gateway, self.bus, self.visits, self.cache, self.store)
        for service in ends:
            await service.aclose()


async def build(settings: Settings) -> Services:
    """
    Make every service for these settings, which name a merchant (the simulator's one, where it is simulated).

    Raises:
        ConfigError: A file or setting is not usable.
    """
    await anyio.lowlevel.checkpoint()  # loads what httpx waits with; the first friend to pay should not
    clock = SystemClock()
    merchant = merchant_of(settings)
    metrics = Metrics()
    # Before the stores: they refuse files they cannot use, and then nothing is open yet.
    own = key_files.ending_of(Path(settings.wechat_mch_cert_file)) if settings.wechat_mch_cert_file else None
    v3 = v3_client_of(settings, clock, metrics) if settings.speaks_v3 else None
    clients: dict[PayApi, PayGateway] = {} if v3 is None else {PayApi.V3: v3}
    if merchant.api_keys:
        clients[PayApi.V2] = WeChatPayClient(
            merchant,
            settings.wechat_base_urls,
            certificate=_certificate(settings),
            total_s=settings.wechat_timeout_s,
            metrics=metrics,
        )
    store = await open_store(settings)
    hub = Hub(clock=clock, monotonic_s=time.monotonic, later=asyncio.get_running_loop().call_soon, metrics=metrics)
    metrics.watch("daifu_watchers", "Pages that watch now.", lambda: len(hub))
    stats = stats_of(store)
    visits = Visits(stats=stats, hub=hub)
    redis_url = settings.redis_url.get_secret_value()
    bus = await RedisBus.open(redis_url, hub=hub, store=store, metrics=metrics) if redis_url else LocalBus(hub)
    metrics.watch("daifu_bus_deaf", "1 while news of other processes does not come through.", lambda: bus.is_deaf)
    if v3 is not None:
        await v3.keys.begin()  # a notify that comes at once must find the key it was signed with
    bell = asyncio.Event()
    cache = await RedisCache.open(redis_url) if redis_url else LocalCache(time.monotonic)
    certificates = CertificateWatch(lambda: (own, v3.keys.ending if v3 else None), cache=cache, clock=clock)
    left = "Days that a certificate in use is still good for, by whose it is: merchant or platform (WeChat Pay)."
    metrics.watch_each("daifu_certificate_days_left", left, "whose", certificates.days_left)
    changed_days: set[str] = set()
    return Services(
        settings=settings,
        merchant=merchant,
        store=store,
        journal=store.journal(),
        reconciliations=store.reconciliations(),
        stats=stats,
        turn=turn_of(store),
        deliveries=store.deliveries(),
        cache=cache,
        hub=hub,
        visits=visits,
        bus=NotingBus(RingingBus(bus, bell, clock), changed_days),
        gateway=PayRouter(clients, offered=settings.trade_types),
        v3=v3,
        certificates=certificates,
        login=WeChatLoginClient(
            appid=settings.wechat_appid,
            app_secret=settings.wechat_app_secret.get_secret_value(),
            api_base_url=settings.official_url,
            authorize_base_url=settings.authorize_url,
            total_s=settings.wechat_timeout_s,
        ),
        official=OfficialAccount(
            settings.wechat_appid, official_client_of(settings), cache=await _credentials(settings), clock=clock
        ),
        miniprogram=miniprogram_client_of(settings),
        miniprogram_account=await _miniprogram_account(settings, clock),
        presence=CachedPresence(cache),
        clock=clock,
        bell=bell,
        metrics=metrics,
        changed_days=changed_days,
    )


def merchant_of(settings: Settings) -> Merchant:
    """Return who we are to API v2."""
    return Merchant(
        appid=settings.wechat_appid,
        mch_id=settings.wechat_mchid,
        miniprogram_appid=settings.wechat_miniprogram_appid,
        open_appid=settings.wechat_open_appid,
        api_keys=tuple(key.get_secret_value() for key in settings.wechat_api_keys),
        sign_type=SignType(settings.wechat_sign_type),
        notify_url=settings.origin + NOTIFY_PATH,
        refund_notify_url=settings.origin + REFUND_NOTIFY_PATH,
    )


def official_client_of(settings: Settings) -> OfficialClient:
    """Return the client of the official account."""
    secret = settings.wechat_app_secret.get_secret_value()
    return OfficialClient(settings.wechat_appid, secret, settings.official_url, total_s=settings.wechat_timeout_s)


async def _miniprogram_account(settings: Settings, clock: Clock) -> OfficialAccount | None:
    if not settings.wechat_miniprogram_template_id:
        return None
    appid, secret = settings.wechat_miniprogram_appid, settings.wechat_miniprogram_secret.get_secret_value()
    client = OfficialClient(appid, secret, settings.official_url, total_s=settings.wechat_timeout_s)
    return OfficialAccount(appid, client, cache=await _credentials(settings), clock=clock)


async def _credentials(settings: Settings) -> Cache:
    """Return the cache for one account's credentials, which is waited for longer than any other."""
    redis_url = settings.redis_url.get_secret_value()
    return await RedisCache.open(redis_url, wait_s=PATIENT_S) if redis_url else LocalCache(time.monotonic)


def miniprogram_client_of(settings: Settings) -> MiniProgramClient | None:
    """Return the client of the mini-program, if there is one."""
    secret = settings.wechat_miniprogram_secret.get_secret_value()
    if not secret:
        return None
    return MiniProgramClient(
        settings.wechat_miniprogram_appid, secret, settings.official_url, total_s=settings.wechat_timeout_s
    )


def _certificate(settings: Settings) -> Certificate | None:
    if not settings.wechat_mch_cert_file:
        return None
    return Certificate(Path(settings.wechat_mch_cert_file), Path(settings.wechat_mch_private_key_file))


def v3_client_of(settings: Settings, clock: Clock, metrics: Metrics | None = None) -> WeChatPayV3Client:
    """
    Return the client of API v3, which fetches nothing yet.

    Raises:
        ConfigError: One of the key files is not usable, or does not belong to the others.
    """
    merchant = V3Merchant(
        appid=settings.wechat_appid,
        mch_id=settings.wechat_mchid,
        miniprogram_appid=settings.wechat_miniprogram_appid,
        open_appid=settings.wechat_open_appid,
        serial_no=settings.wechat_mch_serial,
        private_key=key_files.read_private_key(Path(settings.wechat_mch_private_key_file)),
        api_v3_keys=tuple(key.get_secret_value() for key in settings.wechat_api_v3_keys),
        notify_url=settings.origin + V3_NOTIFY_PATH,
    )
    if settings.wechat_mch_cert_file:
        key_files.check_certificate(Path(settings.wechat_mch_cert_file), merchant)
    named = (word.partition("=") for word in settings.wechat_public_keys)
    ring = KeyRing({name: key_files.read_public_key(Path(file)) for name, _, file in named})
    return WeChatPayV3Client(
        merchant, settings.wechat_base_urls, ring=ring, clock=clock, total_s=settings.wechat_timeout_s, metrics=metrics
    )


async def open_store(settings: Settings) -> SqliteStore | MongoStore:
    """
    Open the orders and all that is kept beside them.

    A MongoDB that is down is waited for: falling back to SQLite would split the orders in two.

    Raises:
        ConfigError: The file or the database is refused.
    """
    if mongodb_url := settings.mongodb_url.get_secret_value():
        return await MongoStore.open(mongodb_url)
    return await SqliteStore.open(settings.data_dir / SQLITE_FILE)


def stats_of(store: SqliteStore | MongoStore) -> StatsStore:
    """Return what the statistics keep in this store's database; it lives as long as the store."""
    return MongoStats(store) if isinstance(store, MongoStore) else SqliteStats(store.workers)


def turn_of(store: SqliteStore | MongoStore) -> StatsTurn:
    """Return what says whose turn it is to add this store's days up."""
    return store.stats_turn() if isinstance(store, MongoStore) else SoleTurn()


@asynccontextmanager
async def open_deliveries(settings: Settings) -> AsyncIterator[Deliveries]:
    """
    Lend the log of webhooks to a command, beside a server that may be running.

    Raises:
        ConfigError: There is no store with these settings.
    """
    if mongodb_url := settings.mongodb_url.get_secret_value():
        async with aclosing(await MongoStore.open(mongodb_url)) as store:
            yield store.deliveries()
    else:
        async with aclosing(await SqliteDeliveries.open_beside(settings.data_dir / SQLITE_FILE)) as deliveries:
            yield deliveries
