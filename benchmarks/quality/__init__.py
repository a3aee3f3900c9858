"""How well models predict on public sets and the funnel, beside those of others."""
