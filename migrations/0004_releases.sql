-- Releases: which plan is released, and what people said. All else on the desk is computed from evidence.
CREATE TABLE releases (
    id          TEXT PRIMARY KEY NOT NULL,
    environment TEXT NOT NULL,
    number      INTEGER NOT NULL,
    ended_at    TEXT,
    document    TEXT NOT NULL,
    UNIQUE (environment, number)
) STRICT;

-- One release an environment is on the desk.
CREATE UNIQUE INDEX releases_on_the_desk ON releases (environment) WHERE ended_at IS NULL;
