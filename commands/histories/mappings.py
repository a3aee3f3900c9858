"""The command about shipped mappings: which there are, and one of them as a file to copy."""

from __future__ import annotations

from typing import Annotated

import typer

from commands.options import AsJson
from console import Screen
from data.contract import UsageError


def mappings(
    name: Annotated[str | None, typer.Argument(help="print this one: leadscore mappings hubspot > my_crm.toml")] = None,
    as_json: AsJson = False,
) -> None:
    """List the shipped mappings, or print one to copy."""
    from data.sources.mapping import shipped_mappings

    shipped = shipped_mappings()
    if name is not None and name not in shipped:
        raise UsageError(f"there is no shipped mapping {name!r}; there are {', '.join(shipped)}")
    if name is not None:
        typer.echo(shipped[name].read_text(encoding="utf-8"), nl=False)
        return
    about = [_about(name, path.read_text(encoding="utf-8")) for name, path in shipped.items()]
    screen = Screen(as_json=as_json)
    screen.table("shipped mappings", ["name", "what it maps"], about)
    screen.result(dict(about))


def _about(name: str, text: str) -> tuple[str, str]:
    """Its name, and the sentence with which the file begins."""
    return name, text.split("\n", 1)[0].removeprefix("# ")
