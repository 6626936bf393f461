-- What runs did to rows, a document a run; the rows themselves are in sealed files beside this store.
CREATE TABLE row_changes (
    run_id    TEXT PRIMARY KEY NOT NULL REFERENCES runs (id),
    document  TEXT NOT NULL,
    -- The run that took it back, once one did.
    undone_by TEXT
) STRICT;

-- Readings of checks, for their history.
CREATE TABLE check_readings (
    environment TEXT NOT NULL,
    check_id    TEXT NOT NULL,
    at          TEXT NOT NULL,
    run_id      TEXT,
    moment      TEXT NOT NULL,
    document    TEXT NOT NULL
) STRICT;

CREATE INDEX check_readings_by_check ON check_readings (environment, check_id, at);
