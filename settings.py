"""
Every setting: its unit, its default, its check. The only module that reads the environment (and `.env`).

Nothing needs to be set to try daifu: without `WECHAT_MCHID` a simulated WeChat is started beside the server. With it,
every key is checked here, at start, and a missing or short one is named, never shown.
"""

import re
import secrets
import ssl
from functools import cached_property
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from server.domain.events import TradeType
from server.domain.merchant_key import MerchantKey, read_key
from server.errors import BadSettings
from server.official_ports import MessageKind, Template
from server.webhooks.signature import read_secret
from server.wechat.official_message import FACTS

# Printed in WeChat's documents: everybody knows these.
SAMPLE_KEYS = frozenset({"192006250b4c09247ec02edce69f6a2d", "8934e7d15453e97507ef794cf7b0519d"})
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

Words = Annotated[tuple[str, ...], NoDecode]
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]


class Settings(BaseSettings):
    """What daifu was told. Lists are comma-separated; of a list of secrets the first signs and all verify."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8888, ge=1, le=65534, description="Port to listen on; the simulated WeChat takes the next one.")
    public_url: str = Field(
        "", description="How browsers reach daifu, without a path; default `http://127.0.0.1:PORT`."
    )
    data_dir: Path = Field(
        Path("var"), description="Where the embedded store and the simulated WeChat keep their files."
    )
    mongodb_url: SecretStr = Field(
        SecretStr(""),
        description="`mongodb://` or `mongodb+srv://` address of the store many processes share; default none: SQLite.",
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="`redis://` or `rediss://` address that joins several processes; default none."
    )
    session_secrets: Secrets = Field(
        (), description="Keys that sign session cookies and tokens, 32 characters or more each."
    )
    session_ttl_s: int = Field(30 * 86400, ge=60, description="How long a login lasts, in seconds.")
    admin_password: SecretStr = Field(
        SecretStr(""),
        description="Opens the dashboard `/admin`; 12 characters or more. Without it only this machine may see it.",
    )
    allowed_origins: Words = Field((), description="Further origins whose pages may call and watch.")
    trusted_proxies: Words = Field((), description="Addresses or networks whose X-Forwarded-For is believed.")
    http_front: Literal["tornado", "fast"] = Field(
        "fast", description="What reads HTTP: the fast front on llhttp, or Tornado's own server."
    )
    event_loop: Literal["asyncio", "uvloop"] = Field(
        "asyncio", description="What turns a server process: Python's own event loop, or uvloop."
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    notify_keep_days: int = Field(
        30, ge=1, le=3650, description="How many days what WeChat posted is kept, to be looked at and replayed."
    )
    processes: int = Field(1, ge=1, le=64, description="Server processes here; more than one needs MongoDB and Redis.")
    metrics_port: int = Field(
        0,
        ge=0,
        le=65534,
        description="Port for /metrics, the next one for each further process; 0: on PORT, for this machine alone.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address METRICS_PORT listens on.")
    watch_max_per_person: int = Field(2_000, ge=1, description="Pages one person may watch from at once, a process.")
    watch_max_per_address: int = Field(20_000, ge=1, description="Pages one address may watch from at once, a process.")
    watch_max_per_process: int = Field(50_000, ge=1, description="Pages one process lets watch at once.")

    rate_orders_per_min: int = Field(60, ge=0, description="Orders one person may create a minute; 0 for no limit.")
    rate_payments_per_min: int = Field(
        120, ge=0, description="Payments one person may start, confirm or refund a minute; 0 for no limit."
    )
    rate_guest_payments_per_min: int = Field(
        300,
        ge=0,
        description="Payments guests outside WeChat may start or confirm from one address a minute; 0 for no limit.",
    )
    rate_logins_per_min: int = Field(
        1_200, ge=0, description="Logins from one address a minute, many phones share one; 0 for no limit."
    )

    wechat_api: Literal["v2", "v3"] = Field("v2", description="Which WeChat Pay API new payments use.")
    wechat_appid: str = Field("", description="The official account's appid.")
    wechat_app_secret: SecretStr = Field(SecretStr(""), description="The official account's AppSecret.")
    wechat_miniprogram_appid: str = Field("", description="The mini-program's appid; without it none can pay.")
    wechat_miniprogram_secret: SecretStr = Field(
        SecretStr(""), description="The mini-program's AppSecret; without it nobody logs in there."
    )
    wechat_open_appid: str = Field("", description="The app's appid at the open platform; without it no app can pay.")
    wechat_mchid: str = Field("", description="The merchant number. Without it the simulated WeChat is used.")
    wechat_api_keys: Secrets = Field((), description="API v2 keys, 32 characters each.")
    wechat_trade_types: Words = Field(
        tuple(TradeType),
        description="How friends may pay: what the contract with WeChat covers and an appid is there for.",
    )
    wechat_sign_type: Literal["HMAC-SHA256", "MD5"] = Field(
        "HMAC-SHA256", description="Signature algorithm of API v2, for what is sent and for what is believed."
    )
    wechat_mch_cert_file: str = Field(
        "", description="The merchant's API certificate, a PEM file; without it API v2 can refund nothing."
    )
    wechat_mch_private_key_file: str = Field(
        "", description="The private key of that certificate, a PEM file; it signs what API v3 is asked."
    )
    wechat_mch_serial: str = Field("", description="The serial number of that certificate, as API v3 wants it.")
    wechat_api_v3_keys: Secrets = Field(
        (), description="API v3 keys, 32 characters each; all open what WeChat encrypts."
    )
    wechat_public_keys: Words = Field(
        (), description="WeChat Pay public keys for API v3, `PUB_KEY_ID_…=file` each; certificates are fetched."
    )
    wechat_base_urls: Words = Field(
        ("https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com"),
        description="Hosts of WeChat Pay; the next one is tried when one does not answer.",
    )
    wechat_template_id: str = Field(
        "", description="Template of the message to an initiator who is not looking; empty for no messages."
    )
    wechat_template_fields: Words = Field(
        ("thing1=title", "thing2=payer", "amount3=amount", "time4=paid_at"),
        description="What each field of that template says: `title`, `payer`, `amount`, `progress` or `paid_at`.",
    )
    wechat_subscribe_template_id: str = Field(
        "", description="The same as a subscribe message, for who agreed to one; tried after the template."
    )
    wechat_subscribe_template_fields: Words = Field(
        ("thing1=title", "thing2=payer", "amount3=amount", "time4=paid_at"),
        description="What each field of that one says.",
    )
    wechat_miniprogram_template_id: str = Field(
        "", description="The same as a subscribe message of the mini-program; tried last."
    )
    wechat_miniprogram_template_fields: Words = Field(
        ("thing1=title", "thing2=payer", "amount3=amount", "time4=paid_at"),
        description="What each field of that one says.",
    )
    wechat_verify_files: Words = Field(
        (), description="Files by which WeChat sees that the domain is ours, `MP_verify_….txt`; served at `/`."
    )
    wechat_official_url: str = Field("", description="Host of the official-account API; default WeChat's own.")
    wechat_authorize_url: str = Field("", description="Host of WeChat's login page; default WeChat's own.")
    wechat_timeout_s: float = Field(5.0, gt=0, le=30, description="Longest wait for one call to WeChat, in seconds.")

    order_ttl_s: int = Field(
        86400, ge=60, le=7 * 86400, description="How long an order stays open unless it says so itself."
    )
    order_max_amount: int = Field(10_000_000, ge=1, le=10**9, description="Largest order, in fen.")
    pay_lease_s: int = Field(
        120, ge=0, le=3600, description="How long a share is kept for who pressed pay; 0 for not at all."
    )
    reconcile_daily_at: str = Field(
        "",
        description="When to compare yesterday with WeChat's bill, Beijing time, `10:30`; default never by itself.",
    )
    reward_initiator_points: int = Field(
        0, ge=0, le=10**6, description="Points an initiator earns when a friend pays for him; 0 for none."
    )
    reward_payer_points: int = Field(0, ge=0, le=10**6, description="Points a friend earns for paying; 0 for none.")

    rate_merchant_per_min: int = Field(
        1_200, ge=0, description="Requests a minute with one key of the merchant API; 0 for no limit."
    )
    merchant_name: str = Field("商家", max_length=32, description="Who asks, in orders the merchant places for itself.")
    merchant_api_keys: Words = Field(
        (), description="Keys of the merchant API, each as `python run.py merchant-key` prints it; none: no such API."
    )
    webhook_url: Words = Field(
        (),
        description="Addresses of the merchant that are told what becomes of orders, one for each host; default none.",
    )
    webhook_secrets: Secrets = Field(
        (), description="Keys that sign what they are told, `whsec_` and base64 each; all of them sign."
    )
    webhook_allow_private: bool = Field(
        default=False, description="Whether `WEBHOOK_URL` may name private addresses, and plain http."
    )
    webhook_ca_file: str = Field(
        "", description="Authorities that `WEBHOOK_URL` is trusted by beside the usual ones, a PEM file."
    )
    webhook_keep_days: int = Field(
        30, ge=7, le=3650, description="How long the log of what they were told is kept, in days."
    )

    @field_validator(
        "session_secrets",
        "allowed_origins",
        "trusted_proxies",
        "wechat_api_keys",
        "wechat_base_urls",
        "wechat_api_v3_keys",
        "wechat_public_keys",
        "wechat_template_fields",
        "wechat_subscribe_template_fields",
        "wechat_miniprogram_template_fields",
        "wechat_trade_types",
        "merchant_api_keys",
        "webhook_url",
        "webhook_secrets",
        "wechat_verify_files",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value

    @field_validator("public_url", "wechat_official_url", "wechat_authorize_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        return _origin(value) if value else value

    @field_validator("allowed_origins", "wechat_base_urls")
    @classmethod
    def _check_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(url) for url in value)

    @field_validator("wechat_trade_types")
    @classmethod
    def _check_trade_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not set(value) <= set(TradeType):
            raise ValueError(f"write some of {', '.join(TradeType)}, separated by commas")
        return value

    @field_validator("wechat_template_fields", "wechat_subscribe_template_fields", "wechat_miniprogram_template_fields")
    @classmethod
    def _check_template_fields(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any(not re.fullmatch(rf"[A-Za-z_0-9]+=({'|'.join(FACTS)})", field) for field in value):
            raise ValueError(f"write field=fact, separated by commas; a fact is one of {', '.join(FACTS)}")
        if len({field.partition("=")[0] for field in value}) < len(value):
            raise ValueError("a field is there twice")
        return value

    @field_validator("mongodb_url")
    @classmethod
    def _check_mongodb_url(cls, value: SecretStr) -> SecretStr:
        # The rest is the driver's to read, at start.
        if value.get_secret_value() and not re.match(r"mongodb(\+srv)?://[^/?#\s]", value.get_secret_value()):
            raise ValueError("write it as mongodb://user:password@host1,host2/database, each part percent-encoded")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            _check_redis(value.get_secret_value())
        return value

    @field_validator("merchant_name")
    @classmethod
    def _check_name(cls, value: str) -> str:
        if not value.strip() or not value.isprintable():
            raise ValueError("write a name that people can read")
        return value

    @field_validator("merchant_api_keys")
    @classmethod
    def _check_merchant_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len({read_key(line).key_id for line in value}) < len(value):
            raise ValueError("two keys have the same id")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _check_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            try:
                ip_network(network, strict=False)
            except ValueError:
                raise ValueError("write addresses or networks such as 10.0.0.0/8") from None
        return value

    @field_validator("reconcile_daily_at")
    @classmethod
    def _check_reconcile_daily_at(cls, value: str) -> str:
        # Source: WeChat Pay API v2, "download bill".
        if value and not re.fullmatch(r"(1[0-9]|2[0-3]):[0-5][0-9]", value):
            raise ValueError("write it as 10:30, from 10:00 on: WeChat has no bill before")
        return value

    @field_validator("session_secrets")
    @classmethod
    def _check_session_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < 32 for secret in value):
            raise ValueError("each secret needs 32 characters or more")
        return _all_different(value)

    @field_validator("admin_password")
    @classmethod
    def _check_admin_password(cls, value: SecretStr) -> SecretStr:
        password = value.get_secret_value()
        if password and (len(password) < 12 or len(set(password)) < 6):
            raise ValueError("12 characters or more, and not the same few again and again")
        return value

    @field_validator("wechat_api_keys", "wechat_api_v3_keys")
    @classmethod
    def _check_api_keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            key = secret.get_secret_value()
            if not re.fullmatch(r"[!-~]{32}", key):
                raise ValueError("each key has exactly 32 characters")
            if len(set(key)) < 6 or key in SAMPLE_KEYS:
                raise ValueError("this key is no secret: make a random one in the merchant platform")
        return _all_different(value)

    @field_validator("wechat_mch_cert_file", "wechat_mch_private_key_file")
    @classmethod
    def _check_file(cls, value: str) -> str:
        if value:
            _check_readable(value)
        return value

    @field_validator("wechat_verify_files")
    @classmethod
    def _check_verify_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for file in value:
            if not re.fullmatch(r"[0-9A-Za-z_]{1,64}\.txt", Path(file).name):
                raise ValueError("name the files as WeChat gave them, MP_verify_….txt")
            _check_readable(file)
        return value

    @field_validator("wechat_mch_serial")
    @classmethod
    def _check_serial(cls, value: str) -> str:
        if value and not re.fullmatch(r"[0-9A-Fa-f]{8,40}", value):
            raise ValueError("write the serial number in hexadecimal, as the merchant platform shows it")
        return value.upper()

    @field_validator("wechat_public_keys")
    @classmethod
    def _check_public_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for word in value:
            name, _, file = word.partition("=")
            if not re.fullmatch(r"PUB_KEY_ID_[0-9]+", name) or not file:
                raise ValueError("write each as PUB_KEY_ID_0123456789=file.pem")
            _check_readable(file)
        if len({word.partition("=")[0] for word in value}) < len(value):
            raise ValueError("one of the ids is there twice")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _check_webhook_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        parts = [urlsplit(url) for url in value]
        if any(p.scheme not in ("http", "https") or not p.hostname or p.username or p.fragment for p in parts):
            raise ValueError("write each as https://host/path, without a user")
        if len({p.netloc for p in parts}) < len(parts):
            raise ValueError("two of them have the same host")
        return value

    @field_validator("webhook_secrets")
    @classmethod
    def _check_webhook_secrets(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            read_secret(secret.get_secret_value())
        return _all_different(value)

    @field_validator("webhook_ca_file")
    @classmethod
    def _check_webhook_ca_file(cls, value: str) -> str:
        if value:
            _check_readable(value)
            try:
                ssl.create_default_context(cafile=value)
            except ssl.SSLError:
                raise ValueError(f"{value} holds no certificate in PEM") from None
        return value

    @model_validator(mode="after")
    def _check_webhooks(self) -> Self:
        if bool(self.webhook_url) != bool(self.webhook_secrets):
            raise ValueError("WEBHOOK_URL and WEBHOOK_SECRETS go together: set both, or none")
        if not self.webhook_allow_private and any(not url.startswith("https://") for url in self.webhook_url):
            raise ValueError("WEBHOOK_URL must be https, unless WEBHOOK_ALLOW_PRIVATE is true")
        return self

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        if self.wechat_mch_cert_file and not self.wechat_mch_private_key_file:
            raise ValueError("WECHAT_MCH_CERT_FILE needs WECHAT_MCH_PRIVATE_KEY_FILE, its key")
        if self.wechat_mch_private_key_file and not (self.wechat_mch_cert_file or self.wechat_mch_serial):
            raise ValueError(
                "WECHAT_MCH_PRIVATE_KEY_FILE needs WECHAT_MCH_CERT_FILE (API v2) or WECHAT_MCH_SERIAL (v3)"
            )
        return self

    @model_validator(mode="after")
    def _check_api_v3(self) -> Self:
        needed = ("wechat_api_v3_keys", "wechat_mch_serial", "wechat_mch_private_key_file")
        missing = [name.upper() for name in needed if not getattr(self, name)]
        given = self.wechat_api_v3_keys or self.wechat_mch_serial or self.wechat_public_keys
        if given and missing:
            raise ValueError(f"{', '.join(missing)} must be set as well for API v3")
        if self.wechat_api == "v3" and missing and not self.needs_simulator:
            raise ValueError(f"{', '.join(missing)} must be set when WECHAT_API is v3")
        if self.wechat_api == "v2" and not self.wechat_api_keys and not self.needs_simulator:
            raise ValueError("WECHAT_API_KEYS must be set when WECHAT_MCHID is and WECHAT_API is v2")
        return self

    @model_validator(mode="after")
    def _check_miniprogram(self) -> Self:
        if self.wechat_miniprogram_secret.get_secret_value() and not self.wechat_miniprogram_appid:
            raise ValueError("WECHAT_MINIPROGRAM_SECRET is set but WECHAT_MINIPROGRAM_APPID is not")
        if self.wechat_miniprogram_template_id and not self.wechat_miniprogram_secret.get_secret_value():
            raise ValueError("WECHAT_MINIPROGRAM_TEMPLATE_ID is set but WECHAT_MINIPROGRAM_SECRET is not")
        return self

    @model_validator(mode="after")
    def _check_processes(self) -> Self:
        if self.processes > 1 and self.is_alone:
            raise ValueError("PROCESSES above 1 needs MONGODB_URL and REDIS_URL: SQLite and memory serve one process")
        return self

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.needs_simulator:
            ours = (
                "wechat_appid",
                "wechat_app_secret",
                "wechat_api_keys",
                "wechat_mch_cert_file",
                "wechat_api_v3_keys",
            )
            named = [name for name in ours if name in self.model_fields_set]
            if named:
                raise ValueError(f"{named[0].upper()} is set but WECHAT_MCHID is not: set it, or none of them")
            if not _is_loopback(self.origin):
                raise ValueError("PUBLIC_URL is public but WeChat would be simulated: set WECHAT_MCHID")
            return self
        needed = ("public_url", "session_secrets", "wechat_appid", "wechat_app_secret")
        if missing := [name.upper() for name in needed if not _as_text(getattr(self, name))]:
            raise ValueError(f"{', '.join(missing)} must be set when WECHAT_MCHID is")
        if not self.wechat_base_urls:
            raise ValueError("WECHAT_BASE_URLS must name a host")
        if self.simulator_url and not _is_loopback(self.origin):
            raise ValueError("PUBLIC_URL is public but WECHAT_BASE_URLS is a simulated WeChat")
        return self

    def with_merchant(self, **named: Any) -> "Settings":
        """Return these settings with a merchant, checked again as a whole."""
        return load_settings(**{**{name: getattr(self, name) for name in self.model_fields_set}, **named})

    @property
    def reconcile_daily_at_ms(self) -> int | None:
        """That time of day in milliseconds since midnight, or None if it is switched off."""
        hours, _, minutes = self.reconcile_daily_at.partition(":")
        return (int(hours) * 60 + int(minutes)) * 60_000 if hours else None

    def as_environment(self, *, process: int = 0) -> dict[str, str]:
        """Return what was set, as the environment of another process of this server, its first being number 0."""
        environment = {name.upper(): _as_text(getattr(self, name)) for name in self.model_fields_set}
        if self.metrics_port:
            environment["METRICS_PORT"] = str(self.metrics_port + process)
        return environment

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret among the settings, and the passwords in addresses: what no log line may show."""
        values = [getattr(self, name) for name in type(self).model_fields]
        flat = [each for value in values for each in (value if isinstance(value, tuple) else (value,))]
        secrets = [each.get_secret_value() for each in flat if isinstance(each, SecretStr)]
        passwords = re.findall(r"//[^/@]*:([^/@]+)@", f"{_as_text(self.mongodb_url)} {_as_text(self.redis_url)}")
        return tuple(filter(None, (*secrets, *passwords)))

    @property
    def is_alone(self) -> bool:
        """Can no other process write what this one reads, or hear what it says? That takes MongoDB and Redis."""
        return not (self.mongodb_url.get_secret_value() and self.redis_url.get_secret_value())

    @property
    def message_templates(self) -> tuple[Template, ...]:
        """By which messages an initiator may be told of a payment, in the order they are tried."""
        named = (
            (MessageKind.TEMPLATE, self.wechat_template_id, self.wechat_template_fields),
            (MessageKind.SUBSCRIBE, self.wechat_subscribe_template_id, self.wechat_subscribe_template_fields),
            (MessageKind.MINIPROGRAM, self.wechat_miniprogram_template_id, self.wechat_miniprogram_template_fields),
        )
        return tuple(
            Template(kind, template_id, dict(field.split("=") for field in fields))
            for kind, template_id, fields in named
            if template_id
        )

    @property
    def trade_types(self) -> frozenset[TradeType]:
        """How friends may pay, as far as there is an appid for it."""
        return frozenset(map(TradeType, self.wechat_trade_types))

    @property
    def needs_simulator(self) -> bool:
        """Does nobody say which merchant we are? Then a simulated WeChat is started beside the server."""
        return not self.wechat_mchid

    @property
    def speaks_v3(self) -> bool:
        """Are the keys of API v3 here? Then payments that began with it are seen to, whatever new ones use."""
        return bool(self.wechat_api_v3_keys)

    @property
    def simulator_url(self) -> str:
        """The simulated WeChat we talk to, or nothing: WeChat Pay's host is this machine."""
        base_url = self.wechat_base_urls[0] if self.wechat_base_urls else ""
        return base_url if base_url and _is_loopback(base_url) else ""

    @cached_property
    def merchant_keys(self) -> tuple[MerchantKey, ...]:
        """The keys of the merchant API."""
        return tuple(map(read_key, self.merchant_api_keys))

    @property
    def origin(self) -> str:
        """The one address of daifu: scheme, host, port."""
        return self.public_url or f"http://{self.host if self.host in LOOPBACK_HOSTS else '127.0.0.1'}:{self.port}"

    @property
    def official_url(self) -> str:
        """Where the official-account API is: with a simulated WeChat Pay, the simulator."""
        return self.wechat_official_url or self.simulator_url or "https://api.weixin.qq.com"

    @property
    def authorize_url(self) -> str:
        """Where WeChat's login page is."""
        return self.wechat_authorize_url or self.simulator_url or "https://open.weixin.qq.com"


