"""What outlives a process: the journal of facts, the vault of personal data, and the database.

    journal     every fact, in files of one JSON line each, chained by hashes; snapshots of the floor
    vault       tokens for numbers, names and digits; the only place that can resolve them
    projector   folds the floor's events into the fact tables and the outbox
    clerk       the one task that writes all three, in groups, in the right order
    definitions agents, queues, skills, numbers, trunks, units
    rescue      imports what callers left while the engine was away, exactly once
    reports     reads the fact tables

SQLite is the default, PostgreSQL by URL; both run one contract suite (tests/contract).
"""
