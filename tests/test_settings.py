"""What daifu refuses to start with: named, never shown."""

from pathlib import Path
from typing import Any, Final

import pytest

from server.errors import ConfigError
from settings import Settings, load_settings, session_secret_of

KEY = "x7Qm2LrT9vKs4WdZ8bNc1HfJ6gPy3RaE"
SECRET = "an excellent session secret of some length"
MERCHANT = {
    "public_url": "https://pay.example.com",
    "session_secrets": SECRET,
    "wechat_appid": "wx0123456789abcdef",
    "wechat_app_secret": "0123456789abcdef0123456789abcdef",
    "wechat_mchid": "1900000001",
    "wechat_api_keys": KEY,
}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No `.env` and no setting of the machine's own."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def refusal(**changed: object) -> str:
    with pytest.raises(ConfigError) as refused:
        load_settings(**{**MERCHANT, **changed})
    return str(refused.value)


def test_nothing_set_means_the_simulator_and_loopback() -> None:
    settings = load_settings()

    assert settings.needs_simulator
    assert settings.origin == "http://127.0.0.1:8888"


def test_a_complete_merchant_talks_to_wechat_itself() -> None:
    settings = load_settings(**MERCHANT)

    assert not settings.needs_simulator
    assert settings.simulator_url == ""
    assert settings.wechat_base_urls[0] == "https://api.mch.weixin.qq.com"
    assert settings.official_url == "https://api.weixin.qq.com"
    assert settings.authorize_url == "https://open.weixin.qq.com"


def test_a_base_url_on_this_machine_stands_for_all_of_wechat() -> None:
    url = "http://127.0.0.1:8889"
    settings = load_settings(**{**MERCHANT, "public_url": "http://127.0.0.1:8888", "wechat_base_urls": url})

    assert settings.simulator_url == settings.official_url == settings.authorize_url == url


@pytest.mark.parametrize(
    "missing", ["public_url", "session_secrets", "wechat_appid", "wechat_app_secret", "wechat_api_keys"]
)
def test_a_merchant_with_something_missing_is_refused_by_name(missing: str) -> None:
    assert missing.upper() in refusal(**{missing: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wechat_api_keys", "short"),
        ("wechat_api_keys", KEY + "x"),
        ("wechat_api_keys", KEY[:-1] + " "),
        ("wechat_api_keys", KEY[:-1] + "钥"),
        ("wechat_api_keys", "a" * 32),
        ("wechat_api_keys", "192006250b4c09247ec02edce69f6a2d"),
        ("wechat_api_keys", f"{KEY},{KEY}"),
        ("wechat_api_keys", f"{KEY},short"),
        ("mongodb_url", "http://127.0.0.1"),
        ("mongodb_url", "127.0.0.1:27017"),
        ("mongodb_url", "mongodb:///daifu"),
        ("redis_url", "http://127.0.0.1"),
        ("redis_url", "127.0.0.1:6379"),
        ("redis_url", "redis://:pass#word@127.0.0.1"),
        ("redis_url", "redis://127.0.0.1:pass"),
        ("redis_url", "redis://127.0.0.1/0?decode_responses=true"),
        ("session_secrets", "short"),
        ("session_secrets", f"{SECRET},{SECRET}"),
        ("public_url", "http://pay.example.com"),
        ("public_url", "https://pay.example.com/shop"),
        ("public_url", "pay.example.com"),
        ("public_url", "https://user:word@pay.example.com"),
        ("wechat_base_urls", "http://api.mch.weixin.qq.com"),
        ("wechat_base_urls", "ftp://api.mch.weixin.qq.com"),
        ("allowed_origins", "https://pay.example.com/path"),
        ("trusted_proxies", "10.0.0.300"),
        ("port", "0"),
        ("port", "many"),
        ("order_ttl_s", "5"),
        ("wechat_sign_type", "SHA1"),
        ("wechat_api", "v1"),
        ("wechat_subscribe_template_fields", "thing1=secret"),
        ("wechat_miniprogram_template_id", "a-template"),  # and no mini-program
    ],
)
def test_a_wrong_value_is_refused_by_name_and_not_shown(name: str, value: str) -> None:
    said = refusal(**{name: value})

    assert name.upper() in said
    assert value == "0" or value not in said


def test_a_simulated_wechat_is_refused_on_a_public_address() -> None:
    with pytest.raises(ConfigError, match="PUBLIC_URL is public"):
        load_settings(public_url="https://pay.example.com")
    assert "simulated" in refusal(wechat_base_urls="http://127.0.0.1:8889")


