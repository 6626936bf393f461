-- The console's own store. Times are RFC 3339 in UTC. Documents are JSON of the engine's types.

CREATE TABLE environments (
    id       TEXT PRIMARY KEY NOT NULL,
    name     TEXT NOT NULL UNIQUE COLLATE NOCASE,
    position INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE settings (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT;

-- Plans are immutable.
CREATE TABLE plans (
    id         TEXT PRIMARY KEY NOT NULL,
    number     INTEGER NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    document   TEXT NOT NULL
) STRICT;

CREATE TABLE dry_runs (
    run_id   TEXT PRIMARY KEY NOT NULL,
    plan_id  TEXT NOT NULL REFERENCES plans (id),
    at       TEXT NOT NULL,
    document TEXT NOT NULL
) STRICT;

-- A run belongs to the process that holds the lock file named `owner`; without a holder it was cut off.
CREATE TABLE runs (
    id               TEXT PRIMARY KEY NOT NULL,
    number           INTEGER NOT NULL UNIQUE,
    plan_id          TEXT NOT NULL REFERENCES plans (id),
    kind             TEXT NOT NULL,
    environment_id   TEXT,
    environment_name TEXT NOT NULL,
    title            TEXT NOT NULL,
    status           TEXT NOT NULL,
    started_at       TEXT NOT NULL,
    ended_at         TEXT,
    owner            TEXT NOT NULL,
    sessions         TEXT NOT NULL DEFAULT '[]',
    failure          TEXT,
    aftermath        TEXT NOT NULL DEFAULT '[]',
    confirmation     TEXT
) STRICT;

CREATE TABLE run_steps (
    run_id   TEXT NOT NULL REFERENCES runs (id),
    step     INTEGER NOT NULL,
    verb     TEXT NOT NULL,
    title    TEXT NOT NULL,
    status   TEXT NOT NULL,
    seconds  REAL,
    note     TEXT,
    PRIMARY KEY (run_id, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE run_events (
    run_id   TEXT NOT NULL REFERENCES runs (id),
    sequence INTEGER NOT NULL,
    at       TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (run_id, sequence)
) STRICT, WITHOUT ROWID;

-- Append-only; each entry's hash covers the one before.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY NOT NULL,
    at       TEXT NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    digest   TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash     TEXT NOT NULL
) STRICT;

-- What an instrument last read, so that a reopened console can show it as old instead of nothing.
CREATE TABLE readings (
    environment_id TEXT NOT NULL,
    instrument     TEXT NOT NULL,
    at             TEXT NOT NULL,
    document       TEXT NOT NULL,
    PRIMARY KEY (environment_id, instrument)
) STRICT, WITHOUT ROWID;
