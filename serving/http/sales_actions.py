"""What somebody wants to do with a lead, checked by what the settings allow, and done: for API and pages alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast, get_args

from serving.http.services import Services
from serving.http.time_zone import midnight
from serving.messages.problems import Refused
from serving.store.events.sales_events import STATES, Action
from serving.store.leads.work import NOBODY, Deed, NoLead, Overtaken, Step
from serving.store.scores.sections import IN_HAND

MOST_DAYS = 365
"""So long a lead may be snoozed."""


@dataclass(frozen=True)
class ActionWish:
    """What somebody wants to do with a lead. seen: see `Deed`. owner: whose it shall be. days: of a snooze."""

    action: str
    seen: int
    owner: str | None = None
    reason: str | None = None
    days: int | None = None


def act_on(services: Services, lead_id: str, wish: ActionWish, who: str, person: str | None) -> Step:
    """Does it. who: as in the audit trail; person: who acts, as an owner of leads; None where only `owner` can say.

    Raises Refused: `invalid` for a wish that cannot be, `conflict` for one that settings or store have no room for and
    when somebody else has acted meanwhile (caused by Overtaken, which says what they did), `not_found` for a lead that
    is not there or objects.
    """
    if services.store.leads.shown(lead_id) is None:
        raise Refused("not_found", NOBODY)
    deed = _deed(services, lead_id, wish, who, person)
    try:
        return services.store.work.act(lead_id, services.target_name, deed, services.clock())
    except Overtaken as error:
        raise Refused("conflict", str(error)) from error
    except NoLead as error:
        raise Refused("not_found", str(error)) from None


def _deed(services: Services, lead_id: str, wish: ActionWish, who: str, person: str | None) -> Deed:
    action = _action(wish.action)
    if action == "reject" and wish.reason not in services.sales.reasons:
        raise Refused("conflict", f"reason: to reject a lead give one of {', '.join(services.sales.reasons)}")
    if action == "snooze" and (wish.days is None or not 1 <= wish.days <= MOST_DAYS):
        raise Refused("invalid", f"days: to snooze a lead give 1 to {MOST_DAYS}")
    if action == "assign" and not wish.owner:
        raise Refused("invalid", "owner: say whom the lead is assigned to")
    until = None
    if action == "snooze" and wish.days is not None:
        # Whole days, so that a request that is sent again asks for the same.
        until = midnight(services.clock(), wish.days, services.zone)
    worker = _worker(services, lead_id, action, wish, person)
    return Deed(action, who, worker, wish.seen, wish.reason if action == "reject" else None, until)


def _action(name: str) -> Action:
    for action in get_args(Action):
        if action == name:
            return cast(Action, action)
    raise Refused("invalid", f"action: one of {', '.join(STATES)}")


def _worker(services: Services, lead_id: str, action: Action, wish: ActionWish, person: str | None) -> str:
    """Whose the lead is afterwards: whom it is assigned to, who takes it, else who has it, else who acts."""
    if wish.owner and (action == "assign" or person is None):
        if not services.store.work.knows(wish.owner) and wish.owner not in services.sales.owners.values():
            raise Refused("conflict", "owner: neither an account nor an owner of leads has that name")
        return wish.owner
    newest = services.store.work.of(lead_id, 1)
    if newest and newest[0].number != wish.seen:
        return newest[0].worker  # told as overtaken, whoever it would be
    if action != "take" and newest and newest[0].state in IN_HAND:
        return newest[0].worker
    if person is None:
        raise Refused("conflict", "owner: nobody has this lead yet; say who acts, an account or an owner of leads")
    return person
