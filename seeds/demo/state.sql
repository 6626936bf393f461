-- The rows of Harbor Studio's invented production database, and what the failed attempt left behind.
-- Runs after the migrations that demo.toml lists as applied.

INSERT INTO "users" ("id", "email", "name", "role", "createdAt")
SELECT 'user-' || lpad(n::text, 4, '0'),
       lower(first) || '.' || n || '@example.com',
       first || ' ' || last,
       (CASE WHEN n <= 2 THEN 'ADMIN' WHEN n % 9 = 0 THEN 'EDITOR' ELSE 'MEMBER' END)::"Role",
       timestamp '2026-09-02 08:00:00' + n * interval '5 hours'
FROM generate_series(1, 240) AS n,
     LATERAL (SELECT (ARRAY['Ada', 'Bram', 'Chidi', 'Dana', 'Eska', 'Femi', 'Gita', 'Hana'])[1 + n % 8] AS first,
                     (ARRAY['Quill', 'Marsh', 'Oduya', 'Pines', 'Voss', 'Tamar', 'Lund'])[1 + n % 7] AS last) AS names;

INSERT INTO "credit_entries" ("id", "userId", "amount", "reason", "createdAt")
SELECT 'credit-' || lpad(n::text, 6, '0'),
       'user-' || lpad((1 + (n * 37) % 240)::text, 4, '0'),
       CASE WHEN n % 6 = 0 THEN 100 ELSE -1 - n % 4 END,
       CASE WHEN n % 6 = 0 THEN 'monthly credits' ELSE 'reel export' END,
       timestamp '2026-09-10 00:00:00' + n * interval '5 minutes'
FROM generate_series(1, 20000) AS n;

INSERT INTO "reel_projects" ("id", "userId", "title", "createdAt", "updatedAt")
SELECT 'reel-' || lpad(n::text, 4, '0'),
       'user-' || lpad((1 + (n * 11) % 240)::text, 4, '0'),
       'Harbour tour, cut ' || n,
       timestamp '2026-09-24 09:00:00' + n * interval '3 hours',
       timestamp '2026-09-24 10:00:00' + n * interval '3 hours'
FROM generate_series(1, 300) AS n;

INSERT INTO "reel_clips" ("id", "projectId", "sourceUrl", "position")
SELECT 'clip-' || lpad(n::text, 5, '0') || '-' || place,
       'reel-' || lpad(n::text, 4, '0'),
       'https://media.example.com/clips/' || n || '/' || place || '.mp4',
       place
FROM generate_series(1, 300) AS n, generate_series(1, 4) AS place;

INSERT INTO "sign_in_events" ("id", "userId", "succeeded", "at")
SELECT 'signin-' || lpad(n::text, 5, '0'),
       'user-' || lpad((1 + (n * 53) % 240)::text, 4, '0'),
       n % 17 <> 0,
       timestamp '2026-10-06 06:00:00' + n * interval '13 minutes'
FROM generate_series(1, 4000) AS n;

-- The catalogue seed ran, so Mascot Studio is listed. Its tables do not exist.
INSERT INTO "studio_models" ("id", "appSlug", "title", "provider", "creditsPerUse", "listed", "createdAt") VALUES
    ('model-reel-standard', 'reel-mixer', 'Reel Mixer', 'harbor', 2, true, '2026-09-23 09:00:00'),
    ('model-reel-fine', 'reel-mixer', 'Reel Mixer, fine grain', 'harbor', 5, true, '2026-09-23 09:00:00'),
    ('model-mascot-sketch', 'mascot-studio', 'Mascot Studio, sketch', 'lantern', 3, true, '2026-11-18 16:05:00'),
    ('model-mascot-portrait', 'mascot-studio', 'Mascot Studio, portrait', 'lantern', 6, true, '2026-11-18 16:05:00'),
    ('model-pose-standard', 'pose-studio', 'Pose Studio', 'lantern', 4, true, '2026-11-18 16:05:00');

-- Statement 1 of the failed migration, which stayed when statement 2 failed.
ALTER TABLE "users" ADD COLUMN IF NOT EXISTS "unlimitedUntil" TIMESTAMP(3);

ANALYZE;
