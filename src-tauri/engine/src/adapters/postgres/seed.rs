//! The SQL that writes a block's rows: staged, looked up, compared, written; every step a set, no row by
//! itself. All of it in temporary tables of the session, so that it can be looked at before the end.

mod look;

use super::words::{identifier, literal, qualified};
use crate::domain::profile::{Mode, WrittenOn};
use crate::domain::staging::{Dangles, Like, Shape, ShapeColumn, Source, Staging};
use crate::domain::tables::TableFacts;

/// From how many rows on the order of the profile is not kept for what the server numbers.
const ORDERED: u64 = 100_000;
/// Compares the stored images of two rows: `1.0` is not `1.00`, and every type can be compared.
const DIFFERS: &str = "pg_catalog.record_image_ne";

/// The statements of a block; `number` tells its temporary tables from those of others.
pub struct BlockSql<'a> {
    staging: &'a Staging,
    number: usize,
}

impl<'a> BlockSql<'a> {
    /// The statements of a block.
    pub fn new(staging: &'a Staging, number: usize) -> Self {
        Self { staging, number }
    }

    fn temporary(&self, kind: &str) -> String {
        format!("pg_temp.drydock_{kind}{}", self.number)
    }

    /// The table as it is read; tables that inherit from it are not part of it.
    fn target(&self) -> String {
        from(&self.staging.table)
    }

    fn into(&self) -> String {
        qualified(&self.staging.table.schema, &self.staging.table.name)
    }

    /// The temporary table with the rows' final values.
    fn values(&self) -> String {
        self.temporary(if self.staging.needs_server() { "values" } else { "stage" })
    }

    /// The column of [`Self::values`] that holds a column's value.
    fn value(&self, column: &str) -> String {
        if self.staging.needs_server() {
            let at = self.staging.written().iter().position(|name| *name == column).unwrap_or(0);
            format!("v{at}")
        } else {
            let own = Like::Own(column.to_owned());
            let at = self.staging.stage.iter().position(|staged| staged.like == own).unwrap_or(0);
            format!("c{at}")
        }
    }

    /// `t` and `v` are the same row by the natural key.
    fn same_key(&self, left: &str, right: &str) -> String {
        let parts: Vec<String> = self
            .staging
            .key
            .iter()
            .map(|key| {
                let equals = self.staging.table.column(key).map_or("=", |column| column.equals.as_str());
                format!("{left}.{} {equals} {right}.{}", identifier(key), self.value(key))
            })
            .collect();
        parts.join(" AND ")
    }

    /// Two tables that both have the target's own columns are the same row by the natural key.
    fn same_own_key(&self, left: &str, right: &str) -> String {
        let parts: Vec<String> = self
            .staging
            .key
            .iter()
            .map(|key| {
                let equals = self.staging.table.column(key).map_or("=", |column| column.equals.as_str());
                format!("{left}.{0} {equals} {right}.{0}", identifier(key))
            })
            .collect();
        parts.join(" AND ")
    }

    /// Makes the temporary tables that rows are staged in.
    pub fn create(&self) -> String {
        let mut sources = vec![format!("{} AS t", self.target())];
        let mut columns = vec!["NULL::bigint AS n".to_owned(), "NULL::int AS shape".to_owned()];
        for (at, staged) in self.staging.stage.iter().enumerate() {
            columns.push(match &staged.like {
                Like::Own(name) => format!("t.{} AS c{at}", identifier(name)),
                Like::Text => format!("NULL::text AS c{at}"),
                Like::Other { schema, table, column } => {
                    sources.push(format!("{} AS r{at}", qualified(schema, table)));
                    format!("r{at}.{} AS c{at}", identifier(column))
                }
            });
        }
        let mut sql = format!(
            "CREATE TEMP TABLE drydock_stage{} AS SELECT {} FROM {} WITH NO DATA",
            self.number,
            columns.join(", "),
            sources.join(", ")
        );
        if self.staging.needs_server() {
            let own: Vec<String> = self
                .staging
                .written()
                .iter()
                .enumerate()
                .map(|(at, name)| format!("t.{} AS v{at}", identifier(name)))
                .collect();
            sql.push_str(&format!(
                "; CREATE TEMP TABLE drydock_values{} AS SELECT NULL::bigint AS n, NULL::int AS shape, {} FROM {} AS t WITH NO DATA",
                self.number,
                own.join(", "),
                self.target()
            ));
        }
        sql
    }

