"""What the settings say by themselves, of those that may be set so and should not. Pure."""

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from server.doctor.finding import Finding, by_hand, ok, warning, wrong
from settings import LOOPBACK_HOSTS, Settings

FEWEST_DIFFERENT_CHARACTERS: Final = 12  # a random secret of 32 has about twenty
WIDEST_NETWORK: Final = 65536  # addresses; nobody runs proxies on more
# Source: WeChat Pay API, hosts and backup hosts.
WECHAT_PAY_HOSTS: Final = frozenset(
    {"api.mch.weixin.qq.com", "api2.mch.weixin.qq.com", "apihk.mch.weixin.qq.com", "api2.wechatpay.cn"}
)


def check_configuration(settings: Settings, *, cores: int) -> list[Finding]:
    """Return what can be said of the settings alone; `cores` is how many this machine has."""
    found = [*_secrets(settings), *_neighbours(settings)]
    if not settings.simulator_url:
        found += [*_address(settings), *_wechat(settings)]
    if settings.processes > cores:
        found.append(warning("processes_beyond_cores", processes=settings.processes, cores=cores))
    return found or [ok("settings_fine")]


def domains_to_enter(settings: Settings) -> Finding:
    """Return what has to be entered on WeChat's side, where nobody can ask whether it is."""
    host = urlsplit(settings.origin).hostname or ""
    return by_hand("domains_to_enter", host=host, directory=f"{settings.origin}/pay/")


def _secrets(settings: Settings) -> Iterator[Finding]:
    if any(len(set(secret.get_secret_value())) < FEWEST_DIFFERENT_CHARACTERS for secret in settings.session_secrets):
        yield wrong("session_secret_weak")
    holders: dict[str, str] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        for secret in value if isinstance(value, tuple) else (value,):
            if not isinstance(secret, SecretStr) or not secret.get_secret_value():
                continue
            other = holders.setdefault(secret.get_secret_value(), name)
            if other != name:
                yield wrong("secret_used_twice", setting=other.upper(), other=name.upper())


def _neighbours(settings: Settings) -> Iterator[Finding]:
    """Who stands between browsers and daifu, and who else can reach it."""
    if any(ip_network(each, strict=False).num_addresses > WIDEST_NETWORK for each in settings.trusted_proxies):
        yield wrong("proxies_everybody")
    # daifu ends no TLS itself: where the address is https, a proxy stands before it.
    if not settings.trusted_proxies and settings.origin.startswith("https:"):
        yield warning("proxies_unnamed")
    if settings.metrics_port and not _is_inside(settings.metrics_host):
        yield warning("metrics_open", host=settings.metrics_host, port=settings.metrics_port)


def _address(settings: Settings) -> Iterator[Finding]:
    """Source: WeChat Pay API, "notify_url": https, a public host, no query, and no port."""
    parts = urlsplit(settings.origin)
    if not _is_public(parts.hostname or ""):
        yield wrong("public_url_private", url=settings.origin)
    elif parts.port is not None:
        yield wrong("public_url_port", url=settings.origin)


def _wechat(settings: Settings) -> Iterator[Finding]:
    if settings.wechat_api_keys and settings.wechat_sign_type == "MD5":
        yield warning("sign_type_md5")
    hosts = [urlsplit(url).hostname or "" for url in settings.wechat_base_urls]
    for host in hosts:
        if host not in WECHAT_PAY_HOSTS:
            yield warning("wechat_host_foreign", host=host)
    if len(hosts) < 2:
        yield warning("wechat_host_alone", host=hosts[0])
    if settings.wechat_api_keys and not settings.wechat_mch_cert_file:
        yield warning("refunds_impossible")
    if not settings.reconcile_daily_at:
        yield warning("reconcile_off")


def _is_inside(host: str) -> bool:
    if host in LOOPBACK_HOSTS:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False  # a name: it may mean anything
    return address.is_private and not address.is_unspecified


def _is_public(host: str) -> bool:
    if host in LOOPBACK_HOSTS or "." not in host or host.endswith((".local", ".internal", ".localhost")):
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        return True
