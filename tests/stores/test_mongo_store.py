"""What MongoDB keeps, what it is asked, and what is refused."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from server.domain.user import User
from server.errors import ConfigError, OrderNotFound, StoreCorrupt
from server.ports import KeyClaim
from server.stores.mongo import MongoStore
from server.stores.mongo_database import connect
from tests.builders import after, started
from tests.stores.outcomes import outcome
from tests.stores.stored_orders import an_order, changed, order_id
from tests.stores.wire_server import Document, WireServer

pytestmark = pytest.mark.mongo


class Spy(CommandListener):
    """Keeps every command that was sent on behalf of the store."""

    def __init__(self) -> None:
        self.commands: list[Document] = []

    def started(self, event: CommandStartedEvent) -> None:
        if event.command_name not in ("hello", "endSessions"):
            self.commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None: ...

    def failed(self, event: CommandFailedEvent) -> None: ...

    def named(self, name: str) -> list[Document]:
        return [command for command in self.commands if name in command]


class TestDocuments:
    async def test_a_person_can_read_an_order_in_a_shell(self, store: MongoStore, shell: MongoClient[Document]) -> None:
        order = after(an_order(openid="oMing"), started(), now_ms=5)
        await store.insert(order)

        document = shell.get_default_database().orders.find_one({"initiator.openid": "oMing"})

        assert document is not None
        assert document["_id"] == order.order_id
        assert (document["state"], document["rev"], document["title"]) == ("OPEN", order.rev, order.title)
        assert document["payments"][0]["trade_type"] == "JSAPI"
        assert document["due_at_ms"] == order.due_at_ms
        assert "order_id" not in document

    async def test_an_order_with_nothing_left_to_do_has_no_due_time(
        self, store: MongoStore, shell: MongoClient[Document]
    ) -> None:
        await store.insert(changed(an_order()))

        document = shell.get_default_database().orders.find_one()

        assert document is not None
        assert "due_at_ms" not in document

    @pytest.mark.parametrize(
        "damage",
        [
            {"$set": {"amount": "100"}},
            {"$set": {"state": "PAYED"}},
            {"$unset": {"initiator": ""}},
            {"$set": {"shares": {"0": 100}}},
            {"$set": {"effects": [{"kind": "expire"}]}},
        ],
    )
    async def test_a_document_with_a_wrong_type_is_refused_by_its_id_and_costs_nobody_else_anything(
        self, store: MongoStore, shell: MongoClient[Document], damage: Document
    ) -> None:
        good, bad = an_order(2, due_at_ms=20), an_order(1, due_at_ms=10)
        await store.insert(good)
        await store.insert(bad)
        shell.get_default_database().orders.update_one({"_id": bad.order_id}, damage)

        with pytest.raises(StoreCorrupt) as refused:
            await store.get(bad.order_id)

        assert refused.value.what == f"order {bad.order_id}"
        together = [outcome(store.get(order.order_id)) for order in (good, bad)]
        assert await asyncio.gather(*together) == [good, StoreCorrupt]
        assert await store.get_many([bad.order_id, good.order_id]) == [good]
        assert await store.claim_due(100, lease_ms=1000, limit=10) == [good]
        assert await store.scan(after=order_id(0), before=order_id(9), limit=1) == [good]

    async def test_numbers_of_any_width_are_read_as_the_same(
        self, store: MongoStore, shell: MongoClient[Document]
    ) -> None:
        order = an_order()
        await store.insert(order)
        wide = {"rev": Int64(1), "amount": Int64(order.amount), "created_at_ms": Int64(1)}
        shell.get_default_database().orders.update_one({}, {"$set": wide})

        assert await store.get(order.order_id) == order
        assert await store.replace(changed(order), was_rev=1)


class TestOneRequestForMany:
    async def test_reads_of_the_same_turn_go_as_one_and_each_gets_its_own(self, url: str) -> None:
        async with aclosing(MongoStore(partial(connect, url, listeners=[spy := Spy()]))) as store:
            for number in range(5):
                await store.insert(an_order(number))
            asked = [store.get(order_id(number)) for number in (3, 1, 3, 404)]

            answers = await asyncio.gather(*map(outcome, asked))

            assert answers == [an_order(3), an_order(1), an_order(3), OrderNotFound]
            assert len(spy.named("find")) == 1

    async def test_writes_of_the_same_turn_go_as_one_and_each_learns_its_ownoutcome(self, url: str) -> None:
        async with aclosing(MongoStore(partial(connect, url, listeners=[spy := Spy()]))) as store:
            for number in range(4):
                await store.insert(an_order(number))
            writes = [(0, 1), (1, 7), (2, 1), (404, 1), (3, 1)]

            won = await asyncio.gather(*(store.replace(changed(an_order(n)), was_rev=rev) for n, rev in writes))

            assert won == [True, False, True, False, True]
            assert await store.get(order_id(1)) == an_order(1)
            assert len(spy.named("bulkWrite")) == 1
            assert not spy.named("update")

    async def test_an_older_server_is_asked_one_by_one_with_the_same_outcomes(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # MongoDB 7 answers a bulk with a total, and a total does not say who lost.
        monkeypatch.setattr("server.stores.mongo_database.BULK_WRITE_SINCE", 10**6)
        async with aclosing(MongoStore(partial(connect, url, listeners=[spy := Spy()]))) as store:
            for number in range(3):
                await store.insert(an_order(number))
            writes = [(0, 1), (1, 7), (2, 1)]

            won = await asyncio.gather(*(store.replace(changed(an_order(n)), was_rev=rev) for n, rev in writes))

            assert won == [True, False, True]
            assert not spy.named("bulkWrite")

    async def test_a_value_that_cannot_be_stored_costs_nobody_else_his_write(self, store: MongoStore) -> None:
        for number in range(3):
            await store.insert(an_order(number))
        titles = ["first", "\ud800", "third"]  # half of a pair has no UTF-8

        outcomes = await asyncio.gather(
            *(outcome(store.replace(changed(an_order(n), title=title), was_rev=1)) for n, title in enumerate(titles))
        )

        assert outcomes == [True, UnicodeEncodeError, True]


class TestPromises:
    async def test_every_write_waits_for_a_majority_and_its_journal_whatever_the_url_says(self, url: str) -> None:
        careless = f"{url}?w=0&journal=false&retryWrites=false&readConcernLevel=local&readPreference=nearest"
        async with aclosing(MongoStore(partial(connect, careless, listeners=[spy := Spy()]))) as store:
            await _use_everything(store)

        for name in ("insert", "update", "bulkWrite"):
            assert spy.named(name)
            for command in spy.named(name):
                assert command["writeConcern"] == {"w": "majority", "j": True}
                assert "txnNumber" in command
        assert spy.named("find")
        for command in spy.named("find"):
            assert command["readConcern"]["level"] == "majority"
            assert command.get("$readPreference", {"mode": "primary"}) == {"mode": "primary"}

    async def test_a_filter_holds_nothing_but_strings_and_whole_numbers(self, url: str) -> None:
        async with aclosing(MongoStore(partial(connect, url, listeners=[spy := Spy()]))) as store:
            await _use_everything(store)

        filters = [c[key] for c in spy.commands for key in ("filter", "query") if key in c]
        filters += [update["q"] for c in spy.named("update") for update in c.get("updates", ())]
        filters += [op["filter"] for c in spy.named("bulkWrite") for op in c.get("ops", ())]
        assert len(filters) >= 6
        assert {type(leaf) for found in filters for leaf in _leaves(found)} <= {str, int}

    async def test_what_is_searched_for_is_indexed(self, store: MongoStore, shell: MongoClient[Document]) -> None:
        indexes = shell.get_default_database().orders.index_information()

        assert indexes["orders_by_initiator"]["key"] == [("initiator.openid", 1), ("_id", 1)]
        assert indexes["orders_due"]["key"] == [("due_at_ms", 1), ("_id", 1)]

    async def test_two_processes_at_one_order_never_both_win(self, store: MongoStore, url: str) -> None:
        async with aclosing(await MongoStore.open(url)) as other:
            await store.insert(an_order())

            async def add_ten(mine: MongoStore) -> None:
                for _ in range(10):
                    while not await mine.replace(changed(before := await mine.get(order_id(1))), was_rev=before.rev):
                        pass

            await asyncio.gather(add_ten(store), add_ten(other), add_ten(store), add_ten(other))

            assert (await store.get(order_id(1))).rev == 41


class TestRefusals:
    @pytest.mark.parametrize(
        "url",
        [
            "mongodb://user:pass/word@127.0.0.1",
            "mongodb://127.0.0.1:port",
            "mongodb://127.0.0.1:99999",
            "mongodb://127.0.0.1/?tls=perhaps",
            "mongodb://127.0.0.1/?replicaset_=typo",
            "mongodb://127.0.0.1/?authMechanism=FROG",
        ],
    )
    async def test_a_url_that_cannot_be_read_is_named_and_not_shown(self, url: str) -> None:
        with pytest.raises(ConfigError, match="MONGODB_URL") as refused:
            await MongoStore.open(url)

        assert url[10:] not in str(refused.value)

    async def test_another_index_in_our_ones_place_is_named(self, url: str, shell: MongoClient[Document]) -> None:
        shell.get_default_database().orders.create_index([("due_at_ms", -1)], name="orders_due")

        with pytest.raises(ConfigError, match="orders_due"):
            await MongoStore.open(url)

    async def test_a_user_without_the_right_to_it_is_told_which_database(
        self, url: str, fail: Callable[..., None]
    ) -> None:
        fail("createIndexes", errorCode=13)

        with pytest.raises(ConfigError, match=url.rpartition("/")[2]):
            await MongoStore.open(url)

    async def test_a_lone_server_is_refused_because_it_cannot_retry_a_write(self, tmp_path: Path) -> None:
        server = WireServer(tmp_path / "files", "--standalone")
        await asyncio.to_thread(server.start)
        try:
            with pytest.raises(ConfigError, match="replica set"):
                await MongoStore.open(server.url)
        finally:
            await asyncio.to_thread(server.stop)


async def _use_everything(store: MongoStore) -> None:
    for number in range(3):
        await store.insert(an_order(number, openid="oMing", due_at_ms=5))
    await asyncio.gather(*(store.replace(changed(an_order(n), due_at_ms=5), was_rev=1) for n in range(2)))
    await store.replace(changed(an_order(2), due_at_ms=5), was_rev=1)
    await asyncio.gather(*(store.get(order_id(number)) for number in range(3)))
    await store.get_many([order_id(1)])
    await store.claim_due(10, lease_ms=5, limit=10)
    await store.list_by_initiator("oMing", before=order_id(9), limit=9)
    for number in (1, 2):
        await store.claim_key("key", KeyClaim(order_id(number), "a" * 64, 1))
        await store.remember_user(User(openid="oMing", name=f"小明{number}", first_seen_ms=number))
    await store.ping()


def _leaves(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [value]