    /// What rows are copied into.
    pub fn copy_target(&self) -> String {
        let columns: Vec<String> = (0..self.staging.stage.len()).map(|at| format!(", c{at}")).collect();
        format!("{} (n, shape{})", self.temporary("stage"), columns.concat())
    }

    /// The references of a shape: column, table, query for the rows that lead nowhere (their numbers).
    /// Those of late columns are asked for apart.
    pub fn dangling(&self, late: bool) -> Vec<(Dangles, String)> {
        let mut found = Vec::new();
        for (number, shape) in self.staging.shapes.iter().enumerate() {
            for column in shape.columns.iter().filter(|column| self.is_late(column) == late) {
                let Source::Reference { schema, table, take, by, .. } = &column.source else { continue };
                let whole: Vec<String> = by.iter().map(|(_, at)| format!("s.c{at} IS NOT NULL")).collect();
                found.push((dangles(column, table, by), format!(
                        "SELECT s.n::text{} FROM {} AS s LEFT JOIN {} AS r ON {} WHERE s.shape = {number} AND {} AND r.{} IS NULL ORDER BY s.n LIMIT 1",
                        by.iter().map(|(_, at)| format!(", s.c{at}::text")).collect::<String>(),
                        self.temporary("stage"),
                        qualified(schema, table),
                        found_by(by, "r", "s"),
                        whole.join(" AND "),
                        identifier(take),
                    )));
            }
        }
        found
    }

    /// The references whose key is no unique index: queries for keys that lead to more than one row.
    pub fn ambiguous(&self) -> Vec<(Dangles, String)> {
        let mut found = Vec::new();
        for shape in &self.staging.shapes {
            for column in &shape.columns {
                let Source::Reference { schema, table, by, unique: false, .. } = &column.source else {
                    continue;
                };
                found.push((dangles(column, table, by), format!(
                        "SELECT s.n::text{0} FROM (SELECT min(n) AS n{1} FROM {2} GROUP BY {3}) AS s JOIN {4} AS r ON {5} GROUP BY s.n{6} HAVING count(*) > 1 ORDER BY s.n LIMIT 1",
                        by.iter().map(|(_, at)| format!(", s.c{at}::text")).collect::<String>(),
                        by.iter().map(|(_, at)| format!(", c{at}")).collect::<String>(),
                        self.temporary("stage"),
                        by.iter().map(|(_, at)| format!("c{at}")).collect::<Vec<_>>().join(", "),
                        qualified(schema, table),
                        found_by(by, "r", "s"),
                        by.iter().map(|(_, at)| format!(", s.c{at}")).collect::<String>(),
                    )));
            }
        }
        found
    }

    /// Looks values up and computes them, row set by row set. Empty where nothing has to be.
    pub fn fill(&self) -> Vec<String> {
        if !self.staging.needs_server() {
            return Vec::new();
        }
        self.staging
            .shapes
            .iter()
            .enumerate()
            .map(|(number, shape)| {
                let columns: Vec<&ShapeColumn> = shape
                    .columns
                    .iter()
                    .filter(|column| !matches!(column.source, Source::Sequence(_)))
                    .filter(|column| {
                        !(self.is_late(column) && matches!(column.source, Source::Reference { .. }))
                    })
                    .collect();
                let (values, joins) = self.sources(&columns);
                format!(
                    "INSERT INTO {} (n, shape{}) SELECT s.n, s.shape{} FROM {} AS s{joins}{}",
                    self.values(),
                    columns
                        .iter()
                        .map(|column| format!(", {}", self.value(&column.column)))
                        .collect::<String>(),
                    values.iter().map(|value| format!(", {value}")).collect::<String>(),
                    self.temporary("stage"),
                    self.only(number, "s"),
                )
            })
            .collect()
    }

    fn only(&self, shape: usize, alias: &str) -> String {
        if self.staging.shapes.len() == 1 { String::new() } else { format!(" WHERE {alias}.shape = {shape}") }
    }

