"""Which model becomes champion: what a new one is compared with, and the alias that it gets for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from features.numbers_in_words import LANGUAGES, Language, number, signed
from training.measuring.evaluation import Estimate, evaluate
from training.measuring.phrases import Phrases
from training.model.artifact_predictions import predict
from training.recipe.train import Judged
from training.registry.registered import Registered
from training.registry.registry import CHALLENGER, CHAMPION, Registry
from training.registry.run_folder import RunFolder

SIMPLE = "logistic regression"
"""The baseline that no champion may be surely worse than."""
t = Phrases(Path(__file__).with_suffix(".toml"))
ByLanguage = Mapping[Language, str]


@dataclass(frozen=True)
class Decision:
    """Which alias a run gets and why. measured: what was compared, by names that MLflow takes for metrics."""

    alias: str
    told: ByLanguage
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """Why, as registry and commands have it."""
        return self.told["en"]


def succeeds(registry: Registry, run: RunFolder) -> Decision:
    """The alias of a version that was made from another one: champion, as long as that one is."""
    champion = registry.find(registry.model_name(run.about.target))
    if champion is None or champion.version != run.about.base:
        now = t.by_language("none") if champion is None else t.by_language("version", version=champion.version)
        base = run.about.base or ""
        return Decision(CHALLENGER, {code: t("replaced", code, base=base, now=now[code]) for code in LANGUAGES})
    return Decision(CHAMPION, dict.fromkeys(LANGUAGES, run.about.reason))


def choose_alias(registry: Registry, name: str, judged: Judged) -> Decision:
    """Which alias a new model gets: the first good one is champion, a later one unless it is worse on the slice.

    One that is surely worse than its own logistic regression never is.
    """
    champion, base = judged.evaluation.judgements[0], judged.evaluation.judgements[1]
    loss = champion.metrics["log_loss"].value or 0.0
    if base.difference.low is None or base.difference.low <= 0:
        return Decision(CHALLENGER, _told_loss("not_better", loss))
    simple = next(other for other in judged.evaluation.judgements if other.name == SIMPLE)
    if simple.difference.high is not None and simple.difference.high < 0:
        return Decision(CHALLENGER, _told_loss("worse_than_simple", loss))
    rival = registry.find(name)
    if rival is None:
        return Decision(CHAMPION, _told_loss("first", loss))
    return compare_with_champion(rival, judged)


def stand_in(registry: Registry, name: str) -> Decision:
    """Which alias a model with a prior gets: too few have converted to prove anything, so the first one serves.

    It never takes the place of a model that is there already.
    """
    if registry.find(name) is not None:
        return Decision(CHALLENGER, t.by_language("prior_waits"))
    return Decision(CHAMPION, t.by_language("prior_serves"))


def compare_with_champion(rival: Registered, judged: Judged) -> Decision:
    """Compares with the champion in place: its judge, on the rows of the slice that it has not learnt from."""
    model = rival.load_judge()
    if set(model.features) - set(judged.rows.columns):
        return Decision(CHALLENGER, t.by_language("lacks", version=rival.version))
    rows = judged.rows
    fresh = rows.as_of >= model.manifest.trained_on.to_us
    if not fresh.any():
        return Decision(CHALLENGER, t.by_language("has_seen", version=rival.version))
    rows = rows.of(fresh)
    p = predict(model, rows)
    difference = evaluate(rows.y, rows.weight, rows.lead, {"new": judged.p[fresh], "old": p}).judgements[1].difference
    if difference.value is None or difference.low is None or difference.high is None:
        return Decision(CHALLENGER, t.by_language("too_few", moments=str(len(rows)), version=rival.version))
    # Worse only where the whole interval says so; on a tie the fresher model serves.
    measured = {"gain": difference.value, "gain_low": difference.low, "gain_high": difference.high}
    named = {f"against_version.{key}": value for key, value in measured.items()}
    return Decision(CHALLENGER if difference.high < 0 else CHAMPION, _told_difference(rival.version, difference), named)


def _told_loss(key: str, loss: float) -> ByLanguage:
    return {code: t(key, code, loss=number(loss, 4, code)) for code in LANGUAGES}


def _told_difference(version: str, difference: Estimate) -> ByLanguage:
    ends = {name: value or 0.0 for name, value in asdict(difference).items()}
    return {
        code: t("compared", code, version=version, **{name: signed(end, 4, code) for name, end in ends.items()})
        for code in LANGUAGES
    }
