"""Which agent for which interaction, and how well it went: pure functions over frozen values.

`matching` chooses and says why, `definitions` refuses nonsense queues and agents; `service_level` and `workload` turn
raw records into figures whose formulas have an id and a version. docs/routing.md and docs/kpis.md are the prose.
"""
