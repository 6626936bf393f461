WITH space AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY ({schemas})
),
relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.reltype, c.relpartbound, c.reloptions,
           c.relrowsecurity, c.relforcerowsecurity, c.xmin AS writer, s.nspname
    FROM pg_catalog.pg_class c
    JOIN space s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c')
      AND c.relpersistence <> 't'
      AND c.relname <> '_prisma_migrations'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
),
type AS (
    SELECT t.oid, t.typname, t.typtype, t.typbasetype, t.typtypmod, t.typnotnull, t.typdefault, t.typrelid,
           t.xmin AS writer, s.nspname
    FROM pg_catalog.pg_type t
    JOIN space s ON s.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r', 'c')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
)
SELECT json_strip_nulls(json_build_object(
'schemas', (SELECT json_agg(nspname ORDER BY nspname) FROM space),

'tables', (
    SELECT json_agg(json_build_object(
        'schema', r.nspname, 'name', r.relname, 'kind', r.relkind, 'unlogged', r.relpersistence = 'u',
        'partition_key', pg_get_partkeydef(r.oid),
        'parent', (SELECT quote_ident(pn.nspname) || '.' || quote_ident(p.relname)
                   FROM pg_catalog.pg_inherits i
                   JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
                   JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                   WHERE i.inhrelid = r.oid ORDER BY i.inhseqno LIMIT 1),
        'partition_bound', pg_get_expr(r.relpartbound, r.oid),
        'row_security', r.relrowsecurity, 'force_row_security', r.relforcerowsecurity,
        'options', (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.reloptions) o),
        'columns', columns.list,
        'empty', CASE WHEN {facts} AND r.relkind = 'r' THEN pg_relation_size(r.oid) = 0 END,
        'origin', CASE WHEN {facts} THEN t.xmin::text::bigint END
    ) ORDER BY r.nspname, r.relname)
    FROM relation r
    LEFT JOIN pg_catalog.pg_type t ON t.oid = r.reltype
    LEFT JOIN (
        SELECT a.attrelid, json_agg(json_build_object(
            'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
            'default', CASE WHEN a.atthasdef THEN pg_get_expr(d.adbin, d.adrelid) END,
            'identity', nullif(a.attidentity, ''), 'generated', {generated},
            'collation', CASE WHEN a.attcollation <> ty.typcollation THEN quote_ident(co.collname) END,
            'origin', CASE WHEN {facts} THEN a.xmin::text::bigint END
        ) ORDER BY a.attnum) AS list
        FROM pg_catalog.pg_attribute a
        JOIN relation r ON r.oid = a.attrelid AND a.attnum > 0 AND NOT a.attisdropped AND r.relkind IN ('r', 'p', 'f')
        JOIN pg_catalog.pg_type ty ON ty.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
        GROUP BY a.attrelid
    ) columns ON columns.attrelid = r.oid
    WHERE r.relkind IN ('r', 'p', 'f')
),

'indexes', (
    SELECT json_agg(json_build_object(
        'schema', r.nspname, 'table', r.relname, 'name', x.relname, 'unique', i.indisunique,
        'definition', regexp_replace(
            substr(text.whole, 1 + length(format('CREATE %sINDEX %I ON %s%I.%I ',
                CASE WHEN i.indisunique THEN 'UNIQUE ' END, x.relname,
                CASE WHEN position(format(' %I ON ONLY ', x.relname) IN text.whole) > 0 THEN 'ONLY ' END,
                r.nspname, r.relname))), '\s+$', ''),
        'columns', (SELECT json_agg(a.attname ORDER BY k.place)
                    FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, place)
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.number),
        'valid', i.indisvalid, 'ready', i.indisready,
        'of_constraint', EXISTS (SELECT FROM pg_catalog.pg_constraint c
                                 WHERE c.conindid = x.oid AND c.conrelid = r.oid AND c.contype IN ('p', 'u', 'x')),
        'origin', CASE WHEN {facts} THEN i.xmin::text::bigint END
    ) ORDER BY r.nspname, x.relname)
    FROM pg_catalog.pg_index i
    JOIN relation r ON r.oid = i.indrelid
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid AND NOT x.relispartition
    CROSS JOIN LATERAL (SELECT pg_get_indexdef(x.oid) AS whole) text
),

'constraints', (
    SELECT json_agg(json_build_object(
        'schema', r.nspname, 'table', r.relname, 'name', c.conname, 'kind', c.contype,
        'definition', regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', ''),
        'validated', c.convalidated,
        'columns', (SELECT json_agg(a.attname ORDER BY k.place)
                    FROM unnest(c.conkey) WITH ORDINALITY k (number, place)
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.number),
        'references', (SELECT fn.nspname || '.' || f.relname FROM pg_catalog.pg_class f
                       JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace WHERE f.oid = c.confrelid),
        'origin', CASE WHEN {facts} THEN c.xmin::text::bigint END
    ) ORDER BY r.nspname, r.relname, c.conname)
    FROM pg_catalog.pg_constraint c
    JOIN relation r ON r.oid = c.conrelid
    WHERE c.contype IN ('p', 'u', 'f', 'c', 'x')
      AND (c.conislocal OR c.contype = 'f') AND c.conparentid = 0
),

