"""The whole examination: what can be read here first, then whoever may be asked."""

import asyncio
import os
from itertools import chain

from server.doctor.configuration import check_configuration, domains_to_enter
from server.doctor.finding import Finding, Level, wrong
from server.doctor.front_door import check_front_door
from server.doctor.hosts import check_hosts
from server.doctor.key_files import check_key_files
from server.doctor.machine import check_machine
from server.doctor.mongo import check_mongo
from server.doctor.official import check_miniprogram, check_official
from server.doctor.pay_v2 import check_v2
from server.doctor.pay_v3 import check_v3
from server.doctor.redis import check_redis
from server.errors import BadSettings
from server.ports import Clock
from settings import Settings


def refused_settings(refusal: BadSettings) -> list[Finding]:
    """Return a finding for each setting that does not even let daifu start; nothing else can be examined then."""
    return [wrong("setting_refused", says=line) for line in refusal.lines]


async def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Return everything that was found, with these settings, which name a merchant."""
    cores = len(os.sched_getaffinity(0))
    keys = await asyncio.to_thread(check_key_files, settings, now_ms=clock.now_ms())
    here = [*check_configuration(settings, cores=cores), *keys, *await asyncio.to_thread(check_machine, settings)]
    hosts = await check_hosts(settings, clock)
    asked = [
        check_mongo(settings.mongodb_url.get_secret_value()),
        check_redis(settings.redis_url.get_secret_value()),
        check_official(settings),
        check_miniprogram(settings),
        check_front_door(settings),
    ]
    # With a host, a clock or a key that is wrong, WeChat would only say the same in other words.
    if not _is_any_wrong(hosts):
        asked.append(check_v2(settings))
        if not _is_any_wrong(keys):
            asked.append(check_v3(settings, clock))
    there = await asyncio.gather(*asked)
    last = [] if settings.simulator_url else [domains_to_enter(settings)]
    return [*here, *hosts, *chain.from_iterable(there), *last]


def _is_any_wrong(found: list[Finding]) -> bool:
    return any(each.level is Level.WRONG for each in found)
