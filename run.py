"""
The one command.

    python run.py             serve: daifu, with the simulated WeChat beside it unless WECHAT_MCHID is set
    python run.py sandbox     the simulated WeChat alone
    python run.py demo        an order, a friend's payment and the live push, played in the terminal
    python run.py orders      look at an order, query, close or refund it, retry what was parked
    python run.py notifies    list, look at and replay what WeChat posted
    python run.py reconcile   compare a day with WeChat's bill, and cure what can be cured
    python run.py stats       funnel, success rate P, fission coefficient K and payments by day, as tables
    python run.py doctor      examine settings, keys, WeChat's side and the stores, and say what to do
    python run.py migrate-store   copy the orders from SQLite to MongoDB
    python run.py merchant-key new   make a key of the merchant API
    python run.py webhooks list      what the merchant's endpoints were told; `webhooks resend ID` tells it again
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import click

from server.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from settings import Settings


class _Commands(click.Group):
    """The commands below and these, which are loaded when one of them is asked for."""

    LATER: ClassVar = {
        "orders": "operator_commands.orders",
        "notifies": "operator_commands.notifies",
        "reconcile": "operator_commands.reconcile",
        "doctor": "operator_commands.doctor",
        "stats": "operator_commands.stats",
        "webhooks": "operator_commands.webhooks",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *self.LATER])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.LATER:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self.LATER[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(context: click.Context) -> None:
    """daifu (代付): a friend pays, the page changes live. Without a command: serve."""
    context.obj = _for_a_command
    if context.invoked_subcommand is None:
        context.invoke(serve)


@main.command()
@click.option("--host", help="Address to listen on (HOST).")
@click.option("--port", type=int, help="Port to listen on (PORT).")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where to keep files (DATA_DIR).")
@click.option("--processes", type=int, help="Server processes on this port (PROCESSES).")
@click.option("--worker", is_flag=True, hidden=True)
def serve(**options: Any) -> None:
    """Serve, with the simulated WeChat beside it unless WECHAT_MCHID is set."""
    from settings import load_settings

    is_worker = options.pop("worker")
    settings = load_settings(**{name: value for name, value in options.items() if value is not None})
    # Who only watches over processes has no use for a fast loop.
    is_serving = is_worker or settings.processes == 1
    with asyncio.Runner(loop_factory=_loop_factory(settings.event_loop) if is_serving else None) as runner:
        runner.run(_serve_as_worker(settings) if is_worker else _serve(settings))


def _loop_factory(event_loop: str) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes this event loop; None makes Python's own."""
    if event_loop == "asyncio":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(settings: "Settings") -> None:
    from handlers.logs import configure_logs
    from handlers.process import serve
    from handlers.supervisor import supervise

    async with _with_merchant(settings) as completed:
        configure_logs(completed.log_format, secrets=completed.secret_values)
        if completed.processes == 1:
            await serve(completed, ready=lambda: _print_addresses(completed))
            return
        command = (sys.executable, __file__, "serve", "--worker")
        environments = [{**os.environ, **completed.as_environment(process=n)} for n in range(completed.processes)]
        await supervise(command, environments, ready=lambda: _print_addresses(completed))


async def _serve_as_worker(settings: "Settings") -> None:
    from handlers.logs import configure_logs
    from handlers.process import serve
    from handlers.supervisor import show_life

    configure_logs(settings.log_format, secrets=settings.secret_values)
    os.set_blocking(sys.stdout.fileno(), False)
    await serve(settings, ready=show_life, alive=show_life, until_stdin_closes=True)


@main.command()
@click.option("--port", type=int, default=8889, show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path), default=Path("var/sandbox"), show_default=True)
def sandbox(port: int, data_dir: Path) -> None:
    """The simulated WeChat alone."""
    from sandbox.__main__ import serve as serve_sandbox

    try:
        asyncio.run(serve_sandbox(host="127.0.0.1", port=port, data_dir=data_dir, until_stdin_closes=False))
    except OSError as error:
        raise ConfigError(f"port {port} for the simulated WeChat cannot be opened: {error.strerror}") from error


@main.command()
def demo() -> None:
    """Play an order, a friend's payment and the live push in the terminal."""
    from sandbox.demo import play

    sys.exit(asyncio.run(play()))


@main.command("migrate-store")
@click.option("--from", "data_dir", type=click.Path(path_type=Path), help="The SQLite file's folder (DATA_DIR).")
@click.option("--to", "mongodb_url", help="The database to copy into (MONGODB_URL, where no password is seen).")
def migrate_store(**options: Any) -> None:
    """Copy all orders from SQLite to MongoDB. Stop the server first; safe to kill and to repeat."""
    from settings import load_settings

    settings = load_settings(**{name: value for name, value in options.items() if value is not None})
    if not settings.mongodb_url.get_secret_value():
        raise ConfigError("MONGODB_URL is not set: name the database to copy into, there or with --to")
    try:
        sys.exit(asyncio.run(_migrate_store(settings)))
    except StoreError as error:
        sys.exit(f"not finished: {error}")


