"""The serving database: what services send about leads, what was answered, who may ask. SQLite or PostgreSQL.

    store = open_store("sqlite:///var/store.db")         made and migrated where need be; safe to share among threads
    store.events.add([EventIn(...)], now)                a result for every event, on disk when it returns
    store.rejected.list / get / replay                   events that were refused
    store.leads.put / put_many / get / object            profiles, objections
    store.publication.run                                what the event log says now, taken over
    store.listing.page(Filters(...), cursor, limit)      lists with filters
    store.histories.of([lead_id], as_of, columns, bots)  what the feature kernel reads
    store.timeline.page / counts                         a lead's events, the newest first
    store.scores.record / settle / history / changes / standing
    store.decisions.make / lift / of                     stages that people set
    store.work.act / of / wake                           what sales do with leads, step by step
    store.acceptances.of                                 what sales made of leads, and how soon
    store.queue.page / counts                            sections of Today
    store.unscored.after                                 leads that were sent and have no score yet
    store.worklist.note / page / walk / choices          what a list shows people of where leads stand
    store.companies.of / page                            leads by the account that they are of
    store.chain_steps.above                              what leads at a threshold have before them in a chain
    store.explanations.note / of                         why they stand there
    store.rescorings                                     how far `leadscore score --store` has come
    store.keys.create / list / revoke / verify           API keys
    store.accounts.add / list / sign_in / visitor        people who use the page
    store.answers.recall / remember / release            idempotent requests
    store.thresholds.publish / take_up / effective      thresholds that people publish
    store.funnels.note / make / read                     the funnel in numbers, made at each scoring
    store.entrants.make / read                           who entered a stage in a quarter, and what became of them
    store.episodes.of                                    a lead's stays in stages, with why it came and left
    store.promised_vs_realised.count / read              by month and band of probability
    store.flow.look / read                               whether data arrives, and leads are scored, as usual
    store.audit.add / entries / of / search / check      who did what when
    store.erasure.forget / forget_returned / join        no byte left, and a receipt; ledgers of files

Times are int µs UTC; `now` is the caller's clock. All calls block: a server runs them in threads. Bad input raises
Refused, Conflict, Erased (or UsageError, DataError), a store that cannot be used StoreFull or StoreAway; all of them
are DataErrors with a line to show. Nothing of a call that raised has happened, and the next call works as soon as the
cause is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy import select

from data.erasure.seal import Seal
from serving.store.access.accounts import Accounts
from serving.store.access.keys import Keys
from serving.store.access.replies import Answers
from serving.store.database.connection import Database, connect
from serving.store.database.migrate import migrate
from serving.store.database.schema import secrets
from serving.store.database.store_seal import seal_of
from serving.store.database.summaries import Summaries
from serving.store.database.wholeness import check_whole
from serving.store.events.events import Events
from serving.store.events.histories import HistoryReader
from serving.store.events.rejected import Rejected
from serving.store.events.timeline import LeadTimeline
from serving.store.events.vocabularies import Vocabularies
from serving.store.flow import DataFlow
from serving.store.leads.acceptance import Acceptances
from serving.store.leads.companies import CompanyReader
from serving.store.leads.decisions import Decisions
from serving.store.leads.leads import Leads
from serving.store.leads.listing import Listing
from serving.store.leads.queue import Queue
from serving.store.leads.unscored import Unscored
from serving.store.leads.work import Work
from serving.store.leads.worklist import Worklist
from serving.store.privacy.audit_trail import Audit
from serving.store.privacy.blocked import Blocked
from serving.store.privacy.erasure import Erasure
from serving.store.publication.publication import Publication
from serving.store.scores.chain_steps import ChainSteps
from serving.store.scores.entrants import EntrantCounts
from serving.store.scores.episodes import EpisodeReader
from serving.store.scores.funnel import Funnels
from serving.store.scores.promised_vs_realised import PromisedVsRealised
from serving.store.scores.rescorings import Rescorings
from serving.store.scores.scores import ScoreStore
from serving.store.scores.stored_reasons import StoredReasons
from serving.store.scores.threshold_changes import ThresholdChanges

DEFAULT = "sqlite:///var/store.db"


@dataclass(frozen=True)
class Store:
    """All parts of one store."""

    database: Database
    events: Events
    rejected: Rejected
    leads: Leads
    publication: Publication
    listing: Listing
    histories: HistoryReader
    timeline: LeadTimeline
    scores: ScoreStore
    decisions: Decisions
    work: Work
    acceptances: Acceptances
    queue: Queue
    unscored: Unscored
    worklist: Worklist
    companies: CompanyReader
    chain_steps: ChainSteps
    explanations: StoredReasons
    rescorings: Rescorings
    keys: Keys
    accounts: Accounts
    answers: Answers
    audit: Audit
    erasure: Erasure
    thresholds: ThresholdChanges
    funnels: Funnels
    episodes: EpisodeReader
    entrants: EntrantCounts
    promised_vs_realised: PromisedVsRealised
    flow: DataFlow

    def ping(self) -> None:
        """Returns when the database answers and takes writes. Raises StoreAway, StoreReadOnly."""
        with self.database.read() as connection:
            connection.execute(select(secrets.c.name)).all()
        self.database.check_writable()

    def close(self) -> None:
        """Gives all connections back."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(url: str = DEFAULT, personal_ids: bool = False) -> Store:
    """Opens a store, made and migrated where need be.

    personal_ids: whether ids that services send may be e-mail addresses or telephone numbers. Raises UsageError for a
    URL of another kind, DataError for a database that a newer leadscore has made, or that was not restored to its end,
    StoreAway.
    """
    store = open_unfinished(url, personal_ids)
    try:
        check_whole(store.database)
    except BaseException:
        store.close()
        raise
    return store


def open_unfinished(url: str, personal_ids: bool = False) -> Store:
    """As `open_store`, also while it is being restored: for who restores it."""
    database = connect(url)
    try:
        migrate(database)
        return _parts(database, seal_of(database), personal_ids)
    except BaseException:
        database.close()
        raise


def _parts(database: Database, seal: Seal, personal_ids: bool) -> Store:
    blocked, vocabularies = Blocked(seal), Vocabularies()
    audit, events = Audit(database, blocked, seal), Events(database, blocked, vocabularies, personal_ids)
    return Store(
        database,
        events,
        Rejected(database, events.add),
        Leads(database, blocked, vocabularies, personal_ids),
        Publication(database, blocked),
        Listing(database),
        HistoryReader(database),
        LeadTimeline(database),
        ScoreStore(database),
        Decisions(database, audit),
        Work(database, blocked, audit),
        Acceptances(database),
        Queue(database),
        Unscored(database, Summaries(database)),
        Worklist(database),
        CompanyReader(database),
        ChainSteps(database),
        StoredReasons(database),
        Rescorings(database),
        Keys(database, seal),
        Accounts(database, seal),
        Answers(database),
        audit,
        Erasure(database, blocked, audit, seal),
        ThresholdChanges(database, audit),
        Funnels(database, Summaries(database)),
        EpisodeReader(database),
        EntrantCounts(database, Summaries(database)),
        PromisedVsRealised(database, Summaries(database)),
        DataFlow(database, Summaries(database)),
    )
