"""``tilefleet serve``: the gateway, and who it lets in."""

from dataclasses import replace
from pathlib import Path

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
    open_: bool,
    legacy: str,
    max_requests: int,
    log_requests: bool,
) -> None:
    """Serve captchas over HTTP: POST a picture to /v1/solve, or open the page at /."""
    from producer.gateway import server
    from producer.gateway.app import Gateway
    from producer.gateway.keys import KeyFile

    settings = Settings.from_environ()
    if cors:
        try:
            settings = replace(settings, cors=values.origins(",".join(cors)))
        except ValueError as error:
            raise SettingError(f"--cors is not usable: give {error}") from None
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