    fn sources(&self, columns: &[&ShapeColumn]) -> (Vec<String>, String) {
        let mut joins = String::new();
        let values = columns
            .iter()
            .enumerate()
            .map(|(at, column)| match &column.source {
                Source::Staged(staged) => format!("s.c{staged}"),
                Source::Reference { schema, table, take, by, .. } => {
                    joins.push_str(&format!(
                        " LEFT JOIN {} AS r{at} ON {}",
                        qualified(schema, table),
                        found_by(by, &format!("r{at}"), "s")
                    ));
                    format!("r{at}.{}", identifier(take))
                }
                Source::Sql { expression, fields } => {
                    let named: Vec<String> =
                        fields.iter().map(|(name, at)| format!("s.c{at} AS {}", identifier(name))).collect();
                    if named.is_empty() {
                        format!("({expression}\n)")
                    } else {
                        format!("(SELECT ({expression}\n) FROM (SELECT {}) AS fields)", named.join(", "))
                    }
                }
                Source::Sequence(_) => "NULL".to_owned(),
            })
            .collect();
        (values, joins)
    }

    fn is_late(&self, column: &ShapeColumn) -> bool {
        self.staging.late.contains(&column.column)
    }

    /// Statistics for what was staged, so that large sets are joined well.
    pub fn analyse(&self) -> String {
        format!("ANALYZE {}", self.values())
    }

    /// The first row without a key, and the first two with the same one: number, and number of the other.
    pub fn broken_keys(&self) -> String {
        let keys: Vec<String> = self.staging.key.iter().map(|key| self.value(key)).collect();
        let null: Vec<String> = keys.iter().map(|key| format!("{key} IS NULL")).collect();
        format!(
            "SELECT * FROM (SELECT n::text AS first, NULL::text AS second FROM {0} WHERE {1} ORDER BY n LIMIT 1) AS a \
             UNION ALL SELECT * FROM (SELECT min(n)::text, max(n)::text FROM {0} GROUP BY {2} HAVING count(*) > 1 LIMIT 1) AS b",
            self.values(),
            null.join(" OR "),
            keys.join(", ")
        )
    }

    /// Finds the rows that are missing, and remembers their numbers.
    pub fn find_missing(&self) -> String {
        let missing = format!(
            "SELECT v.n AS drydock_n FROM {} AS v WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {})",
            self.values(),
            self.target(),
            self.same_key("t", "v")
        );
        let rows = match self.staging.mode {
            Mode::TopUp { count } => format!(
                "{missing} ORDER BY v.n LIMIT greatest(0, {count} - (SELECT count(*) FROM {}))",
                self.target()
            ),
            _ => missing,
        };
        format!("CREATE TEMP TABLE drydock_missing{} AS {rows}", self.number)
    }

    /// Remembers the rows that differ, as they are.
    pub fn find_different(&self) -> Option<String> {
        let condition = self.differs(false)?;
        Some(format!(
            "CREATE TEMP TABLE drydock_before{} AS SELECT v.n AS drydock_n, t.* FROM {} AS v JOIN {} AS t ON {} WHERE {condition}",
            self.number,
            self.values(),
            self.target(),
            self.same_key("t", "v"),
        ))
    }

    /// Counts what writing the block would still do: rows missing, rows that differ.
    pub fn still_to_do(&self) -> String {
        let missing = match self.staging.mode {
            Mode::TopUp { count } => format!(
                "least((SELECT count(*) FROM {0} AS v WHERE NOT EXISTS (SELECT FROM {1} AS t WHERE {2})), greatest(0, {count} - (SELECT count(*) FROM {1})))",
                self.values(),
                self.target(),
                self.same_key("t", "v")
            ),
            _ => format!(
                "(SELECT count(*) FROM {} AS v WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {}))",
                self.values(),
                self.target(),
                self.same_key("t", "v")
            ),
        };
        let different = match [self.differs(false), self.differs(true)]
            .into_iter()
            .flatten()
            .reduce(|a, b| format!("{a} OR {b}"))
        {
            Some(condition) => format!(
                "(SELECT count(*) FROM {} AS v JOIN {} AS t ON {} WHERE {condition})",
                self.values(),
                self.target(),
                self.same_key("t", "v")
            ),
            None => "0".to_owned(),
        };
        let surplus = if self.staging.mode == Mode::Replace {
            format!(
                "(SELECT count(*) FROM {} AS t WHERE NOT EXISTS (SELECT FROM {} AS v WHERE {}))",
                self.target(),
                self.values(),
                self.same_key("t", "v")
            )
        } else {
            "0".to_owned()
        };
        format!("SELECT ({missing} + {different} + {surplus})::text")
    }

