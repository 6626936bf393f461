//! The schema of a database as SQL text, read out by the toolkit's `pg_dump`.

use super::way::Client;
use crate::adapters::postgres::connect::Way;
use crate::adapters::sandbox::Toolkit;
use crate::domain::address::Address;
use crate::domain::{Failure, FailureCode};
use std::process::Stdio;

/// Reads the schema out as SQL that another server accepts: no rows, owners or privileges, no commands
/// of psql's own, no settings that older servers lack. An empty list of schemas means all of them.
pub async fn schema_dump(toolkit: &Toolkit, way: Way<'_>, schemas: &[String]) -> Result<String, Failure> {
    let address = way.address;
    let Client { mut command, connection, private: _private } =
        Client::prepare(&toolkit.pg_dump(), way, "drydock schema dump")
            .map_err(|why| failed(address, why.to_string()))?;
    command.args([
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--no-password",
        "--quote-all-identifiers",
    ]);
    for schema in schemas {
        command.arg(format!("--schema=\"{}\"", schema.replace('"', "\"\"")));
    }
    if !schemas.is_empty() {
        // Naming schemas would otherwise leave out the extensions that their columns need.
        command.arg("--extension=*");
    }
    command.arg(format!("--dbname={connection}"));
    let output = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| failed(address, format!("pg_dump could not be run: {error}.")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(address, text));
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| failed(address, "pg_dump's output is not UTF-8.".to_owned()))?;
    Ok(portable(&text))
}

/// Leaves out what only psql or a newer server understands. Only the lines that pg_dump itself puts
/// around a dump go; the same text inside a function body stays.
fn portable(dump: &str) -> String {
    let key = dump.lines().find_map(|line| line.strip_prefix("\\restrict ")).map(str::to_owned);
    let guard = |line: &str| {
        key.as_deref().is_some_and(|key| {
            line.strip_prefix("\\restrict ").or_else(|| line.strip_prefix("\\unrestrict ")) == Some(key)
        })
    };
    let mut setting_seen = false;
    let mut heading = "";
    let mut text = String::with_capacity(dump.len());
    for line in dump.lines() {
        if line.starts_with("-- Name: ") {
            heading = line;
        }
        let newer_setting = !setting_seen && line == "SET transaction_timeout = 0;";
        setting_seen |= newer_setting;
        if newer_setting || guard(line) {
            continue;
        }
        // Every new database has this schema already.
        let public =
            heading.starts_with("-- Name: public; Type: SCHEMA;") && line == "CREATE SCHEMA \"public\";";
        text.push_str(if public { "CREATE SCHEMA IF NOT EXISTS \"public\";" } else { line });
        text.push('\n');
    }
    text
}

fn failed(address: &Address, why: String) -> Failure {
    Failure::new(
        FailureCode::ServerError,
        format!("The schema of {} could not be read out.", address.label()),
    )
    .why(why)
    .unchanged("Nothing was written to the database.")
    .next("Test the connection; reading a schema needs the right to read every table in it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_around_a_dump_are_left_out() {
        let dump = "\\restrict Ab1\nSET transaction_timeout = 0;\nSELECT 1;\n\\restrict other\n\
                    SET transaction_timeout = 0;\n\\unrestrict Ab1\n";
        assert_eq!(portable(dump), "SELECT 1;\n\\restrict other\nSET transaction_timeout = 0;\n");
    }
}
