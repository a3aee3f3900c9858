"""Commands about accounts of the people who use the page: add, list, remove, change a password, unlock."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from commands.options import VAR, AsJson, StoreUrl, Var, now_us, store_url
from console import Screen

WHO = "command line"
NAME = typer.Argument(help="letters, digits or ._@-")
users = typer.Typer(no_args_is_help=True, help="Accounts for the page: add, list, remove, password, unlock.")


@users.command()
def add(
    name: Annotated[str, NAME],
    role: Annotated[str, typer.Argument(help="viewer, editor or admin")],
    var: Var = VAR,
    store: StoreUrl = None,
) -> None:
    """Add an account. The password is asked for, or read from standard input."""
    from serving.store.store import open_store

    with open_store(store_url(var, store)) as opened:
        opened.accounts.add(name, _password(), role, now_us())
        opened.audit.add(WHO, f"add account {name} as {role}", now_us())
    Screen().tell(f"{name} may sign in as {role}")


@users.command(name="list")
def list_users(var: Var = VAR, store: StoreUrl = None, as_json: AsJson = False) -> None:
    """List accounts and their roles."""
    from serving.store.store import open_store

    screen = Screen(as_json=as_json)
    with open_store(store_url(var, store)) as opened:
        accounts = opened.accounts.list()
    screen.table("accounts", ["name", "role"], [[account.name, account.role] for account in accounts])
    screen.result([asdict(account) for account in accounts])


@users.command()
def remove(name: Annotated[str, NAME], var: Var = VAR, store: StoreUrl = None) -> None:
    """Remove an account; whoever is signed in with it is out at once."""
    from serving.store.store import open_store

    with open_store(store_url(var, store)) as opened:
        opened.accounts.remove(name)
        opened.audit.add(WHO, f"remove account {name}", now_us())
    Screen().tell(f"{name} is removed")


@users.command()
def password(name: Annotated[str, NAME], var: Var = VAR, store: StoreUrl = None) -> None:
    """Change a password. Whoever is signed in with the old one is out at once."""
    from serving.store.store import open_store

    with open_store(store_url(var, store)) as opened:
        opened.accounts.set_password(name, _password())
        opened.audit.add(WHO, f"change password of {name}", now_us())
    Screen().tell(f"{name} has a new password")


@users.command()
def unlock(
    name: Annotated[str | None, typer.Argument(help="default: all accounts and addresses")] = None,
    var: Var = VAR,
    store: StoreUrl = None,
) -> None:
    """Forget failed sign-ins, so that nobody has to wait."""
    from serving.store.store import open_store

    with open_store(store_url(var, store)) as opened:
        opened.accounts.unlock(name)
        opened.audit.add(WHO, f"unlock {name or 'all'}", now_us())
    Screen().tell(f"{name or 'everybody'} may try again")


def _password() -> str:
    """Typed twice at a terminal, else the first line of standard input: never an argument that others could see."""
    if sys.stdin.isatty():
        return str(typer.prompt("password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\n")