def test_keys_without_a_merchant_number_are_refused() -> None:
    with pytest.raises(ConfigError, match="WECHAT_MCHID is not"):
        load_settings(wechat_api_keys=KEY)


def test_an_unknown_name_in_the_env_file_is_refused() -> None:
    Path(".env").write_text("PORT=9000\nPROT=9001\n")

    with pytest.raises(ConfigError, match=r"PROT in \.env is no setting"):
        load_settings()


def test_lists_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1, 192.168.0.0/16")
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://shop.example.com")

    settings = load_settings()

    assert settings.trusted_proxies == ("10.0.0.1", "192.168.0.0/16")
    assert settings.allowed_origins == ("https://shop.example.com",)


def test_secrets_do_not_show_in_a_printed_setting() -> None:
    settings = load_settings(**MERCHANT)

    assert KEY not in repr(settings)
    assert SECRET not in str(settings)


def test_an_installation_makes_its_session_key_once_and_keeps_it_to_itself(tmp_path: Path) -> None:
    first, again = session_secret_of(tmp_path / "var"), session_secret_of(tmp_path / "var")

    assert first.get_secret_value() == again.get_secret_value()
    assert len(first.get_secret_value()) >= 32
    assert (tmp_path / "var" / "session.key").stat().st_mode & 0o077 == 0


class TestCertificateFiles:
    def test_are_taken_together(self, tmp_path: Path) -> None:
        cert_file, key_file = tmp_path / "cert.pem", tmp_path / "key.pem"
        cert_file.touch()
        key_file.touch()

        settings = load_settings(
            **MERCHANT, wechat_mch_cert_file=str(cert_file), wechat_mch_private_key_file=str(key_file)
        )

        assert settings.wechat_mch_cert_file == str(cert_file)
        assert settings.wechat_mch_private_key_file == str(key_file)

    @pytest.mark.parametrize("name", ["wechat_mch_cert_file", "wechat_mch_private_key_file"])
    def test_of_which_one_is_missing_are_refused(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "one.pem").touch()

        said = refusal(**{name: "one.pem"})

        assert "WECHAT_MCH_CERT_FILE" in said
        assert "WECHAT_MCH_PRIVATE_KEY_FILE" in said

    @pytest.mark.parametrize("name", ["wechat_mch_cert_file", "wechat_mch_private_key_file"])
    def test_that_cannot_be_read_are_refused_by_name(self, name: str, tmp_path: Path) -> None:
        for path in ("absent.pem", str(tmp_path)):
            said = refusal(**{name: path})

            assert name.upper() in said
            assert path in said


class TestApiV3:
    """`complete` names every setting that API v3 needs."""

    @pytest.fixture
    def complete(self, tmp_path: Path) -> dict[str, str]:
        for name in ("ours.pem", "wechat.pem"):
            (tmp_path / name).write_text("a key")
        return {
            "wechat_api": "v3",
            "wechat_api_v3_keys": f"{KEY},{KEY[::-1]}",
            "wechat_mch_serial": "408b07e79b8269fec3d5d3e6ab8ed163a6a380db",
            "wechat_mch_private_key_file": str(tmp_path / "ours.pem"),
            "wechat_public_keys": f"PUB_KEY_ID_0123={tmp_path / 'wechat.pem'}",
        }

    def test_complete_needs_no_key_of_api_v2(self, complete: dict[str, str]) -> None:
        settings = load_settings(**{**MERCHANT, "wechat_api_keys": "", **complete})

        assert settings.speaks_v3
        assert settings.wechat_mch_serial == "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"
        assert len(settings.wechat_api_v3_keys) == 2

    def test_stays_open_while_new_payments_go_by_v2(self, complete: dict[str, str]) -> None:
        assert load_settings(**{**MERCHANT, **complete, "wechat_api": "v2"}).speaks_v3

    @pytest.mark.parametrize("api", ["v2", "v3"])
    @pytest.mark.parametrize("missing", ["wechat_api_v3_keys", "wechat_mch_serial", "wechat_mch_private_key_file"])
    def test_with_something_missing_is_refused_by_name(self, complete: dict[str, str], missing: str, api: str) -> None:
        assert missing.upper() in refusal(**{**complete, "wechat_api": api, missing: ""})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("wechat_api", "v4"),
            ("wechat_api_v3_keys", "short"),
            ("wechat_api_v3_keys", "a" * 32),
            ("wechat_api_v3_keys", f"{KEY},{KEY}"),
            ("wechat_mch_serial", "not hexadecimal"),
            ("wechat_mch_private_key_file", "/nowhere/key.pem"),
            ("wechat_public_keys", "/nowhere/key.pem"),
            ("wechat_public_keys", "PUB_KEY_ID_1=/nowhere/key.pem"),
            ("wechat_public_keys", "SERIAL=settings.py"),
            ("wechat_public_keys", "PUB_KEY_ID_1="),
        ],
    )
    def test_of_another_form_is_refused_by_name(self, complete: dict[str, str], name: str, value: str) -> None:
        refused = refusal(**{**complete, name: value})

        assert name.upper() in refused
        assert KEY not in refused

    def test_two_keys_under_one_id_are_refused(self, complete: dict[str, str]) -> None:
        twice = f"{complete['wechat_public_keys']},{complete['wechat_public_keys']}"

        assert "WECHAT_PUBLIC_KEYS" in refusal(**{**complete, "wechat_public_keys": twice})

    def test_without_a_merchant_is_refused(self, complete: dict[str, str]) -> None:
        with pytest.raises(ConfigError, match="WECHAT_MCHID"):
            load_settings(**complete)


