//! Names and values that attack are shown as what they are, on the way to the screen and in exports.

use super::harness::{Bench, nothing, profile, run, shown};
use drydock_engine::domain::seed::{CellView, ExportFormat, RowQuery};

#[tokio::test]
async fn names_and_values_that_attack_are_shown_as_what_they_are() {
    let bench = Bench::start().await;
    let mut base = bench.base("hostile", "").await;
    let name = "t\"; DROP TABLE x; --<script>";
    let quoted = name.replace('"', "\"\"");
    run(
        &mut base.connection,
        &format!("CREATE TABLE \"{quoted}\" (\"id'\" int PRIMARY KEY, \"v\\n\u{202e}\" text, secret text)"),
    )
    .await;
    let big = "x".repeat(10_000_000);
    let digits = "7".repeat(1500);
    let values = [
        "<img src=x onerror=alert(1)>",
        "'; DROP TABLE users; --",
        "\u{1b}[31mred",
        "\u{202e}cba",
        "=HYPERLINK(\"http://example.com\")",
        "",
        "NULL",
        " ",
        &digits,
        &big,
    ];
    let mut lines = String::new();
    for (at, value) in values.iter().enumerate() {
        let row = serde_json::json!({ "id'": at, "v\\n\u{202e}": value, "secret": "CANARY-5ec" });
        lines.push_str(&format!("{row}\n"));
    }
    lines.push_str("{\"id'\": 99, \"v\\\\n\u{202e}\": null}\n");
    let folder = profile(&[
        (
            "profile.toml",
            &format!(
                "title = \"<b>Hostile</b>\"\ndescription = \"\"\nengines = [\"postgresql\"]\ntiers = [\"development\"]\n[[tables]]\ntable = '{name}'\nkey = [\"id'\"]\nmode = \"upsert\"\nfile = \"rows.ndjson\"\nsensitive = [\"secret\"]\n"
            ),
        ),
        ("rows.ndjson", &lines),
    ]);
    let (run_, written) = bench.seed(&base.target, folder.path(), nothing()).await;
    assert_eq!(written.tables[0].table, format!("public.{name}"));
    let page = |search: &str, sort: Option<u32>, descending: bool| {
        let query = RowQuery {
            run_id: run_.id.clone(),
            table: 0,
            kinds: Vec::new(),
            search: search.to_owned(),
            sort,
            descending,
            offset: 0,
            limit: 500,
        };
        let engine = bench.engine.clone();
        async move { engine.row_changes(&query).await.unwrap() }
    };
    let rows = page("", None, false).await.rows;
    for (row, value) in rows.iter().zip(values) {
        let CellView::Text { text, of } = &row.after.as_ref().unwrap()[1] else { panic!("{row:?}") };
        if value.len() > 2_000 {
            assert_eq!((text.len(), *of), (2_000, Some(10_000_000)), "its beginning and its length");
        } else {
            assert_eq!(text, value);
        }
        assert_eq!(row.after.as_ref().unwrap()[2], CellView::Masked);
    }
    assert_eq!(rows.last().unwrap().after.as_ref().unwrap()[1], CellView::Null, "NULL is no text");
    assert_eq!(page("drop table users", None, false).await.total, 1);
    assert_eq!(page("CANARY", None, false).await.total, 0, "what is masked cannot be searched");
    let sorted = page("", Some(0), true).await.rows;
    assert_eq!(shown(&sorted[0].after.as_ref().unwrap()[0]), "99", "numbers sort as numbers");

    let folder = tempfile::tempdir().unwrap();
    for (format, ending) in
        [(ExportFormat::Csv, "csv"), (ExportFormat::Json, "json"), (ExportFormat::Html, "html")]
    {
        let path = folder.path().join(format!("rows.{ending}"));
        bench.engine.export_rows_to(&run_.id, format, &path).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("CANARY"), "{ending} masks, too");
        match format {
            ExportFormat::Csv => {
                assert!(
                    text.contains("\"'=HYPERLINK(\"\"http://example.com\"\")\""),
                    "no spreadsheet runs it"
                );
            }
            ExportFormat::Json => {
                let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(rows.as_array().unwrap().len(), 11);
                assert_eq!(
                    rows[9]["after"]["v\\n\u{202e}"].as_str().unwrap().len(),
                    10_000_000,
                    "every character"
                );
                assert_eq!(rows[8]["after"]["v\\n\u{202e}"], digits);
                assert!(rows[10]["after"]["v\\n\u{202e}"].is_null());
            }
            ExportFormat::Html => {
                assert!(!text.contains("<img") && !text.contains("<script") && !text.contains("<b>Hostile"));
                assert!(text.contains("[U+202E]cba") && text.contains("[U+001B][31mred"));
                assert!(text.contains("<i>NULL</i>") && text.contains("<i>empty</i>"));
            }
        }
    }
}