    /// The condition under which a row that is there has to be changed; `None`: never.
    fn differs(&self, late: bool) -> Option<String> {
        if matches!(self.staging.mode, Mode::InsertMissing | Mode::TopUp { .. }) {
            return None;
        }
        let of_shape = |number: usize, shape: &Shape| {
            let compared: Vec<&ShapeColumn> = shape
                .columns
                .iter()
                .filter(|column| self.is_late(column) == late)
                .filter(|column| column.on == WrittenOn::Always && !self.staging.key.contains(&column.column))
                .collect();
            (!compared.is_empty()).then(|| {
                let own: Vec<String> =
                    compared.iter().map(|column| format!("t.{}", identifier(&column.column))).collect();
                let new: Vec<String> =
                    compared.iter().map(|column| format!("v.{}", self.value(&column.column))).collect();
                let differs = format!("{DIFFERS}(ROW({}), ROW({}))", own.join(", "), new.join(", "));
                if self.staging.shapes.len() == 1 {
                    differs
                } else {
                    format!("(v.shape = {number} AND {differs})")
                }
            })
        };
        let parts: Vec<String> = self
            .staging
            .shapes
            .iter()
            .enumerate()
            .filter_map(|(number, shape)| of_shape(number, shape))
            .collect();
        (!parts.is_empty()).then(|| format!("({})", parts.join(" OR ")))
    }

    /// Changes the rows that differ, `within` a range of numbers if one is given.
    pub fn update(&self, within: Option<(u64, u64)>) -> Vec<String> {
        if self.differs(false).is_none() {
            return Vec::new();
        }
        let of_shape = |(number, shape): (usize, &Shape)| {
            let set: Vec<String> = shape
                .columns
                .iter()
                .filter(|column| !self.is_late(column))
                .filter(|column| column.on != WrittenOn::Insert && !self.staging.key.contains(&column.column))
                .map(|column| format!("{} = v.{}", identifier(&column.column), self.value(&column.column)))
                .collect();
            (!set.is_empty()).then(|| {
                format!(
                    "UPDATE {} AS t SET {} FROM {} AS v JOIN {} AS b ON b.drydock_n = v.n WHERE v.shape = {number} AND {}{}",
                    self.target(),
                    set.join(", "),
                    self.values(),
                    self.temporary("before"),
                    self.same_key("t", "v"),
                    between(within)
                )
            })
        };
        self.staging.shapes.iter().enumerate().filter_map(of_shape).collect()
    }

    /// Adds the rows that are missing, `within` a range of numbers if one is given.
    pub fn insert(&self, within: Option<(u64, u64)>) -> Vec<String> {
        let of_shape = |(number, shape): (usize, &Shape)| {
            let columns: Vec<&ShapeColumn> =
                shape.columns.iter().filter(|column| !self.is_late(column)).collect();
            let names: Vec<String> = columns.iter().map(|column| identifier(&column.column)).collect();
            let values: Vec<String> = columns
                .iter()
                .map(|column| match &column.source {
                    Source::Sequence(sequence) => {
                        format!("pg_catalog.nextval({}::pg_catalog.regclass)", literal(sequence))
                    }
                    _ => format!("v.{}", self.value(&column.column)),
                })
                .collect();
            let always = columns.iter().any(|column| {
                self.staging.table.column(&column.column).is_some_and(|facts| facts.identity_always)
            });
            format!(
                "INSERT INTO {} ({}){} SELECT {} FROM {} AS v JOIN {} AS m ON m.drydock_n = v.n WHERE v.shape = {number}{}{}",
                self.into(),
                names.join(", "),
                if always { " OVERRIDING SYSTEM VALUE" } else { "" },
                values.join(", "),
                self.values(),
                self.temporary("missing"),
                between(within),
                if self.staging.rows <= ORDERED { " ORDER BY v.n" } else { "" },
            )
        };
        self.staging.shapes.iter().enumerate().map(of_shape).collect()
    }

