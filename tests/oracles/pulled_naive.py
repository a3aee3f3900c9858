"""What a log has to hold of a vendor's account, by plain loops over all that it has: (lead, event type, second)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from tests.data.crm.fake_hubspot import CONNECTED, FakeHubSpot
from tests.data.crm.fake_pipedrive import FakePipedrive
from tests.data.crm.fake_salesforce import FakeSalesforce
from tests.data.crm.fake_vendor import FakeVendor

Told = set[tuple[str, str, int]]
BECAME = {
    "lead": "became_lead",
    "marketingqualifiedlead": "became_mql",
    "salesqualifiedlead": "became_sql",
    "opportunity": "became_opportunity",
    "customer": "became_customer",
}


def second(text: str) -> int:
    """The second of a written time; a date alone means the last one of its day."""
    if len(text) == 10:
        return int(datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC).timestamp())
    moment = datetime.fromisoformat(text.replace("+0000", "+00:00"))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def told_by(vendor: FakeVendor) -> Told:
    """All events of an account."""
    if isinstance(vendor, FakeHubSpot):
        return _hubspot(vendor)
    return _pipedrive(vendor) if isinstance(vendor, FakePipedrive) else _salesforce(vendor)  # type: ignore[arg-type]


def _hubspot(vendor: FakeHubSpot) -> Told:
    facts = Told()
    for key, contact in vendor.records["contacts"].items():
        facts |= {(str(key), BECAME[value], int(at)) for value, at in contact.history["lifecyclestage"]}
    for key, deal in vendor.records["deals"].items():
        if deal.archived is not None:
            continue
        steps = [("deal_created", int(deal.created))]
        steps += [("deal_stage_change", int(at)) for _, at in deal.history["dealstage"]]
        for name, yes, no in (("won", "deal_won", "deal_cancelled"), ("lost", "deal_lost", "deal_reopened")):
            before = "false"
            for value, at in reversed(deal.history.get(f"hs_is_closed_{name}", [])):
                if value != before:
                    steps.append((yes if value == "true" else no, int(at)))
                before = value
        facts |= {(str(contact), *step) for step in steps for contact in vendor.links["deals"][key]}
    for kind, records in vendor.records.items():
        for key, one in records.items() if kind in ("calls", "emails", "meetings") else ():
            at = second(str(one.value("hs_timestamp", kind)))
            called = "call_answered" if one.value("hs_call_disposition", kind) == CONNECTED else "sales_call"
            what = {"calls": called, "emails": "email_sent", "meetings": "meeting"}[kind]
            facts |= {(str(contact), what, at) for contact in vendor.links[kind][key]}
    return facts


def _pipedrive(vendor: FakePipedrive) -> Told:
    facts = Told()
    kinds = {"call": "sales_call", "meeting": "meeting", "email": "email_sent", "task": "task_done"}
    for one in vendor.records["activities"].values():
        facts.add((str(one["person_id"]), kinds[one["type"]], second(one["marked_as_done_time"])))
    for key, deal in vendor.records["deals"].items():
        if deal["is_deleted"]:
            continue
        lead = str(deal["person_id"])
        facts.add((lead, "deal_created", second(deal["add_time"])))
        for change in vendor.changes.get(key, ()):
            what = {"stage_id": "deal_stage_change", "status": f"deal_{change['new_value']}"}.get(change["field_key"])
            if what == "deal_open":
                what = "deal_cancelled" if change["old_value"] == "won" else "deal_reopened"
            if what is not None:
                facts.add((lead, what, second(change["time"])))
    return facts


def _salesforce(vendor: FakeSalesforce) -> Told:
    facts, records = Told(), vendor.records
    for kind in ("Lead", "Contact"):
        facts |= {(key, "lead_created", second(one["CreatedDate"])) for key, one in records[kind].items()}
    for one in records["LeadHistory"].values():
        facts.add((one["LeadId"], "lead_status_change", second(one["CreatedDate"])))
    for kind, what, at in (("Task", "sales_call", "CompletedDateTime"), ("Event", "meeting", "EndDateTime")):
        facts |= {(one["WhoId"], what, second(one[at])) for one in records[kind].values() if not one["IsDeleted"]}
    for one in records["CampaignMember"].values():
        facts.add((one["LeadOrContactId"], "campaign_member", second(one["CreatedDate"])))
        facts.add((one["LeadOrContactId"], "campaign_response", second(one["FirstRespondedDate"])))
    for one in records["OpportunityContactRole"].values():
        deal, stages = one["OpportunityId"], records["OpportunityHistory"].values()
        if records["Opportunity"][deal]["IsDeleted"]:
            continue
        facts.add((one["ContactId"], "deal_created", second(records["Opportunity"][deal]["CreatedDate"])))
        for step in stages:
            if step["OpportunityId"] == deal and step["StageName"].startswith("Closed"):
                what = "deal_won" if step["StageName"] == "Closed Won" else "deal_lost"
                facts.add((one["ContactId"], what, second(step["CreatedDate"])))
    for key, lead in records["Lead"].items():
        if lead.get("ConvertedContactId"):
            facts.add((key, "lead_converted", second(lead["ConvertedDate"])))
            theirs = {row for row in facts if row[0] == key}
            facts = facts - theirs | {(lead["ConvertedContactId"], what, at) for _, what, at in theirs}
    return facts
