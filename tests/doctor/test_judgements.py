"""What the doctor says of settings for WeChat itself, of a MongoDB and of a Redis, without asking any of them."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from server.doctor.configuration import check_configuration
from server.doctor.finding import Finding
from server.doctor.front_door import check_front_door
from server.doctor.hosts import check_clock
from server.doctor.machine import check_open_files
from server.doctor.mongo import check_mongo, judge_indexes, judge_server
from server.doctor.redis import check_redis, judge_info
from settings import Settings, load_settings
from tests.redis_server import RedisServer
from tests.wechat.authority import Authority

SOUND: dict[str, Any] = {
    "_env_file": None,
    "public_url": "https://pay.example.com",
    "trusted_proxies": "10.0.0.7",
    "session_secrets": "a session secret for tests and nothing else",
    "wechat_appid": "wx0123456789abcdef",
    "wechat_app_secret": "0123456789abcdef0123456789abcdef",
    "wechat_mchid": "1900000001",
    "wechat_api_keys": "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC2eF",
    "wechat_mch_cert_file": __file__,
    "wechat_mch_private_key_file": __file__,
    "reconcile_daily_at": "10:30",
}
MONGO: dict[str, Any] = {"setName": "rs", "hosts": ["a", "b", "c"], "maxWireVersion": 25}
REDIS = {"role": "master", "redis_version": "7.4.1", "maxmemory": "268435456", "maxmemory_policy": "allkeys-lru"}


def live(**changes: Any) -> Settings:
    """Settings for WeChat itself."""
    return load_settings(**{**SOUND, **changes})


def codes(found: Any) -> set[str]:
    return {each.code for each in found}


def test_sound_settings_for_wechat_itself_have_no_problem() -> None:
    assert codes(check_configuration(live(), cores=4)) == {"settings_fine"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"public_url": "https://192.168.1.5"}, "public_url_private"),
        ({"public_url": "https://pay.local"}, "public_url_private"),
        ({"public_url": "https://pay.example.com:8443"}, "public_url_port"),
        ({"trusted_proxies": ""}, "proxies_unnamed"),
        ({"wechat_sign_type": "MD5"}, "sign_type_md5"),
        ({"wechat_base_urls": "https://api.mch.weixin.qq.com"}, "wechat_host_alone"),
        (
            {"wechat_base_urls": "https://api.mch.weixin.qq.com,https://wechat.example.com"},
            "wechat_host_foreign",
        ),
        ({"wechat_mch_cert_file": "", "wechat_mch_private_key_file": ""}, "refunds_impossible"),
        ({"reconcile_daily_at": ""}, "reconcile_off"),
        (
            {"processes": 8, "mongodb_url": "mongodb://a,b,c/daifu", "redis_url": "redis://redis"},
            "processes_beyond_cores",
        ),
    ],
)
def test_a_setting_that_may_be_so_and_should_not_is_named(changes: dict[str, Any], code: str) -> None:
    assert codes(check_configuration(live(**changes), cores=4)) == {code}


@pytest.mark.parametrize("ahead_s", [0, 29, -29])
def test_a_clock_within_half_a_minute_is_right(ahead_s: int) -> None:
    noon_ms = 1_795_003_200_500

    assert check_clock("Wed, 18 Nov 2026 12:00:00 GMT", now_ms=noon_ms + ahead_s * 1000).code == "clock_fine"


def test_a_date_nobody_can_read_proves_nothing() -> None:
    assert check_clock("yesterday", now_ms=0).code == "clock_unproved"


def test_a_limit_of_files_below_the_limit_of_pages_is_named() -> None:
    settings = live(watch_max_per_process=1000)

    assert codes(check_open_files(settings, most_files=1000)) == {"open_files_few"}
    assert check_open_files(settings, most_files=1001) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"setName": None}, "mongo_alone"),
        ({"hosts": ["a"]}, "mongo_few_members"),
        ({"maxWireVersion": 21}, "mongo_old"),
    ],
)
def test_a_mongodb_that_may_lose_or_stall_is_named(changes: dict[str, Any], code: str) -> None:
    hello = {name: value for name, value in {**MONGO, **changes}.items() if value is not None}

    assert codes(judge_server(hello)) == {code}


def test_a_sound_replica_set_and_a_sharded_cluster_have_no_problem() -> None:
    assert not codes(judge_server(MONGO))
    assert not codes(judge_server({"msg": "isdbgrid", "maxWireVersion": 25}))


def test_an_index_of_our_name_with_another_meaning_is_named_and_a_missing_one_is_not() -> None:
    there = {"orders": {"orders_due": {"key": [("due_at_ms", -1)]}}}

    assert codes(judge_indexes(there)) == {"mongo_index_other"}
    assert not codes(judge_indexes({}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"role": "slave"}, "redis_replica"),
        ({"redis_version": "5.0.14"}, "redis_old"),
        ({"maxmemory_policy": "noeviction"}, "redis_keeps_all"),
    ],
)
def test_a_redis_that_refuses_or_is_old_is_named(changes: dict[str, str], code: str) -> None:
    assert codes(judge_info({**REDIS, **changes})) == {code}


@pytest.mark.redis
async def test_a_real_redis_is_examined_and_one_with_another_password_refuses(redis_server: RedisServer) -> None:
    found = await check_redis(redis_server.url)
    refused = await check_redis(redis_server.url.replace("//", "//:wrong@"))

    assert codes(found) == {"redis_fine"}
    assert codes(refused) == {"redis_forbidden"}


@pytest.mark.mongo
async def test_a_real_mongodb_is_examined_and_nothing_is_made_in_it(mongodb_url: str) -> None:
    found: list[Finding] = await check_mongo(mongodb_url)

    assert "mongo_fine" in codes(found)
    assert not {each.code for each in found} & {"mongo_silent", "mongo_index_other"}


async def test_a_public_address_that_leads_nowhere_is_wrong_where_wechat_is_real() -> None:
    settings = live(public_url="https://127.0.0.1:9")

    assert codes(await check_front_door(settings)) == {"front_door_shut"}


async def test_a_public_address_with_a_certificate_nobody_trusts_is_named(tmp_path: Path) -> None:
    cert_file, key_file = Authority(tmp_path).issue("daifu")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert_file, key_file)
    server = HTTPServer(Application(), ssl_options=context)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)

    found = await check_front_door(live(public_url=f"https://127.0.0.1:{sockets[0].getsockname()[1]}"))
    server.stop()
    await server.close_all_connections()

    assert codes(found) == {"front_door_tls"}
