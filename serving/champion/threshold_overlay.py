"""Lays thresholds that people have published over the model in place, as soon as a scoring follows them."""

from __future__ import annotations

from serving.scoring.effective_thresholds import effective_thresholds
from serving.scoring.served_model import ServedModel
from serving.store.database.failures import StoreError
from serving.store.store import Store


class ThresholdOverlay:
    """Asks a store what is in force for a model."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __call__(self, live: ServedModel) -> ServedModel:
        """The same model under what is in force; itself when nothing has changed, or the store cannot be asked."""
        try:
            changes = self.store.thresholds.effective(live.target.name, live.model.digest)
        except StoreError:
            return live
        effective = effective_thresholds(live.scorer.thresholds, live.model.version, changes)
        return live if effective.identity == live.effective_thresholds.identity else live.under(effective)
