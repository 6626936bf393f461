//! The statements that make tables like those of a backup on a scratch database: types and columns, so that rows
//! can be read in. Keys, checks and defaults are not made; rows are what is looked at.

use super::rebuild::{enum_sql, identifier, qualified, type_sql};
use crate::domain::backup::StoredTable;
use crate::domain::catalogue::Catalogue;

/// Schemas and extensions, to be made first and by whoever may: names of the extensions beside their statements.
pub fn extensions(catalogue: &Catalogue) -> Vec<(String, String)> {
    catalogue
        .extensions
        .iter()
        .map(|each| {
            let sql = format!(
                "CREATE SCHEMA IF NOT EXISTS {schema}; CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {schema}",
                identifier(&each.name),
                schema = identifier(&each.schema)
            );
            (each.name.clone(), sql)
        })
        .collect()
}

/// Schemas, types and tables, in an order that may have to be gone through more than once: a type may need another.
pub fn tables(catalogue: &Catalogue, tables: &[StoredTable]) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut schemas: Vec<&str> = catalogue.schemas.iter().map(String::as_str).collect();
    schemas.extend(tables.iter().map(|table| table.table.schema.as_str()));
    schemas.sort_unstable();
    schemas.dedup();
    for schema in schemas {
        statements.push(format!("CREATE SCHEMA IF NOT EXISTS {}", identifier(schema)));
    }
    statements.extend(catalogue.enums.iter().map(enum_sql));
    statements.extend(catalogue.types.iter().filter_map(type_sql));
    for table in tables {
        let columns: Vec<String> = table
            .columns
            .iter()
            .filter(|column| !column.generated)
            .map(|column| format!("{} {}", identifier(&column.name), column.type_name))
            .collect();
        statements.push(format!(
            "CREATE TABLE {} ({})",
            qualified(&table.table.schema, &table.table.name),
            columns.join(", ")
        ));
    }
    statements
}
