"""``tilefleet models list / show / diff / rename / remove / use``: what is in the store, and which
model workers read with."""

import json
from typing import Any

import click

from producer.terminal.options import MODEL, POSITIVE
from tilefleet.errors import FleetUnreachable, ModelError
from tilefleet.settings import Settings


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_models(as_json: bool) -> None:
    """Show the models and which workers use them.

    With where they come from, and how right they are. Those that workers load are marked with a
    star. --json has all that their manifests tell.
    """
    from models import store
    from producer.terminal.catalogue import show_model, show_workers
    from producer.terminal.text import printable

    settings = Settings.from_environ()
    readers, why = _readers(settings)
    for entry in store.entries(root=settings.store):
        if isinstance(entry, tuple):
            folder, error = entry
            click.echo(printable(f"  {folder.name}: cannot be used: {error}"), err=True)
            continue
        manifest = entry.manifest
        workers = readers.pop(entry.identity, [])
        if as_json:
            row: dict[str, Any] = {
                "model": entry.identity,
                "folder": str(entry.folder),
                "parameters": manifest.parameters,
                "precision": manifest.precision,
                "training": manifest.training,
                "evaluation": manifest.evaluation,
                "workers": None if why else workers,
            }
            click.echo(json.dumps(row, ensure_ascii=False))
        else:
            chosen = manifest.name in settings.models
            click.echo(show_model(manifest, chosen=chosen, workers=workers))
    for identity, workers in readers.items():
        line = f"{show_workers(workers)} with {identity}, which is not in this store"
        click.echo(printable(line), err=True)
    _say_unknown(why)


@click.command()
@click.argument("name", type=MODEL)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(name: str, as_json: bool) -> None:
    """Show all of a model, and whether its files are whole.

    Exit code 1 if they are not.
    """
    from models import store
    from producer.terminal.catalogue import describe, outline, whole
    from producer.terminal.text import printable

    settings = Settings.from_environ()
    entry = store.find(name, root=settings.store)
    readers, why = _readers(settings)
    told = describe(entry, workers=None if why else readers.get(entry.identity, []))
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        click.echo(printable("\n".join(outline(told))))
        _say_unknown(why)
    if not whole(told):
        raise SystemExit(1)


@click.command()
@click.argument("first", metavar="A", type=MODEL)
@click.argument("second", metavar="B", type=MODEL)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per difference.")
def diff(first: str, second: str, as_json: bool) -> None:
    """Show what tells model A from model B.

    Their networks, how they were made, and their figures.
    """
    from models import store
    from models.store.difference import differences
    from producer.terminal.catalogue import show_differences
    from producer.terminal.text import printable

    settings = Settings.from_environ()
    pair = [store.find(name, root=settings.store) for name in (first, second)]
    found = differences(*pair)
    if as_json:
        for each in found:
            row = {"value": list(each.path), first: each.first, second: each.second}
            click.echo(json.dumps(row, ensure_ascii=False))
    else:
        lines = show_differences(pair[0].identity, pair[1].identity, found)
        click.echo(printable("\n".join(lines)))


_force: Any = click.option("--force", is_flag=True, help="Also if running workers use it.")


@click.command()
@click.argument("name", type=MODEL)
@click.argument("new")
@_force
def rename(name: str, new: str, force: bool) -> None:
    """Call a model NEW; the built-in ones keep their names."""
    from models import store

    settings = Settings.from_environ()
    store.check_free(new, root=settings.store)
    _check_unused(name, settings, force=force)
    click.echo(f"{name} is {new} now, in {store.rename(name, new, root=settings.store)}")
    _warn_of_setting(name, settings)


@click.command()
@click.argument("names", metavar="NAME…", nargs=-1, required=True, type=MODEL)
@_force
def remove(names: tuple[str, ...], force: bool) -> None:
    """Remove models from the store; nothing brings them back.

    Also such as cannot be used.
    """
    from models import store

    settings = Settings.from_environ()
    for name in names:
        _check_unused(name, settings, force=force)
        click.echo(f"removed {store.remove(name, root=settings.store)}")
        _warn_of_setting(name, settings)


@click.command()
@click.argument("name", type=MODEL)
@click.option("--worker", "workers", multiple=True, metavar="NODE", help="Only this; repeatable.")
@click.option(
    "--timeout",
    type=POSITIVE,
    default=120.0,
    show_default=True,
    help="Seconds to wait for the workers.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per worker.")
def use(name: str, workers: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Have running workers read with another model, without a pause.

    It reads what names no model from then on. Each worker loads and warms it beside those that it
    holds. One that it held becomes its default, and the former default stays held; one that it did
    not hold takes the default's place. Where that fails, nothing changes; exit code 1 then. Workers
    that start later load what their TILEFLEET_MODEL says.
    """
    from producer.monitoring.remote import Remote, use_model
    from producer.terminal.text import printable

    settings = Settings.from_environ()
    failed = 0

    def say(node: str, progress: dict[str, Any]) -> None:
        nonlocal failed
        bad = progress["state"] == "failed"
        failed += bad
        if as_json:
            click.echo(json.dumps({"worker": node, **progress}, ensure_ascii=False))
        elif bad:
            click.echo(printable(f"{node}  nothing changed: {progress['why']}"), err=True)
        elif progress["model"] == progress["before"]:
            click.echo(f"{node}  reads with {progress['model']} already")
        else:
            change = f"{progress['before']} → {progress['model']}"
            click.echo(f"{node}  {change} in {progress['seconds']:.2f} s")

    remote = Remote(settings, timeout=min(timeout, 5.0))
    use_model(remote, name, workers=workers, timeout=timeout, say=say)
    if settings.model != name and not as_json and not failed:
        gone = name if name in settings.models else settings.model
        later = ",".join([name, *(each for each in settings.models if each != gone)])
        click.echo(f"to have later workers load it too, set TILEFLEET_MODEL={later}", err=True)
    if failed:
        raise SystemExit(1)


def _readers(settings: Settings) -> tuple[dict[str, list[str]], str]:
    """Identity of a model → the workers that read with it; or nothing, and why not."""
    from producer.monitoring.readers import readers

    try:
        return readers(settings), ""
    except FleetUnreachable as error:
        return {}, str(error)


def _say_unknown(why: str) -> None:
    from producer.terminal.text import printable

    if why:
        click.echo(printable(f"which workers use them is not known: {why}"), err=True)


def _check_unused(name: str, settings: Settings, *, force: bool) -> None:
    """Raise ModelError if workers that are known of read with a model called so."""
    used = [
        worker
        for identity, workers in _readers(settings)[0].items()
        if identity.rpartition("@")[0] == name
        for worker in workers
    ]
    if used and not force:
        raise ModelError(
            f"{', '.join(used)} read{'s' if len(used) == 1 else ''} with {name!r}, and could not "
            "load it again; --force does it all the same"
        )


def _warn_of_setting(name: str, settings: Settings) -> None:
    from models import store

    if name in settings.models and name not in store.names(settings.store):
        set_to = ",".join(settings.models)
        click.echo(f"TILEFLEET_MODEL={set_to} names no model {name!r} now", err=True)
