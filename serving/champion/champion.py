"""The model that answers: one reference, replaced in one assignment, read once by each request."""

from __future__ import annotations

from collections.abc import Callable

from serving.messages.problems import Refused, without_folders
from serving.scoring.served_model import ServedModel


class Champion:
    """Holds the model in place, and why a newer one was refused.

    `live` and `refusal` are single references: whoever reads one has a whole model or a whole sentence.
    overlay: gives the same model under the thresholds that are in force.
    """

    def __init__(
        self, live: ServedModel | None = None, on_swap: Callable[[ServedModel], None] = lambda live: None
    ) -> None:
        self.live = live
        self.refusal: str | None = None
        self.on_swap = on_swap
        self.overlay: Callable[[ServedModel], ServedModel] = lambda live: live
        if live is not None:
            on_swap(live)

    def current(self) -> ServedModel:
        """The model in place. Raises Refused while there is none."""
        live = self.live
        if live is None:
            raise Refused("not_ready", self.refusal or "no model is loaded yet; try again in some seconds", 5)
        return live

    def swap(self, live: ServedModel) -> None:
        """Puts another model in place; requests that have begun finish with the one they have read."""
        self.live, self.refusal = self.overlay(live), None
        self.on_swap(live)

    def refresh(self) -> None:
        """Looks whether other thresholds are in force for the model in place."""
        if self.live is not None:
            self.live = self.overlay(self.live)

    def refuse(self, why: str | None) -> None:
        """Notes why a newer model was not put in place, as anyone may read it; None when that is over."""
        self.refusal = None if why is None else without_folders(why)