    /// Writes the columns that had to wait for other rows.
    pub fn late(&self) -> Late {
        let mut late_sql = Late::default();
        let late: Vec<(usize, &ShapeColumn)> = self
            .staging
            .shapes
            .iter()
            .enumerate()
            .flat_map(|(number, shape)| shape.columns.iter().map(move |column| (number, column)))
            .filter(|(_, column)| self.is_late(column))
            .collect();
        if late.is_empty() {
            return late_sql;
        }
        for (number, column) in &late {
            if let Source::Reference { schema, table, take, by, .. } = &column.source {
                late_sql.looks.push(format!(
                    "UPDATE {} AS v SET {} = r.{} FROM {} AS s JOIN {} AS r ON {} WHERE s.n = v.n AND v.shape = {number}",
                    self.values(),
                    self.value(&column.column),
                    identifier(take),
                    self.temporary("stage"),
                    qualified(schema, table),
                    found_by(by, "r", "s"),
                ));
            }
        }
        if let Some(condition) = self.differs(true) {
            let before = if self.differs(false).is_some() {
                format!("INSERT INTO {}", self.temporary("before"))
            } else {
                format!("CREATE TEMP TABLE drydock_before{} AS", self.number)
            };
            late_sql.looks.push(format!(
                "{before} SELECT v.n AS drydock_n, t.* FROM {0} AS v JOIN {1} AS t ON {2} WHERE {condition} \
                 AND NOT EXISTS (SELECT FROM {3} AS m WHERE m.drydock_n = v.n){4}",
                self.values(),
                self.target(),
                self.same_key("t", "v"),
                self.temporary("missing"),
                if self.differs(false).is_some() {
                    format!(
                        " AND NOT EXISTS (SELECT FROM {} AS b WHERE b.drydock_n = v.n)",
                        self.temporary("before")
                    )
                } else {
                    String::new()
                },
            ));
        }
        let remembered = self.differs(true).is_some() || self.differs(false).is_some();
        for (number, shape) in self.staging.shapes.iter().enumerate() {
            // Rows that were there before keep what is only written when a row is added.
            for (of, table) in [(WrittenOn::Insert, "missing"), (WrittenOn::Change, "before")] {
                if table == "before" && !remembered {
                    continue;
                }
                let columns: Vec<&ShapeColumn> =
                    shape.columns.iter().filter(|column| self.is_late(column) && column.on >= of).collect();
                if columns.is_empty() {
                    continue;
                }
                let list = |alias: &str| -> Vec<String> {
                    columns
                        .iter()
                        .map(|column| match alias {
                            "t" => format!("t.{}", identifier(&column.column)),
                            _ => format!("v.{}", self.value(&column.column)),
                        })
                        .collect()
                };
                let set: Vec<String> = columns
                    .iter()
                    .map(|column| {
                        format!("{} = v.{}", identifier(&column.column), self.value(&column.column))
                    })
                    .collect();
                late_sql.writes.push(format!(
                    "UPDATE {} AS t SET {} FROM {} AS v JOIN {} AS w ON w.drydock_n = v.n WHERE v.shape = {number} AND {} AND {DIFFERS}(ROW({}), ROW({}))",
                    self.target(),
                    set.join(", "),
                    self.values(),
                    self.temporary(table),
                    self.same_key("t", "v"),
                    list("t").join(", "),
                    list("v").join(", "),
                ));
            }
        }
        late_sql
    }

    /// Remembers the rows that are not in the profile, then deletes them.
    pub fn delete_others(&self) -> Option<[String; 2]> {
        if self.staging.mode != Mode::Replace {
            return None;
        }
        let condition =
            format!("NOT EXISTS (SELECT FROM {} AS v WHERE {})", self.values(), self.same_key("t", "v"));
        Some([
            format!(
                "CREATE TEMP TABLE drydock_gone{} AS SELECT t.* FROM {} AS t WHERE {condition}",
                self.number,
                self.target()
            ),
            format!("DELETE FROM {} AS t WHERE {condition}", self.target()),
        ])
    }
}

/// What writes the columns that had to wait.
#[derive(Default)]
pub struct Late {
    /// Looks their values up and remembers the rows as they are; touches temporary tables alone.
    pub looks: Vec<String>,
    /// Changes the rows.
    pub writes: Vec<String>,
}

fn between(within: Option<(u64, u64)>) -> String {
    within.map_or_else(String::new, |(from, to)| format!(" AND v.n BETWEEN {from} AND {to}"))
}

fn dangles(column: &ShapeColumn, table: &str, by: &[(String, usize)]) -> Dangles {
    Dangles {
        column: column.column.clone(),
        table: table.to_owned(),
        keys: by.iter().map(|(key, _)| key.clone()).collect(),
    }
}

fn found_by(by: &[(String, usize)], other: &str, staged: &str) -> String {
    by.iter()
        .map(|(column, at)| format!("{other}.{} = {staged}.c{at}", identifier(column)))
        .collect::<Vec<_>>()
        .join(" AND ")
}

/// A table as it is read: without those that inherit from it, with its partitions.
pub fn from(table: &TableFacts) -> String {
    let name = qualified(&table.schema, &table.name);
    if table.has_children { format!("ONLY {name}") } else { name }
}
