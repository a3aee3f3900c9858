"""One key brings so many names and no more, by both databases; each that is too many is told, all others come in."""

from __future__ import annotations

import pytest

from serving.store.events.event_validation import EventIn, InvalidInput
from serving.store.events.vocabularies import MOST
from serving.store.leads.profile_validation import ProfileIn
from serving.store.store import Store, open_store

NOW = 1_700_000_000_000_000


def event(kind: str, name: str, number: object = "") -> EventIn:
    """An event whose source, type or channel is a name."""
    named = {"event_type": "page_view", kind: name}
    return EventIn("L1", occurred_at=NOW, event_id=f"{kind} {name} {number}", **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["event_type", "source", "channel"])
def test_a_key_that_sends_ids_for_names_is_stopped_by_name_and_goes_on_with_those_it_has(
    store: Store, kind: str
) -> None:
    names = [f"n-{number:05d}" for number in range(MOST[kind] - (kind == "event_type"))]
    known = [event(kind, name) for name in ("page_view", *names)] if kind == "event_type" else []
    known = known or [event(kind, name) for name in names]
    assert {result.status for result in store.events.add(known, NOW, key="aa")} == {"accepted"}
    [refused] = store.events.add([event(kind, "one-more")], NOW, key="aa")
    assert refused.status == "rejected"
    assert f"{kind} 'one-more'" in str(refused.reason)
    assert str(MOST[kind]) in str(refused.reason)
    [again] = store.events.add([event(kind, names[0], "again")], NOW, key="aa")
    assert again.status == "accepted"
    for other in ("bb", ""):
        [accepted] = store.events.add([event(kind, f"of {other}")], NOW, key=other)
        assert accepted.status == "accepted", "another key has names of its own"
    assert refused.rejected_id is not None
    assert store.rejected.replay(refused.rejected_id, NOW, key="aa").status == "rejected", "no way around it"


def sent(attributes: dict[str, str | float | None], number: int) -> ProfileIn:
    """A profile of a lead of its own."""
    return ProfileIn(f"L{number}", NOW, None, attributes)


def test_attributes_have_their_bound_too(store: Store) -> None:
    most, step = MOST["attribute"], 100
    profiles = [sent({f"a{start + n:03d}": 1.0 for n in range(step)}, start) for start in range(0, most, step)]
    assert store.leads.put_many(profiles, NOW, key="aa") == [True] * len(profiles)
    refusal, fine = store.leads.put_many([sent({"zzz": 1.0}, 901), sent({"a000": 2.0}, 902)], NOW, key="aa")
    assert isinstance(refusal, InvalidInput)
    assert "attribute 'zzz'" in str(refusal)
    assert fine is True


def test_so_have_categories_and_what_they_say_is_not_repeated(store: Store) -> None:
    attributes = [f"a{number}" for number in range(200)]
    for start in range(0, MOST["category"], 2000):
        profiles = [sent(dict.fromkeys(attributes, f"v{start + n}"), start + n) for n in range(10)]
        assert store.leads.put_many(profiles, NOW, key="cc") == [True] * 10
    [refusal] = store.leads.put_many([sent({"a1": "maria of Vienna"}, 99_999)], NOW, key="cc")
    assert isinstance(refusal, InvalidInput)
    assert "another category of attribute 'a1'" in str(refusal)
    assert "maria" not in str(refusal), "it may be anything"


def test_what_a_key_has_brought_survives_a_restart(store_url: str) -> None:
    with open_store(store_url) as first:
        names = [event("source", f"n-{number}") for number in range(MOST["source"])]
        assert {result.status for result in first.events.add(names, NOW, key="aa")} == {"accepted"}
    with open_store(store_url) as second:
        [refused] = second.events.add([event("source", "one-more")], NOW, key="aa")
        assert refused.status == "rejected"
