"""Forty texts that attack whoever shows or exports them, and a lead that carries one in every field that it can."""

from __future__ import annotations

from contextlib import suppress

from data.contract import DataError
from serving.store.events.event_validation import EventIn
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.reason import Explanation, Fact, FeatureShift, TopicReason, written_facts
from serving.store.scores.scores import StoredScore
from serving.store.store import Store

ALARM = "alert(1)"
PAYLOADS: tuple[str, ...] = (
    f"<script>{ALARM}</script>",
    f"</script><script>{ALARM}</script>",
    f"<img src=x onerror={ALARM}>",
    f'"><img src=x onerror={ALARM}>',
    f"' autofocus onfocus={ALARM} x='",
    f'" onmouseover="{ALARM}',
    f"<svg/onload={ALARM}>",
    f"<svg><animate onbegin={ALARM} attributeName=x dur=1s>",
    f"</title><script>{ALARM}</script>",
    f"</textarea><script>{ALARM}</script>",
    f"--><script>{ALARM}</script>",
    f"]]><script>{ALARM}</script>",
    "<iframe src=https://evil.example></iframe>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content=0;url=https://evil.example>",
    "<base href=https://evil.example/>",
    f"javascript:{ALARM}",
    f"data:text/html,<script>{ALARM}</script>",
    "{{ 7*7 }}{% raw %}",
    "${7*7}#{7*7}<%= 7*7 %>",
    "{context.services.store}%s%n{0}",
    "&lt;script&gt;&#60;img&#62;&amp;",
    "</style><style>*{display:none}</style>",
    "red;background:url(https://evil.example/x)",
    '","admin":true,"x":"',
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "=cmd|'/C calc'!A0",
    '=HYPERLINK("https://evil.example","click")',
    "a;=1+1,=1+1",
    '";=1+1;"',
    "'=1+1",
    "\N{FULLWIDTH EQUALS SIGN}1+1",
    "<r><t>1</t></r>",
    "_x003D_1+1_x000D_",
    "\u202egnp.exe\u2066a\u2069",
    "a\u200bb\u200f\u00ad\ufeff\ufffb",
    "a\u0085b\u009fc\u2028d",
    "\ue000\ufffe\uffff\U000e0041",
    "../../../etc/passwd%00%0d%0aset-cookie:x=1",
    "x" * 200,
)
"""Every one fits into a name of the contract."""
REFUSED: tuple[str, ...] = ("a\t=1+1", "a\r=1+1", "a\nb", "nul\0", "\ud800", "\x1b[31m", "x" * 201, "")
"""What no field may hold: the door turns it away."""


def plant(store: Store, version: str, reason: str, now: int) -> None:
    """A lead for each payload, which has it in all that it can carry: id, profile, events, what scoring notes of it.

    reason: the name of a feature whose value is text.
    """
    for payload in PAYLOADS:
        profile = {"country": payload, "owner": payload, "industry": payload}
        store.leads.put(payload, now - 9, payload, profile, now)
    with suppress(DataError):  # Not all may be names of attributes.
        for payload in PAYLOADS[::4]:
            store.leads.put(payload, now - 8, payload, {"country": payload, "owner": payload, payload: payload}, now)
    sent = [event for number, payload in enumerate(PAYLOADS) for event in _events(payload, number, now)]
    refused = [result for result in store.events.add(sent, now) if result.status != "accepted"]
    if refused:
        raise AssertionError(f"what is not in the store attacks nobody: {refused}")
    store.scores.record(
        [StoredScore(payload, "conversion", now, 0.5, 0.25, 0.75, version, "d") for payload in PAYLOADS], [], now
    )
    worklist_rows = [
        WorklistRow(payload, 1.0, -1.0, reason, written_facts(_said(payload)), now - 7, 7, 6, payload)
        for payload in PAYLOADS
    ]
    store.worklist.note("conversion", now, worklist_rows)
    store.explanations.note("conversion", [_explained(payload, reason, now) for payload in PAYLOADS])


def _said(payload: str) -> tuple[Fact, ...]:
    return (Fact("fits", payload, payload), Fact("fits", "industry", payload))


def _explained(payload: str, reason: str, now: int) -> Explanation:
    did = (Fact("did", payload, payload, 2, 7, now - 7),)
    reasons = (
        TopicReason(reason, 1.0, payload, now - 7, now - 7, payload, _said(payload)),
        TopicReason(reason, 1.0, payload, now - 7, now - 7, payload, did),
        TopicReason(payload, -1.0, payload, None, None),
        TopicReason(reason, -1.0, payload, None, None),
    )
    return Explanation(payload, now, payload, reasons, now - 9, (FeatureShift(reason, payload, payload, 1.0),))


def _events(payload: str, number: int, now: int) -> list[EventIn]:
    """One whose type is the payload, and one of a type that is known."""
    return [
        EventIn(payload, kind, now - 7, payload, 1.0, now - 7, payload, f"{payload[:190]}{kind[:1]}{number}")
        for kind in (payload, "page_view")
    ]