async def _migrate_store(settings: "Settings") -> int:
    """Return the exit code: 0 if both sides hold the same."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from server.bootstrap import SQLITE_FILE
    from server.stores.migrate import migrate

    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bars: dict[str, Any] = {}

        def told(kind: str, done: int, rows: int) -> None:
            if kind not in bars:
                bars[kind] = progress.add_task(kind, total=rows)
            progress.update(bars[kind], completed=done)

        url = settings.mongodb_url.get_secret_value()
        comparisons = await migrate(settings.data_dir / SQLITE_FILE, url, told=told)
    for each in comparisons:
        click.echo(f"{each.kind:12} SQLite  {each.sqlite.rows:9}  sha256 {each.sqlite.sha256}")
        click.echo(f"{'':12} MongoDB {each.mongo.rows:9}  sha256 {each.mongo.sha256}")
    if any(each.sqlite != each.mongo for each in comparisons):
        click.echo("They differ: this MongoDB has orders of its own, or newer ones. Nothing of it was overwritten.")
        return 1
    click.echo("Both hold the same. Set MONGODB_URL and start daifu.")
    return 0


@main.group("merchant-key")
def merchant_key() -> None:
    """Keys of the merchant API."""


@merchant_key.command("new")
@click.argument("key_id")
@click.option("--scope", "scopes", multiple=True, required=True, help="orders:read, orders:write or refunds:write.")
def new_merchant_key(key_id: str, scopes: tuple[str, ...]) -> None:
    """Print a key, once, and the line for MERCHANT_API_KEYS that lets it in."""
    import secrets

    from server.domain.merchant_key import Scope, made_key, read_key

    try:
        key, kept = made_key(key_id, secrets.token_urlsafe(32), [Scope(scope) for scope in scopes])
        read_key(kept.line)
    except ValueError as error:
        raise click.UsageError(f"{error}; KEY_ID is 4 to 32 of a-z and 0-9") from None
    click.echo(f"The key, shown this once; give it to the merchant's server:\n\n    {key}\n")
    click.echo(f"Add to MERCHANT_API_KEYS, with a comma between keys:\n\n    {kept.line}\n")


@asynccontextmanager
async def _with_merchant(settings: "Settings") -> AsyncIterator["Settings"]:
    """Yield settings that name a merchant: the configured one, or the test merchant of a simulator started for it."""
    if not settings.needs_simulator:
        yield settings
        return
    port = settings.port + 1
    simulator = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox", "--port", str(port)),
        *("--data-dir", str((settings.data_dir / "sandbox").absolute()), "--until-stdin-closes"),
        cwd=Path(__file__).parent,
        # It ends when our end of this pipe closes, whatever ends us.
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C reaches the whole foreground group; the simulator has to outlive our drain.
        start_new_session=True,
    )
    pipe, said = cast("asyncio.StreamWriter", simulator.stdin), cast("asyncio.StreamReader", simulator.stdout)
    try:
        if not await said.readline():
            raise ConfigError(f"the simulated WeChat did not start on port {port} (PORT + 1); see the line above")
        yield await _with_test_merchant(settings)
    finally:
        pipe.close()
        await simulator.wait()


@asynccontextmanager
async def _for_a_command(settings: "Settings") -> AsyncIterator["Settings"]:
    """As `_with_merchant`; a simulator that runs already, beside processes that share MongoDB and Redis, is used."""
    import httpx

    from handlers.logs import configure_logs

    configure_logs(settings.log_format)
    if settings.needs_simulator:
        try:
            completed = await _with_test_merchant(settings)
        except httpx.ConnectError:
            pass
        else:
            yield completed
            return
    async with _with_merchant(settings) as completed:
        yield completed


async def _with_test_merchant(settings: "Settings") -> "Settings":
    """Return these settings with the merchant of the simulator on the port after ours."""
    from settings import session_secret_of

    url = f"http://127.0.0.1:{settings.port + 1}"
    merchant = await _test_merchant(url)
    secrets = settings.session_secrets or (session_secret_of(settings.data_dir),)
    return settings.with_merchant(
        public_url=settings.origin,
        session_secrets=secrets,
        wechat_appid=merchant["appid"],
        wechat_app_secret=merchant["app_secret"],
        wechat_mchid=merchant["mch_id"],
        wechat_miniprogram_appid=merchant["miniprogram_appid"],
        wechat_miniprogram_secret=merchant["miniprogram_secret"],
        wechat_api_keys=merchant["api_key"],
        wechat_base_urls=url,
        wechat_open_appid=merchant["open_appid"],
        **_v3_keys(merchant, settings.data_dir / "sandbox"),
    )


def _v3_keys(merchant: dict[str, Any], folder: Path) -> dict[str, str]:
    """Return the settings of API v3 for the test merchant; its keys lie in files, as a real one's do."""
    private_key, public_key = folder / "merchant_key.pem", folder / "wechat_public_key.pem"
    private_key.touch(mode=0o600)
    private_key.write_text(merchant["private_key_pem"])
    public_key.write_text(merchant["platform"]["public_key_pem"])
    return {
        "wechat_api_v3_keys": merchant["api_v3_key"],
        "wechat_mch_serial": merchant["serial_no"],
        "wechat_mch_private_key_file": str(private_key),
        "wechat_public_keys": f"{merchant['platform']['public_key_id']}={public_key}",
    }


async def _test_merchant(url: str) -> dict[str, Any]:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"{url}/_sim/merchant")
        answer.raise_for_status()
        return dict(answer.json())


def _print_addresses(settings: Any) -> None:
    lines = ["", "  daifu is running. Open in a browser:", ""]
    lines += [f"    create an order      {settings.origin}/", f"    dashboard            {settings.origin}/admin"]
    if settings.simulator_url:
        lines += [
            f"    simulated WeChat     {settings.simulator_url}/",
            "",
            "  Choose who you are, create an order, and open its link in another tab as a friend.",
        ]
    lines += [f"  Files are kept in {settings.data_dir}/. Ctrl-C stops.", ""]
    click.echo("\n".join(lines))


if __name__ == "__main__":
    try:
        main()
    except ConfigError as error:
        sys.exit(f"daifu does not start: {error}")
