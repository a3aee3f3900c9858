# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A first look at an export of your own
# What do the columns hold, when did things happen, how many buy, and what would an ingest refuse? Nothing is taken in.
# It reads the export that `make demo` made; `LEADSCORE_EXPORT` names your folder with `events.csv` and `leads.csv`, and
# `LEADSCORE_MAPPING` your mapping. Each cell takes a few seconds.

# %%
# %matplotlib inline
import os
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from data.intake.check import check_sources
from data.sources.mapping import read_mapping, shipped_mappings
from workspace import Workspace

workspace = Workspace.here()
export = Path(os.environ.get("LEADSCORE_EXPORT", workspace.root / "demo"))
mapping = os.environ.get("LEADSCORE_MAPPING", "simulated")
# Lines that do not split into the columns are left out here; what the ingest makes of them is told at the end.
events, profiles = (
    pd.read_csv(export / name, dtype="string", on_bad_lines="skip") for name in ("events.csv", "leads.csv")
)
len(events), len(profiles)

# %% [markdown]
# ## What the columns hold
# All is read as text first, so that nothing is guessed away. `reads as` is what nine of ten filled cells are; a
# category is a column of few values. Look for what says who people are, among texts and, as names repeat, among
# categories: a mapping names it as `personal`, and it is dropped at the door.

# %%
FEW = 200


def reads_as(cells: pd.Series) -> str:
    """What nine of ten filled cells can be read as."""
    filled = cells.dropna()
    if filled.empty:
        return "nothing"
    if pd.to_numeric(filled, errors="coerce").notna().mean() > 0.9:
        return "number"
    if pd.to_datetime(filled, errors="coerce", utc=True, format="ISO8601").notna().mean() > 0.9:
        return "time"
    return "category" if filled.nunique() <= FEW else "text"


def look(rows: pd.DataFrame) -> pd.DataFrame:
    """A row for each column."""
    return pd.DataFrame(
        {
            "reads as": rows.apply(reads_as),
            "empty": rows.isna().mean().round(3),
            "values": rows.nunique(),
        }
    )


columns = look(events)
columns

# %%
profiles_columns = look(profiles)
profiles_columns

# %% [markdown]
# ## Rows that come twice
# The same row again adds nothing. The same id with other content is a correction of what was there.

# %%
twice = pd.Series(
    {
        "whole rows": int(events.duplicated().sum()),
        "ids of events": int(events.event_id.dropna().duplicated().sum()),
        "leads with several profiles": int((profiles.groupby("lead_id").size() > 1).sum()),
        "leads without a profile": int((~events.lead_id.drop_duplicates().isin(profiles.lead_id)).sum()),
    }
)
twice

# %% [markdown]
# ## When things happened
# A source that begins late, ends early or falls silent is learnt as if leads had become quiet. Look for steps.

# %%
at = pd.to_datetime(events.occurred_at, errors="coerce", utc=True, format="ISO8601")
plausible = at.between(at.quantile(0.001), at.quantile(0.999))
weekly = events[plausible].groupby([at[plausible].dt.tz_localize(None).dt.to_period("W"), "source"]).size().unstack()
figure = Figure(figsize=(7, 3), layout="constrained")
axes = figure.add_subplot()
for source in weekly:
    axes.plot(weekly.index.to_timestamp(), weekly[source], label=source)
axes.set(yscale="log", ylabel="Events a week", title="Every source, week by week")
axes.legend(fontsize=8, ncols=3)
axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator()))
figure

# %%
events.event_type.value_counts().rename("events").to_frame().head(15)

# %% [markdown]
# ## How many buy, and when
# The share of a month's new leads that ever had the outcome. The newest months look bad because their time is not up:
# those are censored, not lost.

# %%
target = workspace.settings.chosen_target
since = pd.to_datetime(profiles.valid_from, errors="coerce", utc=True, format="ISO8601")
first = since.groupby(profiles.lead_id).min().dropna()
buyers = events.lead_id[events.event_type.isin(target.events)].unique()
month = first.dt.tz_localize(None).dt.to_period("M")
rate = pd.Series(first.index.isin(buyers), first.index).groupby(month).sum()
share = rate / first.groupby(month).size()
figure = Figure(figsize=(7, 3), layout="constrained")
axes = figure.add_subplot()
axes.bar(share.index.to_timestamp(), share, width=20)
axes.xaxis.set_major_formatter(ConciseDateFormatter(AutoDateLocator()))
axes.yaxis.set_major_formatter(PercentFormatter(1))
axes.set(ylabel="Share that converted so far", title=f"New leads by month: {', '.join(target.events)}")
figure

# %% [markdown]
# ## What a mapping would be
# A mapping says which column is which. Begin with a shipped one (`leadscore mappings NAME > mine.toml`); this is the
# beginning of the one that reads the demo.

# %%
shipped = shipped_mappings()
list(shipped)

# %%
text = (shipped[mapping] if mapping in shipped else Path(mapping)).read_text(encoding="utf-8")
text.splitlines()[:30]

# %% [markdown]
# ## What an ingest would do
# The same as `leadscore ingest --check --mapping … --events … --leads …`, as tables. It writes nothing.

# %%
checked = check_sources(
    workspace.log_path,
    read_mapping(mapping),
    [str(export / "events.csv")],
    [str(export / "leads.csv")],
)
seen = checked.examination
tables = pd.DataFrame(map(asdict, seen.tables))
tables

# %%
rejected = pd.DataFrame(checked.rejected, columns=["source", "row", "reason"])
rejected.groupby(["source", "reason"]).size().rename("rows").to_frame().sort_values("rows", ascending=False).head(15)

# %%
spans = pd.DataFrame(map(asdict, seen.spans)).set_index("source")
spans.apply(pd.to_datetime, unit="us").map(lambda at: f"{at:%Y-%m-%d}")

# %% [markdown]
# Types that features do not know count as `any` only; `nearest` is what was probably meant.

# %%
types = pd.DataFrame(map(asdict, seen.types))
types[~types.is_known].head(15)

# %%
pd.Series(seen.doubts, name="doubts", dtype="object").to_frame()
