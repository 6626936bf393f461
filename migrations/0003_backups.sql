-- Backups of this console, a document each; what they hold is in their folders.
CREATE TABLE backups (
    id          TEXT PRIMARY KEY NOT NULL,
    environment TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    document    TEXT NOT NULL
) STRICT;

CREATE INDEX backups_by_environment ON backups (environment, started_at);