'enums', (
    SELECT json_agg(json_build_object(
        'schema', t.nspname, 'name', t.typname,
        'labels', (SELECT json_agg(json_build_object('name', e.enumlabel,
                       'origin', CASE WHEN {facts} THEN e.xmin::text::bigint END) ORDER BY e.enumsortorder)
                   FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
        'origin', CASE WHEN {facts} THEN t.writer::text::bigint END
    ) ORDER BY t.nspname, t.typname)
    FROM type t WHERE t.typtype = 'e'
),

'types', (
    SELECT json_agg(json_build_object(
        'schema', t.nspname, 'name', t.typname,
        'definition', CASE t.typtype
            WHEN 'd' THEN 'domain over ' || format_type(t.typbasetype, t.typtypmod)
                || CASE WHEN t.typnotnull THEN ' not null' ELSE '' END
                || coalesce(' default ' || t.typdefault, '')
                || coalesce((SELECT string_agg(' ' || regexp_replace(pg_get_constraintdef(c.oid), ' NOT VALID$', ''), ''
                                               ORDER BY c.conname)
                             FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c'), '')
            WHEN 'r' THEN 'range of ' || (SELECT format_type(g.rngsubtype, NULL) FROM pg_catalog.pg_range g
                                          WHERE g.rngtypid = t.oid)
            ELSE 'composite of ' || coalesce((SELECT string_agg(quote_ident(a.attname) || ' '
                                                  || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
                                              FROM pg_catalog.pg_attribute a
                                              WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), 'nothing')
        END,
        'origin', CASE WHEN {facts} THEN t.writer::text::bigint END
    ) ORDER BY t.nspname, t.typname)
    FROM type t
    WHERE t.typtype IN ('d', 'r')
       OR (t.typtype = 'c' AND EXISTS (SELECT FROM pg_catalog.pg_class r WHERE r.oid = t.typrelid AND r.relkind = 'c'))
),

'sequences', (
    SELECT json_agg(json_build_object(
        'schema', r.nspname, 'name', r.relname,
        'definition', format('%s start %s min %s max %s step %s cache %s%s', format_type(s.seqtypid, NULL), s.seqstart,
                             s.seqmin, s.seqmax, s.seqincrement, s.seqcache, CASE WHEN s.seqcycle THEN ' cycle' END),
        'owner_table', o.relname, 'owner_column', a.attname, 'of_identity', coalesce(d.deptype = 'i', false),
        'origin', CASE WHEN {facts} THEN r.writer::text::bigint END
    ) ORDER BY r.nspname, r.relname)
    FROM relation r
    JOIN pg_catalog.pg_sequence s ON s.seqrelid = r.oid
    LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
    LEFT JOIN pg_catalog.pg_class o ON o.oid = d.refobjid
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE r.relkind = 'S'
),

'views', (
    SELECT json_agg(json_build_object(
        'schema', r.nspname, 'name', r.relname, 'materialized', r.relkind = 'm',
        'definition', pg_get_viewdef(r.oid),
        'options', (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(r.reloptions) o),
        'origin', CASE WHEN {facts} THEN (SELECT w.xmin::text::bigint FROM pg_catalog.pg_rewrite w
                                          WHERE w.ev_class = r.oid AND w.rulename = '_RETURN') END
    ) ORDER BY r.nspname, r.relname)
    FROM relation r WHERE r.relkind IN ('v', 'm')
),

'functions', (
    SELECT json_agg(json_build_object(
        'schema', s.nspname, 'name', p.proname, 'arguments', regexp_replace(pg_get_function_identity_arguments(p.oid), '(^|, )IN ', '\1', 'g'),
        'procedure', p.prokind = 'p',
        'definition', CASE WHEN p.prokind = 'a' THEN 'aggregate returning ' || format_type(p.prorettype, NULL)
                           ELSE pg_get_functiondef(p.oid) END,
        'origin', CASE WHEN {facts} THEN p.xmin::text::bigint END
    ) ORDER BY s.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
    FROM pg_catalog.pg_proc p
    JOIN space s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
),

'triggers', (
    SELECT json_agg(json_build_object(
        'schema', r.nspname, 'table', r.relname, 'name', g.tgname,
        'definition', pg_get_triggerdef(g.oid), 'enabled', g.tgenabled,
        'origin', CASE WHEN {facts} THEN g.xmin::text::bigint END
    ) ORDER BY r.nspname, r.relname, g.tgname)
    FROM pg_catalog.pg_trigger g
    JOIN relation r ON r.oid = g.tgrelid
    WHERE NOT g.tgisinternal
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND d.objid = g.oid
                        AND d.refclassid = 'pg_catalog.pg_trigger'::regclass)
),

'policies', (
    SELECT json_agg(json_build_object(
        'schema', r.nspname, 'table', r.relname, 'name', p.polname,
        'definition', format('AS %s FOR %s TO %s%s%s',
            CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                          WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
            (SELECT string_agg(CASE WHEN k.role = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(k.role)) END, ', '
                               ORDER BY pg_get_userbyid(k.role)) FROM unnest(p.polroles) k (role)),
            ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
            ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'),
        'origin', CASE WHEN {facts} THEN p.xmin::text::bigint END
    ) ORDER BY r.nspname, r.relname, p.polname)
    FROM pg_catalog.pg_policy p
    JOIN relation r ON r.oid = p.polrelid
),

'extensions', (
    SELECT json_agg(json_build_object(
        'name', e.extname, 'version', e.extversion, 'schema', n.nspname,
        'origin', CASE WHEN {facts} THEN e.xmin::text::bigint END
    ) ORDER BY e.extname)
    FROM pg_catalog.pg_extension e
    JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname <> 'plpgsql'
)
))
