"""The doctor names each mistake that is planted in a sound installation, and nothing else."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from operator_commands.doctor import told
from operator_commands.doctor_words_en import WORDS as WORDS_EN
from operator_commands.doctor_words_zh import WORDS as WORDS_ZH
from server.doctor.finding import Level
from tests.doctor.conftest import Installation
from tests.faults.processes import a_free_port

OTHER_KEY = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC2eF"
OTHER_APPID = "wx0123456789abcdef"

Plant = Callable[[Installation], Awaitable[None]]


def said(**settings: Any) -> Plant:
    """These settings are mistaken."""

    async def plant(here: Installation) -> None:
        here.settings.update(settings)

    return plant


def left_out(*names: str) -> Plant:
    async def plant(here: Installation) -> None:
        for name in names:
            del here.settings[name]

    return plant


def done(deed: Callable[[Installation], object]) -> Plant:
    """Somebody did this to the files."""

    async def plant(here: Installation) -> None:
        deed(here)

    return plant


def refused(target: str, code: int) -> Plant:
    """WeChat answers with this errcode."""

    async def plant(here: Installation) -> None:
        here.settings["wechat_template_id"] = "a-template"
        await here.suffer(target, kind="error", code=code)

    return plant


def ahead(seconds: int) -> Plant:
    def deed(here: Installation) -> None:
        here.clock.ahead_ms = seconds * 1000

    return done(deed)


async def other_v3_key(here: Installation) -> None:
    await here.change_keys(platform="certificate")
    here.settings["wechat_api_v3_keys"] = OTHER_KEY


async def other_public_key_id(here: Installation) -> None:
    here.settings["wechat_public_keys"] = f"PUB_KEY_ID_0123456789={here.papers.public_key}"


async def other_public_key(here: Installation) -> None:
    name = here.settings["wechat_public_keys"].partition("=")[0]
    here.settings["wechat_public_keys"] = f"{name}={here.papers.other_public_key}"


async def certificate_as_public_key(here: Installation) -> None:
    name = here.settings["wechat_public_keys"].partition("=")[0]
    here.settings["wechat_public_keys"] = f"{name}={here.papers.certificate}"


async def files_swapped(here: Installation) -> None:
    here.settings["wechat_mch_private_key_file"] = str(here.papers.certificate)
    here.settings["wechat_mch_cert_file"] = str(here.papers.private_key)


async def only_v3_and_other_appid(here: Installation) -> None:
    del here.settings["wechat_api_keys"]
    here.settings.update(wechat_api="v3", wechat_appid=OTHER_APPID)


async def one_secret_for_two(here: Installation) -> None:
    here.settings["session_secrets"] = here.settings["wechat_api_keys"]


async def wechat_at_the_front_door(here: Installation) -> None:
    here.settings["public_url"] = str(here.wechat.base_url).rstrip("/")


async def silent_backup(here: Installation) -> None:
    here.settings["wechat_base_urls"] += f",http://127.0.0.1:{a_free_port()}"


async def silent_wechat(here: Installation) -> None:
    here.settings["wechat_official_url"] = here.settings["wechat_base_urls"]
    here.settings["wechat_base_urls"] = f"http://127.0.0.1:{a_free_port()}"


async def unserved_file(here: Installation) -> None:
    file = here.folder / "MP_verify_abc.txt"
    file.write_text("abc")
    here.settings["wechat_verify_files"] = str(file)


async def folder_is_a_file(here: Installation) -> None:
    (here.folder / "file").touch()
    here.settings["data_dir"] = here.folder / "file"


async def strange_store(here: Installation) -> None:
    (here.folder / "other").mkdir(mode=0o700)
    (here.folder / "other" / "daifu.db").write_text("no database")
    here.settings["data_dir"] = here.folder / "other"


def _free_url(scheme: str) -> str:
    return f"{scheme}://127.0.0.1:{a_free_port()}"


MISTAKES: dict[str, tuple[Plant, set[str]]] = {
    "API v2 key cut off": (said(wechat_api_keys="short"), {"setting_refused"}),
    "serial number forgotten": (left_out("wechat_mch_serial"), {"setting_refused"}),
    "certificate file not there": (said(wechat_mch_cert_file="/nowhere.pem"), {"setting_refused"}),
    "address with a path": (said(public_url="https://pay.example.com/daifu"), {"setting_refused"}),
    "two processes on SQLite": (said(processes=2), {"setting_refused"}),
    "session secret a child could guess": (said(session_secrets="abc" * 20), {"session_secret_weak"}),
    "one secret for two ends": (one_secret_for_two, {"secret_used_twice"}),
    "everybody a trusted proxy": (said(trusted_proxies="0.0.0.0/0"), {"proxies_everybody"}),
    "metrics for everybody": (said(metrics_host="0.0.0.0", metrics_port=9100), {"metrics_open"}),
    "more pages than files": (said(watch_max_per_process=10**8), {"open_files_few"}),
    "private key readable by all": (done(lambda here: here.papers.private_key.chmod(0o644)), {"private_key_open"}),
    "private key too small": (done(lambda here: here.papers.lock_private_key()), {"private_key_unusable"}),
    "key and certificate swapped": (
        files_swapped,
        {"private_key_open", "private_key_unusable", "certificate_unusable"},
    ),
    "certificate of another key": (
        done(lambda here: here.papers.issue(for_stranger=True)),
        {"certificate_of_another_key"},
    ),
    "serial number of another": (said(wechat_mch_serial="0123456789ABCDEF"), {"serial_of_another_certificate"}),
    "certificate over": (done(lambda here: here.papers.issue(ends_in_days=-1)), {"certificate_over"}),
    "certificate about to end": (done(lambda here: here.papers.issue(ends_in_days=10)), {"certificate_ends_soon"}),
    "certificate of tomorrow": (done(lambda here: here.papers.issue(begins_in_days=1)), {"certificate_not_yet"}),
    "certificate for a public key": (certificate_as_public_key, {"public_key_unusable"}),
    "public key of another": (other_public_key, {"public_key_of_another"}),
    "public key under another id": (other_public_key_id, {"public_key_id_wrong"}),
    "public key forgotten": (left_out("wechat_public_keys"), {"public_key_missing"}),
    "another API v3 key": (other_v3_key, {"v3_key_wrong"}),
    "another API v2 key": (said(wechat_api_keys=OTHER_KEY), {"v2_key_wrong"}),
    "another merchant number": (said(wechat_mchid="1900000001"), {"mchid_unknown", "v3_signature_refused"}),
    "app not bound": (said(wechat_open_appid=OTHER_APPID), {"appid_not_bound"}),
    "account not bound": (said(wechat_appid=OTHER_APPID), {"appid_not_bound", "appid_unknown"}),
    "account not bound, API v3 alone": (only_v3_and_other_appid, {"appid_not_bound", "appid_unknown"}),
    "another AppSecret": (said(wechat_app_secret="0" * 32), {"app_secret_wrong"}),
    "another secret of the mini-program": (said(wechat_miniprogram_secret="0" * 32), {"app_secret_wrong"}),
    "server not on the account's list": (refused("stable_token", 40164), {"address_not_listed"}),
    "AppSecret frozen": (refused("stable_token", 40243), {"app_secret_frozen"}),
    "template of another account": (refused("message", 40037), {"template_unknown"}),
    "clock ten minutes ahead": (ahead(600), {"clock_wrong"}),
    "clock a minute behind": (ahead(-60), {"clock_off"}),
    "WeChat behind a firewall": (silent_wechat, {"host_silent"}),
    "backup host behind a firewall": (silent_backup, {"backup_host_silent"}),
    "nothing at the public address": (said(public_url=_free_url("http")), {"not_running"}),
    "another server at the public address": (wechat_at_the_front_door, {"notify_not_ours"}),
    "verification file not served": (unserved_file, {"verification_hidden"}),
    "DATA_DIR is a file": (folder_is_a_file, {"data_dir_not_writable"}),
    "DATA_DIR writable by all": (done(lambda here: here.settings["data_dir"].chmod(0o777)), {"data_dir_open"}),
    "another program's file": (strange_store, {"sqlite_refused"}),
    "Redis down": (said(redis_url=_free_url("redis")), {"redis_silent"}),
    "MongoDB down": (said(mongodb_url=_free_url("mongodb")), {"mongo_silent"}),
}


async def test_a_sound_installation_has_no_problem(installation: Installation) -> None:
    found = await installation.findings()

    assert {each.code for each in found if each.level is not Level.OK} == {"v3_key_unproved"}
    assert {"v2_fine", "v3_fine", "certificate_fine", "notify_fine", "sockets_fine", "clock_fine"} <= {
        each.code for each in found
    }


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_planted_mistake_is_named_and_no_other(mistake: str, installation: Installation) -> None:
    plant, codes = MISTAKES[mistake]
    await plant(installation)

    found = await installation.findings()

    assert {each.code for each in found if each.level in (Level.WARNING, Level.WRONG)} == codes
    assert all(told(each, words) for each in found for words in (WORDS_EN, WORDS_ZH))


class Elsewhere(RequestHandler):
    """A proxy that sends everybody to another name."""

    def post(self) -> None:
        self.redirect("https://pay.example.com/")


class NoSockets(RequestHandler):
    """A proxy that passes on what is posted, and knows of nothing else."""

    def post(self) -> None:
        self.finish("<xml><return_code>FAIL</return_code></xml>")


@pytest.mark.parametrize(("proxy", "code"), [(Elsewhere, "notify_redirected"), (NoSockets, "sockets_cut")])
async def test_a_proxy_that_does_not_pass_on_what_it_should_is_named(
    proxy: type[RequestHandler], code: str, installation: Installation
) -> None:
    sockets = bind_sockets(0, "127.0.0.1")
    server = HTTPServer(Application([(r"/wechat/.*", proxy)]))
    server.add_sockets(sockets)
    installation.settings["public_url"] = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"

    problems = await installation.problems()
    server.stop()
    await server.close_all_connections()

    assert problems == {code}


async def test_api_v3_alone_proves_the_appid_by_an_order_that_is_closed_at_once(installation: Installation) -> None:
    del installation.settings["wechat_api_keys"]
    installation.settings["wechat_api"] = "v3"

    found = {each.code for each in await installation.findings()}

    assert "appid_bound" in found
    ledger = (await installation.wechat.get("/_sim/ledger")).json()
    assert [order["trade_state"] for order in ledger["orders"]] == ["CLOSED"]


async def test_with_platform_certificates_the_api_v3_key_is_proved(installation: Installation) -> None:
    await installation.change_keys(platform="certificate")
    del installation.settings["wechat_public_keys"]

    found = {each.code for each in await installation.findings()}

    assert {"v3_key_fine", "v3_fine"} <= found


async def test_a_probe_of_wechats_is_no_problem(installation: Installation) -> None:
    await installation.suffer("orderquery", kind="probe", times=1)
    del installation.settings["wechat_api_keys"]
    installation.settings["wechat_api"] = "v3"

    assert await installation.problems() == set()


async def test_whether_a_template_is_right_stays_open_where_wechat_names_the_receiver_first(
    installation: Installation,
) -> None:
    installation.settings["wechat_template_id"] = "a-template"

    found = {each.code: each.level for each in await installation.findings()}

    assert found["template_unproved"] is Level.BY_HAND
