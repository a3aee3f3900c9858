"""The command that serves."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from commands.options import VAR, Config, StoreUrl, Var, store_url

if TYPE_CHECKING:
    from serving.champion.artifact_sources import ArtifactSource
    from settings import Settings


def _champions(var: Path, settings: Settings, cache: Path) -> ArtifactSource:
    """Where the champion comes from; where a chain is set, those of all its targets together.

    What is noted in the workspace counts only where none has served yet: MLflow may have been asked since.
    """
    from serving.champion.artifact_cache import ArtifactCache
    from serving.champion.artifact_sources import registry_source
    from serving.champion.chain_source import ChainSource
    from serving.champion.fetch import Fetched
    from training.registry.noted_champion import noted
    from training.registry.ownership import model_name
    from training.registry.registry import CHAMPION, Registry

    registry = Registry(var)
    is_first = ArtifactCache(cache).current() is None and not registry.tracking.is_shared
    names = {name: model_name(name, settings.namespace) for name in settings.chained}
    known = {name: noted(var, model) if is_first else None for name, model in names.items()}
    sources = {
        name: registry_source(var, registry.uri, model, CHAMPION, None if last is None else Fetched.of(last))
        for (name, model), last in zip(names.items(), known.values(), strict=True)
    }
    return ChainSource(settings.target, sources) if len(sources) > 1 else sources[settings.target]


def serve(
    config: Config = None,
    var: Var = VAR,
    artifact: Annotated[Path | None, typer.Option(help="serve this artifact's folder; default: the champion")] = None,
    store: StoreUrl = None,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one")] = 8000,
    look: Annotated[float, typer.Option(min=0.1, help="seconds between looks for a new champion")] = 10.0,
    score_new: Annotated[
        bool, typer.Option(help="score leads that services send for the first time at once; one server of a store does")
    ] = True,
    insecure_local: Annotated[bool, typer.Option("--insecure-local", help="ask for no key; loopback only")] = False,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(help="address or network of a proxy that ends TLS; repeatable", envvar="LEADSCORE_TRUSTED_PROXY"),
    ] = None,
    plain_http: Annotated[
        bool,
        typer.Option("--plain-http", help="other machines may ask unencrypted", envvar="LEADSCORE_PLAIN_HTTP"),
    ] = False,
    allowed_host: Annotated[list[str] | None, typer.Option(help="name to be asked by; repeatable")] = None,
) -> None:
    """Answer requests with the champion in real time. Runs until a signal comes."""
    gc.disable()  # what is imported stays: to look through it again and again would take an eighth of a start
    try:
        from data.compiled import check_ready
        from serving.champion.artifact_sources import FolderSource
        from serving.http.services import SalesDesk
        from serving.server import Options, serve
        from serving.telemetry.server_log import ServerLog
        from settings_file import read_settings, settings_path
        from training.registry.registry import Registry
    finally:
        gc.enable()

    if not check_ready():
        ServerLog().write("not_compiled", remedy="`leadscore compile`, once, at set-up; this start takes longer")
    settings = read_settings(settings_path(config))
    name = settings.model_name
    cache = var / "serving" / name
    source = FolderSource(artifact, name) if artifact else _champions(var, settings, cache)
    serve(
        Options(
            source,
            cache,
            store_url(var, store),
            host,
            port,
            insecure_local,
            look_s=look,
            trusted_proxies=tuple(trusted_proxy or ()),
            plain_http=plain_http,
            hosts=tuple(name.lower() for name in allowed_host or ()),
            workspace=var,
            tracking="" if artifact else Registry(var).address,
            personal_ids=settings.personal_ids,
            target=settings.target,
            score_new=score_new,
            zone=ZoneInfo(settings.time_zone),
            costs=settings.costs.model_dump(),
            sales=SalesDesk(
                **settings.sales.model_dump(exclude={"reject_reasons"}), reasons=settings.sales.reject_reasons
            ),
        )
    )