@pytest.mark.parametrize("at", ["9:30", "09:59", "24:00", "10:60", "10", "half past ten"])
def test_a_time_at_which_wechat_has_no_bill_is_refused(at: str) -> None:
    with pytest.raises(ConfigError, match="RECONCILE_DAILY_AT: write it as 10:30"):
        load_settings(_env_file=None, reconcile_daily_at=at)


def test_the_daily_time_is_milliseconds_since_midnight_and_none_by_default() -> None:
    assert load_settings(_env_file=None).reconcile_daily_at_ms is None
    assert load_settings(_env_file=None, reconcile_daily_at="10:30").reconcile_daily_at_ms == 37_800_000


WEBHOOKS: Final[dict[str, Any]] = {
    "webhook_url": "https://shop.example.com/hooks",
    "webhook_secrets": "whsec_" + "eA" * 16,
}


class TestWebhooks:
    def test_a_url_and_a_secret_are_taken(self) -> None:
        assert load_settings(_env_file=None, **WEBHOOKS).webhook_url == ("https://shop.example.com/hooks",)

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"webhook_url": ""}, "WEBHOOK_URL"),
            ({"webhook_secrets": ""}, "WEBHOOK_SECRETS"),
            ({"webhook_secrets": "whsec_canary"}, "WEBHOOK_SECRETS"),
            ({"webhook_url": "http://shop.example.com/"}, "WEBHOOK_ALLOW_PRIVATE"),
            ({"webhook_ca_file": "pyproject.toml"}, "WEBHOOK_CA_FILE"),
            ({"webhook_ca_file": "no-such.pem"}, "WEBHOOK_CA_FILE"),
            ({"webhook_url": "ftp://shop.example.com/", "webhook_allow_private": True}, "WEBHOOK_URL"),
            ({"webhook_url": "https://a:canary@shop.example.com/"}, "WEBHOOK_URL"),
            ({"webhook_url": "https://shop.example.com/a,https://shop.example.com/b"}, "WEBHOOK_URL"),
        ],
        ids=str,
    )
    def test_what_would_not_work_is_named_and_not_quoted(self, changed: dict[str, Any], named: str) -> None:
        with pytest.raises(ConfigError, match=named) as refused:
            load_settings(_env_file=None, **{**WEBHOOKS, **changed})
        assert "canary" not in str(refused.value)


class TestMerchantKeys:
    def test_two_keys_of_one_id_are_refused(self) -> None:
        line = f"shop:orders:read:{'a' * 64}"
        with pytest.raises(ConfigError, match="MERCHANT_API_KEYS"):
            load_settings(_env_file=None, merchant_api_keys=f"{line},{line}")


def test_a_verification_file_has_the_name_wechat_gave_it(tmp_path: Path) -> None:
    (tmp_path / "MP_verify_a b.txt").touch()

    with pytest.raises(ConfigError, match="WECHAT_VERIFY_FILES: name the files as WeChat gave them"):
        load_settings(_env_file=None, wechat_verify_files=str(tmp_path / "MP_verify_a b.txt"))