def load_settings(**overrides: Any) -> Settings:
    """
    Read the environment and `.env`.

    Raises:
        BadSettings: Something is missing or wrong; its lines name every such setting and never a value.
    """
    try:
        return Settings(**overrides)
    except ValidationError as invalid:
        errors = invalid.errors(include_input=False)
        raise BadSettings(tuple(_line(error["loc"], error["msg"], error["type"]) for error in errors)) from None


def session_secret_of(data_dir: Path) -> SecretStr:
    """Return this installation's own session key, made at the first start. For the simulated WeChat only."""
    path = data_dir / "session.key"
    data_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(48))
    return SecretStr(path.read_text())


def _check_readable(file: str) -> None:
    try:
        Path(file).open("rb").close()
    except OSError as exc:
        raise ValueError(f"{file} cannot be read: {exc.strerror}") from None


def _as_text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_as_text, value))
    return str(value.get_secret_value() if isinstance(value, SecretStr) else value)


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in LOOPBACK_HOSTS


def _line(loc: tuple[int | str, ...], message: str, kind: str) -> str:
    if kind == "extra_forbidden":
        return f"{str(loc[0]).upper()} in .env is no setting of daifu"
    message = message.removeprefix("Value error, ")
    return f"{str(loc[0]).upper()}: {message}" if loc else message


def _all_different(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if len({value.get_secret_value() for value in values}) < len(values):
        raise ValueError("one of them is there twice")
    return values


def _check_redis(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_fine = parts.scheme in ("redis", "rediss") and parts.hostname and parts.port != 0
    except ValueError:  # its own words may show a part of the password
        is_fine = False
    if not is_fine or parts.query or parts.fragment or not re.fullmatch(r"(/[0-9]*)?", parts.path):
        raise ValueError("write it as redis://[user:password@]host[:port][/database], each part percent-encoded")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write it as https://host")
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("only scheme, host and port, no path")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("plain http only on this machine: use https")
    return f"{parts.scheme}://{parts.netloc}"
