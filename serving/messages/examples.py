"""Examples in the OpenAPI document; they are sent in tests."""

from __future__ import annotations

from data.typed_json import JsonObject

EVENTS: list[JsonObject] = [
    {"event_type": "ebook_download", "occurred_at": "2024-05-01T09:30:00+02:00", "channel": "paid_search"},
    {"event_type": "pricing_view", "occurred_at": "2024-05-06T10:00:00Z", "event_id": "web-4711", "source": "web"},
    {"event_type": "offer_sent", "occurred_at": "2024-05-07T08:00:00Z", "value": 1200.5},
]
LEAD: JsonObject = {
    "profile": {"industry": "software", "seniority": "director", "employees": 120},
    "known_since": "2024-05-01T09:29:00+02:00",
    "events": EVENTS,
    "as_of": "2024-05-08T00:00:00Z",
}
BATCH: JsonObject = {"as_of": "2024-05-08T00:00:00Z", "leads": [{"events": EVENTS}, {"profile": LEAD["profile"]}]}
INGEST: JsonObject = {"events": [{"lead_id": "L-1001", **event} for event in EVENTS]}
PROFILE: JsonObject = {
    "profile": {"industry": "software", "seniority": "director", "employees": 120},
    "account_id": "A-17",
    "valid_from": "2024-05-01T07:29:00Z",
}
PROFILES: JsonObject = {
    "leads": [{"lead_id": "L-1001", **PROFILE}, {"lead_id": "L-1002", "profile": {"industry": "retail"}}]
}
