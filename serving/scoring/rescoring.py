"""Scores all leads of a store anew, chunk by chunk; one that was cut off goes on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from data.contract import US_PER_DAY, DataError
from data.histories import Histories
from features.kernel import Moments
from features.moments import open_moments
from features.outcomes import left
from features.views import still_held
from serving.scoring.chain import Chain
from serving.scoring.effective_thresholds import EffectiveThresholds, effective_thresholds
from serving.scoring.lead_origins import origins
from serving.scoring.reason_selection import Explainer
from serving.scoring.scorer import FeatureScores, Scorer, Scores
from serving.scoring.worklist_row import worklist_rows
from serving.sentences.deeds import NEVER
from serving.store.leads.worklist import WorklistRow
from serving.store.scores.scores import StoredScore
from serving.store.store import Store
from training.monitoring.missing import FRESH_DAYS, Missing
from training.thresholds.stages import CUSTOMER, UNQUALIFIED

Progress = Callable[[int, int], None]
EMPTY = (
    "the store has no lead to score yet; `leadscore publish` takes those of the event log over, or let services send "
    "events and profiles, see docs/api.md"
)


@dataclass(frozen=True)
class Rescored:
    """What a rescoring has done. as_of: the moment of its scores, µs UTC. resumed: leads done before it was cut off.

    thresholds: by what name those go that it followed.
    """

    as_of: int
    leads: int
    scored: int
    resumed: int
    thresholds: str


class Rescorer:
    """Scores stored leads with one model; digest: sha256 of its model.json. chain: that it is a step of, if any."""

    def __init__(self, store: Store, scorer: Scorer, version: str, digest: str, chain: Chain | None = None) -> None:
        self._store = store
        self._scorer = scorer
        self._version = version
        self._digest = digest
        self._chain = chain
        self._columns = scorer.model.manifest.profile_columns
        self._bots = scorer.model.manifest.bots
        self._explainer = Explainer(scorer)
        self._effective, self._recorded = effective_thresholds(scorer.thresholds, version), store.scores.record
        self._fresh, self._unknown = 0, np.zeros(len(scorer.catalogue), np.int64)

    def run(
        self,
        clock: Callable[[], int],
        progress: Progress = lambda done, of: None,
        as_of: int | None = None,
        published: str = "",
    ) -> Rescored:
        """Scores every open lead that does not object and is not away; writes score history and changes of stage.

        clock: µs UTC. as_of: the moment of all scores, by default the first reading of the clock. published: the digest
        of the event log that was published for it; one that was cut off goes on only for the same. A lead that is out
        by its outcomes becomes a customer where a target event stands, else unqualified; one that came back is scored
        as all others are. Raises DataError when the store has no lead that may be scored.
        """
        rescorings, target = self._store.rescorings, self._scorer.target.name
        now = clock()
        if not rescorings.has_leads():
            raise DataError(EMPTY)
        changes = self._store.thresholds.take_up(target, self._digest, now)
        self._effective = effective_thresholds(self._scorer.thresholds, self._version, changes)
        # One that was cut off under other thresholds is not gone on with: all leads shall stand under the same.
        basis = [
            self._digest,
            self._chain.digest if self._chain else "",
            self._effective.identity.digest,
            published,
            "" if as_of is None else str(as_of),
        ]
        rescoring = rescorings.begin(target, " ".join(filter(None, basis)), now, as_of)
        resumed, total = rescorings.waiting(rescoring)
        done = resumed
        while lead_ids := rescorings.next_leads(rescoring):
            scored = self._score(lead_ids, rescoring.as_of, clock)
            rescoring = rescorings.advance(rescoring, lead_ids[-1], scored)
            done += len(lead_ids)
            progress(done, max(total, done))
        self._sum_up(rescoring.as_of, clock())
        rescorings.finish(rescoring, clock())
        return Rescored(rescoring.as_of, done, rescoring.scored, resumed, self._effective.identity.name)

    def first_scores(self, lead_ids: Sequence[str], clock: Callable[[], int], thresholds: EffectiveThresholds) -> int:
        """Scores leads (sorted) with all that is known now, under thresholds that are in force; says how many.

        Who has got a score meanwhile keeps it.
        """
        self._effective, self._recorded = thresholds, self._store.scores.record_first
        return self._score(lead_ids, clock() + 1, clock)

    def _score(self, lead_ids: Sequence[str], as_of: int, clock: Callable[[], int]) -> int:
        histories = self._store.histories.of(lead_ids, as_of, self._columns, self._bots)
        moments = open_moments(histories, self._scorer.target, as_of)
        self._settle(histories, as_of, clock)
        scored = self._record(histories, moments, as_of, clock) if len(moments) else 0
        self._store.funnels.note(self._scorer.target.name, origins(self._scorer, still_held(histories, as_of)))
        return scored

    def _record(self, histories: Histories, moments: Moments, as_of: int, clock: Callable[[], int]) -> int:
        scores = self._scorer.score(histories, moments)
        self._count_unknown(histories, moments, scores, as_of)
        stored, target = self._stored_scores(histories, moments, scores, as_of), self._scorer.target.name
        earlier = self._store.scores.earlier(target, [score.lead_id for score in stored], as_of)
        explained = self._explainer.explanations(self._digest, histories, moments, scores, earlier)
        scored = self._recorded(stored, self._effective.stages, clock())
        self._store.explanations.note(
            target, [explanation for explanation in explained if explanation.lead_id in scored]
        )
        noted = worklist_rows(self._scorer, still_held(histories, as_of), moments, scores, explained)
        self._store.worklist.note(target, as_of, self._chained(noted, histories, moments, scores))
        return len(scored)

    def _chained(
        self, rows: list[WorklistRow], histories: Histories, moments: Moments, scores: Scores
    ) -> list[WorklistRow]:
        """The rows with the probabilities along the chain."""
        if self._chain is None:
            return rows
        chains = self._chain.probabilities(histories, moments, scores.probability)
        return [replace(row, chain=json.dumps(steps)) for row, steps in zip(rows, chains, strict=True)]

    def _count_unknown(self, histories: Histories, moments: Moments, scores: FeatureScores, as_of: int) -> None:
        """Of how many leads that have just come each feature is unknown."""
        profiles = histories.profiles
        first = np.full(histories.n_leads, NEVER)
        known = np.diff(profiles.starts) > 0
        first[known] = profiles.valid_from[profiles.starts[:-1][known]]
        fresh = first[moments.lead] >= as_of - FRESH_DAYS * US_PER_DAY
        self._fresh += int(fresh.sum())
        self._unknown += np.isnan(scores.matrix[fresh]).sum(axis=0)

    def _stored_scores(self, histories: Histories, moments: Moments, scores: Scores, as_of: int) -> list[StoredScore]:
        lead_ids = histories.lead_ids.to_pylist()
        return [
            StoredScore(lead_ids[lead], self._scorer.target.name, as_of, p, low, high, self._version, self._digest)
            for lead, p, (low, high) in zip(
                moments.lead.tolist(), scores.probability.tolist(), scores.interval, strict=True
            )
        ]

    def _sum_up(self, as_of: int, now: int) -> None:
        """Makes the summaries that pages read."""
        target = self._scorer.target
        stages = [UNQUALIFIED, *(threshold.stage for threshold in self._effective.thresholds), CUSTOMER]
        self._store.funnels.make(target.name, stages, as_of - target.window.certain_after_days * US_PER_DAY, now)
        self._store.entrants.make(target.name, now, target.events)
        self._store.promised_vs_realised.count(target, now)
        unknown = dict(zip(self._scorer.encoder.names, self._unknown.tolist(), strict=True))
        self._store.flow.note_missing(target.name, Missing(as_of // US_PER_DAY, self._fresh, unknown), now)
        self._store.flow.look(target, now)

    def _settle(self, histories: Histories, as_of: int, clock: Callable[[], int]) -> None:
        """Leads that have left the population by their outcomes get the stage that this means."""
        target = self._scorer.target
        won, lost = left(histories, target, as_of)
        for chosen, stage, cause in ((won, CUSTOMER, "converted"), (lost, UNQUALIFIED, "closed")):
            lead_ids = histories.lead_ids.filter(pa.array(chosen)).to_pylist()
            if lead_ids:
                self._store.scores.settle(lead_ids, target.name, stage, cause, clock())
