-- Alone in its file, so that it runs without blocking writes.
CREATE INDEX CONCURRENTLY "credit_entries_userId_createdAt_idx" ON "credit_entries"("userId", "createdAt");
