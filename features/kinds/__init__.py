"""Kinds of features, a class each: fields, meaning, words, plain definition, and how it is read off accumulators.

Belongs here: what makes one kind differ from another. Not here: the compiled rules that compute them
(`features/walk/`), and which features a model gets (`features/catalogue.py`). A new kind is a class in one of these
files and its line in KINDS; where no accumulator answers it yet, also a rule in `features/walk/`.
"""

from __future__ import annotations

from features.kinds.companies import ColleagueRecency, Colleagues, ColleaguesActive, ColleagueSpread
from features.kinds.counts import ActiveDays, Count, DistinctTypes, Sessions, Trend
from features.kinds.definition import Definition, Family, Kind
from features.kinds.profile import Profile, ProfileNumber
from features.kinds.times import Age, Cadence, Decayed, Recency
from features.kinds.touches import FirstTouch, IgnoredInRow, LastTouch
from features.kinds.values import Max, Mean, Sum

KINDS: tuple[type[Definition], ...] = (
    *(Count, Sum, Mean, Max, Recency, Age, ActiveDays, Sessions, Decayed, Trend, Cadence),
    *(FirstTouch, LastTouch, DistinctTypes, IgnoredInRow, Profile, ProfileNumber),
    *(Colleagues, ColleaguesActive, ColleagueRecency, ColleagueSpread),
)
"""Every kind; the kernel knows it by its place."""

__all__ = ["KINDS", "Definition", "Family", "Kind"]
__all__ += ["ColleagueRecency", "ColleagueSpread", "Colleagues", "ColleaguesActive"]
__all__ += ["ActiveDays", "Age", "Cadence", "Count", "Decayed", "DistinctTypes", "FirstTouch", "IgnoredInRow"]
__all__ += ["LastTouch", "Max", "Mean", "Profile", "ProfileNumber", "Recency", "Sessions", "Sum", "Trend"]
