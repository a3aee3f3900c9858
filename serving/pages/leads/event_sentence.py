"""One sentence about a lead, made of what happened: what it did last, and whether anybody has been in touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from data.contract import US_PER_DAY
from serving.pages.leads.why import one_in_words
from serving.pages.rendering.page_context import PageContext
from serving.scoring.next_step import Situation
from serving.scoring.served_model import ServedModel
from serving.sentences.facts import slightness
from serving.store.events.sales_events import EVENTS
from serving.store.leads.worklist_entry import WorklistEntry
from serving.store.scores.sections import IN_HAND
from training.thresholds.stages import UNQUALIFIED

REPLIES = ("email_reply", "inbound_call", "chat_message", "demo_request", "form_submit")
"""By these a lead turns to us by itself, and somebody must answer."""
ANSWERS = (*REPLIES, "call_answered", "meeting", "offer_view")
"""By these it answers what we did; a look at a page is none."""
OUTCOMES = ("deal_won", "deal_lost", "deal_reopened", "deal_cancelled")
CONTACTS = ("email_sent", "sales_call", "offer_sent")
"""What is done to a lead, where no model says it."""
RECENT_US = 30 * US_PER_DAY
TOLD = 2


@dataclass(frozen=True)
class LatestEvents:
    """What is known of a lead's events now. latest: type → when the latest occurred, µs UTC."""

    latest: Mapping[str, int]
    contacts: tuple[str, ...]

    @property
    def own(self) -> dict[str, int]:
        """What it did itself."""
        apart = {*self.contacts, *EVENTS, *OUTCOMES}
        return {kind: at for kind, at in self.latest.items() if kind not in apart}

    @property
    def contact(self) -> tuple[str, int] | None:
        """The latest contact by us, and when."""
        made = [(kind, self.latest[kind]) for kind in self.contacts if kind in self.latest]
        return max(made, key=lambda contact: contact[1], default=None)


def known_of(live: ServedModel | None, latest: Mapping[str, int]) -> LatestEvents:
    """What a lead's latest events are to the model in place."""
    groups = live.scorer.plan.vocabulary.groups if live else {}
    return LatestEvents(latest, tuple(groups.get("contact", CONTACTS)))


def sentence(context: PageContext, live: ServedModel | None, known_now: LatestEvents, contacts: int) -> str:
    """What happened, in one sentence. contacts: by us within 30 days, as the list counts them."""
    own = known_now.own
    recent = [kind for kind, at in own.items() if context.now - at < RECENT_US] or list(own)
    chosen = sorted(sorted(recent, key=lambda kind: -own[kind]), key=slightness)[:TOLD]
    parts = [_did(context, live, kind, own[kind]) for kind in sorted(chosen, key=lambda kind: -own[kind])]
    if not parts:
        did = context.telling.t("nothing")
    else:
        did = parts[0] if len(parts) == 1 else context.telling.t("and", one=parts[0], other=parts[1])
    return context.telling.t("sentence", did=did[:1].upper() + did[1:], contact=_contact(context, known_now, contacts))


def situation_of(entry: WorklistEntry | None, known_now: LatestEvents, now: int) -> Situation:
    """What the rules for the next step look at. entry: None for a lead that was never scored."""
    latest = known_now.latest
    done = [*known_now.own.values(), *([entry.active_at] if entry and entry.active_at is not None else [])]
    asked = known_now.contact[1] if known_now.contact else 0
    touched = max(asked, latest.get("meeting", 0))
    replied = max((latest[kind] for kind in REPLIES if kind in latest), default=0)
    return Situation(
        stage=entry.stage if entry else UNQUALIFIED,
        closed=entry is not None and entry.probability is None and entry.stage == UNQUALIFIED,
        quiet_days=_days(max(done, default=0), now),
        rising=bool(entry and entry.rising),
        pressed=bool(entry and entry.pressed),
        ruled_out=bool(entry and entry.work_state == "rejected"),
        in_hand=bool(entry and entry.work_state in IN_HAND),
        unsubscribed="unsubscribe" in latest,
        offer_days=_days(latest.get("offer_sent", 0), now),
        met_days=_days(latest.get("meeting", 0) if latest.get("meeting", 0) >= asked else 0, now),
        replied_days=_days(replied if replied > touched else 0, now),
        asked_days=_days(asked if asked >= max(done, default=0) else 0, now),
    )


def _did(context: PageContext, live: ServedModel | None, kind: str, at: int) -> str:
    said = context.telling.known(f"did_{kind}", when=context.telling.when(at))
    if said is not None:
        return said
    return context.telling.t("did", what=one_in_words(context, live, kind), when=context.telling.when(at))


def _contact(context: PageContext, known_now: LatestEvents, contacts: int) -> str:
    asked = known_now.contact
    if asked is None:
        return context.telling.t("untouched" if not contacts else "uncalled")
    kind, at = asked
    if any(known_now.latest.get(answer, 0) >= at for answer in ANSWERS):
        return context.telling.t("answered", when=context.telling.when(at))
    if kind == "email_sent" and "sales_call" not in known_now.latest:
        return context.telling.t("uncalled")
    when = context.telling.when(at)
    return context.telling.known(f"asked_{kind}", when=when) or context.telling.t("asked", when=when)


def _days(at: int, now: int) -> int | None:
    """How many days ago something was; None for never, which is 0."""
    return max(0, now - at) // US_PER_DAY if at else None
