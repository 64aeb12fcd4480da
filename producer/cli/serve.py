"""``tilefleet serve``: the gateway, and who it lets in."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from tilefleet import values
from tilefleet.errors import SettingError
from tilefleet.settings import Settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of API keys (tilefleet keys add); TILEFLEET_KEYS if not given.",
)
@click.option(
    "--cors",
    multiple=True,
    metavar="ORIGIN",
    help="Its pages may ask from browsers; may be repeated. TILEFLEET_CORS if not given.",
)
@click.option(
    "--hostname",
    multiple=True,
    metavar="NAME",
    help="It may be asked under this name, as behind a proxy; may be repeated. TILEFLEET_HOSTS if "
    "not given.",
)
@click.option(
    "--proxy",
    multiple=True,
    metavar="ADDRESS",
    help="Believe this address or network whom it asks for; may be repeated. TILEFLEET_PROXIES if "
    "not given (this machine).",
)
@click.option(
    "--prefix", metavar="PATH", help="In front of its paths; TILEFLEET_PREFIX if not given."
)
@click.option("--open", "open_", is_flag=True, help="Serve other machines without keys.")
@click.option(
    "--legacy",
    type=click.Choice(["on", "off", "loopback"]),
    default="loopback",
    show_default=True,
    help="The paths of old servers: for everybody (others need a key), nobody, or this machine.",
)
@click.option(
    "--max-requests", type=click.IntRange(min=1), default=512, show_default=True, help="At once."
)
@click.option("--log-requests", is_flag=True, help="A line for each: path, outcome, sizes.")
def serve(
    host: str,
    port: int,
    keys: Path | None,
    cors: tuple[str, ...],
    hostname: tuple[str, ...],
    proxy: tuple[str, ...],
    prefix: str | None,
    open_: bool,
    legacy: str,
    max_requests: int,
    log_requests: bool,
) -> None:
    """Serve captchas over HTTP.

    POST a picture to /v1/solve, or open the page at /.
    """
    from producer.gateway import server
    from producer.gateway.app import Gateway
    from producer.gateway.keys import KeyFile

    settings = _with_options(
        Settings.from_environ(),
        cors=",".join(cors),
        hosts=",".join(hostname),
        proxies=",".join(proxy),
        prefix=prefix or "",
    )
    file = keys or (Path(settings.keys) if settings.keys else None)
    app = Gateway(
        settings,
        keys=KeyFile(file) if file else None,
        legacy_paths=legacy,
        most_requests=max_requests,
    )
    server.log(settings.log, requests=log_requests)
    sockets = server.listen(host, port)
    if not (file or open_ or server.is_near(sockets)):
        server.close(sockets)
        raise SettingError(
            f"{host} can be reached from other machines: give --keys FILE (tilefleet keys add "
            "makes one), or --open to serve everybody"
        )
    port = sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"http://{shown}:{port}/ takes captchas", err=True)
    server.run(app, sockets, shutdown_s=settings.shutdown_s)


#: Option and parser of the settings that have one here.
_OPTIONS = {
    "cors": ("--cors", values.origins),
    "hosts": ("--hostname", values.hosts),
    "proxies": ("--proxy", values.networks),
    "prefix": ("--prefix", values.prefix),
}


def _with_options(settings: Settings, **given: str) -> Settings:
    """The settings with what was given instead; raises SettingError."""
    for name, text in given.items():
        option, parse = _OPTIONS[name]
        if text:
            try:
                parsed: Any = {name: parse(text)}
                settings = replace(settings, **parsed)
            except ValueError as error:
                raise SettingError(f"{option} is not usable: give {error}") from None
    return settings
