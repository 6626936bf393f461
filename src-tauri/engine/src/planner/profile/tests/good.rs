//! Every form of the format, and what it becomes.

use super::super::*;
use super::{files, good};
use crate::domain::environment::Tier;
use crate::domain::profile::*;
use chrono::NaiveDate;

fn text(text: &str) -> Form {
    Form::Text(text.to_owned())
}

fn number(digits: &str) -> Form {
    Form::Number(digits.to_owned())
}

fn gap(name: &str, filters: &[Filter]) -> TemplatePart {
    TemplatePart::Gap { name: name.to_owned(), filters: filters.to_vec() }
}

fn words(text: &str) -> TemplatePart {
    TemplatePart::Text(text.to_owned())
}

fn template(parts: &[TemplatePart]) -> Template {
    Template { parts: parts.to_vec() }
}

fn at(file: &str, line: u32) -> Place {
    Place { file: file.to_owned(), line }
}

fn table(schema: Option<&str>, name: &str) -> TableName {
    TableName { schema: schema.map(str::to_owned), name: name.to_owned() }
}

fn parsed() -> Profile {
    parse(&good()).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn blocks() -> Vec<TableBlock> {
    match parsed().work {
        Work::Tables(blocks) => blocks,
        _ => panic!("blocks are expected"),
    }
}

/// Forms by name; none of them says when it is written.
fn plain(cells: &[(&str, Form)]) -> Vec<(String, Cell)> {
    cells.iter().map(|(name, form)| ((*name).to_owned(), Cell { form: form.clone(), on: None })).collect()
}

/// Name, form, when it is written, line.
fn columns(block: &TableBlock) -> Vec<(&str, Form, Option<WrittenOn>, u32)> {
    let columns = block.columns.iter();
    columns
        .map(|column| (column.name.as_str(), column.cell.form.clone(), column.cell.on, column.at.line))
        .collect()
}

fn given(block: &TableBlock) -> &[GivenRow] {
    match &block.rows {
        Rows::Given(rows) => rows,
        Rows::Repeat { .. } => panic!("given rows are expected"),
    }
}

#[test]
fn the_top_says_what_it_is_and_where_it_may_run() {
    let profile = parsed();
    assert_eq!(profile.title, "Everything");
    assert_eq!(profile.description, "Every form once.");
    assert_eq!(profile.tiers, [Tier::Development, Tier::Production]);
    assert_eq!(profile.scale, Some(Scale { default: 2, max: 1000 }));
}

#[test]
fn inputs_keep_their_words_ranges_and_digits() {
    let input = |name: &str, label: &str, line, kind| Input {
        name: name.to_owned(),
        label: label.to_owned(),
        help: None,
        optional: false,
        kind,
        at: at("profile.toml", line),
    };
    let some = |text: &str| Some(text.to_owned());
    let greeting = InputKind::Text { default: some("Hello"), shortest: Some(2), longest: Some(40) };
    assert_eq!(
        parsed().inputs,
        [
            Input {
                help: some("Shown on the first page."),
                optional: true,
                ..input("greeting", "Greeting", 8, greeting)
            },
            input("admin_email", "E-mail", 18, InputKind::Email { default: some("admin@example.com") }),
            input(
                "limit",
                "Limit",
                24,
                InputKind::Number {
                    default: some("100000000000000000000.50"),
                    min: some("0"),
                    max: some("1e30")
                }
            ),
            input(
                "plan",
                "Plan",
                32,
                InputKind::Choice {
                    default: some("free"),
                    choices: vec!["free".to_owned(), "paid".to_owned()]
                }
            ),
            input("loud", "Loud", 39, InputKind::Boolean { default: true }),
            input(
                "admin_password",
                "Password",
                45,
                InputKind::Password { hash: Argon2Cost { memory_kib: 19_456, passes: 2, lanes: 1 } }
            ),
        ]
    );
}

#[test]
fn rows_written_in_the_profile_keep_every_digit_and_the_order_of_their_columns() {
    let blocks = blocks();
    let clients = &blocks[0];
    assert_eq!((clients.schema.as_deref(), clients.table.as_str()), (Some("shop"), "clients"));
    assert_eq!(clients.key, ["code"]);
    assert_eq!(clients.mode, Mode::Upsert);
    assert_eq!(clients.fields, ["nickname"]);
    assert_eq!(clients.sensitive, ["notes"]);
    assert_eq!(clients.at, at("profile.toml", 52));
    let rows = [
        plain(&[
            ("code", text("a")),
            ("nickname", text("Ace")),
            ("price", number("1.10")),
            ("big", number("1000")),
            ("hex", number("4722366482869645213695")),
            ("octal", number("15")),
            ("binary", number("5")),
            ("plus", number("5")),
            ("wide", number("123456789012345678901234567890")),
            ("small", number("-1.50e-3")),
            ("without", number("Infinity")),
            ("under", number("-Infinity")),
            ("none", number("NaN")),
        ]),
        plain(&[
            ("code", text("b")),
            ("nickname", Form::Input("greeting".to_owned())),
            ("day", text("2026-01-31")),
            ("at", text("2026-01-31 08:00:00Z")),
            ("at_t", text("2026-01-31T08:00:00.123456789+01:00")),
            ("hour", text("08:30:00")),
            ("yes", Form::Boolean(true)),
        ]),
        [
            plain(&[
                (
                    "code",
                    Form::Template(template(&[
                        words("c-"),
                        gap("nickname", &[Filter::Lower, Filter::Pad(6)]),
                        gap("row", &[]),
                    ])),
                ),
                ("nickname", text("x")),
                ("tags", Form::List(vec![text("one"), number("2"), number("3.0"), Form::Boolean(false)])),
                ("grid", Form::Json("[[1,2],[3,4]]".to_owned())),
                ("notes", Form::Null),
            ]),
            vec![("made".to_owned(), Cell { form: Form::Default, on: Some(WrittenOn::Change) })],
        ]
        .concat(),
    ];
    let expected: Vec<GivenRow> =
        (59..).zip(rows).map(|(line, cells)| GivenRow { at: at("profile.toml", line), cells }).collect();
    assert_eq!(given(clients), expected);
    let json = r#"{"b":1.10,"a":[true,"x\"y",16],"when":"2026-01-31","deep":{"empty":{}}}"#;
    assert_eq!(
        columns(clients),
        [
            ("id", Form::Generate(Generator::UuidV7), None, 63),
            ("note", text("plain {{text}}"), None, 64),
            ("settings", Form::Json(json.to_owned()), None, 65),
            ("password_hash", Form::Input("admin_password".to_owned()), None, 66),
            ("short", Form::Field("nickname".to_owned()), None, 67),
            ("nickname", text("nobody"), None, 68),
        ],
        "a text that is no form is stored as it stands, and a dotted key is a column"
    );
}

#[test]
fn columns_of_made_rows_have_every_form() {
    let blocks = blocks();
    let orders = &blocks[1];
    assert_eq!(orders.mode, Mode::InsertMissing);
    assert_eq!(orders.rows, Rows::Repeat { count: 50, scaled: true });
    let label = template(&[
        words("Order "),
        gap("number", &[]),
        words(" for "),
        gap("plan", &[Filter::Upper, Filter::Trim, Filter::Slug]),
    ]);
    let day = |month, day| NaiveDate::from_ymd_opt(2026, month, day).unwrap();
    let country = vec![
        ("code".to_owned(), text("AT")),
        ("plan".to_owned(), Form::Input("plan".to_owned())),
        ("name".to_owned(), Form::Field("label".to_owned())),
        ("full".to_owned(), Form::Template(template(&[words("x"), gap("plan", &[])]))),
    ];
    let reference = |schema: Option<&str>, table: &str, by| {
        let schema = schema.map(str::to_owned);
        Form::Reference(Reference { schema, table: table.to_owned(), take: "id".to_owned(), by })
    };
    let of = vec![text("new"), number("2"), Form::Null, Form::Json(r#"{"a":1}"#.to_owned())];
    assert_eq!(
        columns(orders),
        [
            ("number", Form::Counter { start: 1000, step: 5 }, None, 78),
            ("count_up", Form::Counter { start: -1, step: 1 }, None, 79),
            ("label", Form::Template(label), None, 80),
            ("ticket", Form::Sequence("shop.tickets_seq".to_owned()), None, 81),
            (
                "digest",
                Form::Hash { algorithm: HashAlgorithm::Sha512, of: template(&[gap("label", &[])]) },
                None,
                82
            ),
            ("state", Form::Choose { of, weights: vec![1, 3, 0, 2] }, None, 83),
            (
                "size",
                Form::Choose { of: vec![text("s"), text("m")], weights: Vec::new() },
                Some(WrittenOn::Always),
                84
            ),
            ("first", Form::Fake(Fake::FirstName), None, 85),
            ("company", Form::Fake(Fake::Company), Some(WrittenOn::Always), 86),
            ("pieces", Form::Fake(Fake::Integer { min: -1, max: 9 }), None, 87),
            ("total", Form::Fake(Fake::Decimal { min: 50, max: 9999, scale: 2 }), None, 88),
            ("ordered", Form::Fake(Fake::Date { from: day(1, 1), to: day(12, 31) }), None, 89),
            ("code", Form::Sql("upper(label)".to_owned()), None, 90),
            ("client_id", reference(None, "clients", ReferenceBy::Row(Spread::Spread)), None, 91),
            ("country_id", reference(Some("geo"), "countries", ReferenceBy::Key(country)), None, 94),
            ("plan", Form::Template(template(&[gap("plan", &[])])), None, 95),
        ]
    );
}

#[test]
fn rows_of_data_files_are_literals_with_their_own_lines() {
    let blocks = blocks();
    assert_eq!(blocks[2].mode, Mode::TopUp { count: 20 });
    assert_eq!(
        given(&blocks[2]),
        [
            (2, plain(&[("name", text("a, \"b\"")), ("enabled", text("true")), ("note", Form::Null)])),
            (3, plain(&[("name", text("two\nlines")), ("enabled", text("false")), ("note", text(""))])),
            (5, plain(&[("name", text("last")), ("enabled", text("1.10")), ("note", text("x"))])),
        ]
        .map(|(line, cells)| GivenRow { at: at("data/flags.csv", line), cells })
    );
    assert_eq!(blocks[3].mode, Mode::Replace);
    let list = Form::List(vec![number("1"), text("x"), Form::Null, number("2.50")]);
    assert_eq!(
        given(&blocks[3]),
        [
            (
                2,
                plain(&[
                    ("name", text("a")),
                    ("most", number("1.10")),
                    ("more", number("12345678901234567890123")),
                    ("on", Form::Boolean(true)),
                ])
            ),
            (
                3,
                plain(&[
                    ("name", text("bé")),
                    ("nothing", Form::Null),
                    ("list", list),
                    ("deep", Form::Json("[[1], {\"a\": 1e5}]".to_owned())),
                ])
            ),
            (6, plain(&[("name", text("c")), ("json", Form::Json("{ \"b\" : 1.0 }".to_owned()))])),
        ]
        .map(|(line, cells)| GivenRow { at: at("limits.json", line), cells })
    );
    assert_eq!(
        given(&blocks[4]),
        [(1, plain(&[("name", text("a")), ("at", number("1"))])), (3, plain(&[("name", text("b"))]))]
            .map(|(line, cells)| GivenRow { at: at("events.ndjson", line), cells })
    );
}

#[test]
fn expectations_have_every_form() {
    let some = |text: &str| Some(text.to_owned());
    let count = |name: &str, holds| Expected::Count { table: table(None, name), condition: None, holds };
    let value = |sql: &str, holds| Expected::Value { sql: sql.to_owned(), holds };
    let digits = |text: &str| text.to_owned();
    let orders = || table(None, "orders");
    let exists = |part| Expected::Exists { table: orders(), part };
    let expected = [
        (
            116,
            "Eight flags",
            Expected::Count {
                table: table(None, "flags"),
                condition: some("enabled"),
                holds: Condition::Equals(digits("8")),
            },
        ),
        (
            120,
            "Enough clients",
            Expected::Count {
                table: table(Some("shop"), "clients"),
                condition: None,
                holds: Condition::AtLeast(digits("2")),
            },
        ),
        (124, "No fewer orders", count("orders", Condition::ChangedBy(digits("-3")))),
        (128, "Others stay", count("others", Condition::Unchanged)),
        (132, "Not too many", value("SELECT max(price) FROM clients", Condition::AtMost(digits("1.10")))),
        (137, "Words", value("SELECT 'x'", Condition::Equals(digits("x")))),
        (142, "Between", value("SELECT 5", Condition::Between(digits("1"), digits("9")))),
        (147, "None", Expected::None { sql: digits("SELECT 1 WHERE false") }),
        (151, "Table", exists(None)),
        (
            155,
            "Column",
            exists(Some(TablePart::Column { name: digits("total"), type_name: some("numeric(12,2)") })),
        ),
        (159, "Index", exists(Some(TablePart::Index { name: digits("orders_pkey") }))),
        (163, "Constraint", exists(Some(TablePart::Constraint { name: digits("orders_total_check") }))),
        (167, "Orphans", Expected::NoOrphans { table: orders(), soft: None }),
        (
            171,
            "Soft orphans",
            Expected::NoOrphans {
                table: table(None, "invoices"),
                soft: Some(SoftReference {
                    columns: vec![digits("order_id")],
                    references: orders(),
                    referenced: vec![digits("id")],
                }),
            },
        ),
        (175, "Sequence", Expected::SequenceAhead { table: orders(), column: digits("id") }),
        (
            179,
            "Labels",
            Expected::EnumLabels {
                name: table(None, "order_status"),
                labels: vec![digits("new"), digits("paid")],
            },
        ),
        (
            183,
            "No failures",
            Expected::NoneFailed {
                table: table(None, "jobs"),
                column: digits("status"),
                values: vec![digits("failed")],
            },
        ),
    ];
    let expected: Vec<Expectation> = expected
        .into_iter()
        .map(|(line, name, what)| Expectation { name: name.to_owned(), what, at: at("profile.toml", line) })
        .collect();
    assert_eq!(parsed().checks.expectations, expected);
}

#[test]
fn the_files_a_profile_names_are_told_before_they_are_read() {
    let toml = std::str::from_utf8(include_bytes!("good.toml")).unwrap();
    assert_eq!(files_named(toml), ["data/flags.csv", "limits.json", "events.ndjson"]);
    let broken = "[sql]\nfiles = [\"b.sql\", 3, \"../secret.sql\", \"/etc/passwd\", \"a//./a.sql\", \"b.sql\"]\ntitle = = 1\n";
    assert_eq!(files_named(broken), ["b.sql", "a/a.sql"], "what leaves the folder is never read");
    assert_eq!(files_named("\u{0}[[[[ = "), [""; 0]);
}

#[test]
fn scripts_come_in_their_order_with_their_texts() {
    let toml = "\u{feff}title = \"Scripts\"\r\nengines = [\"postgresql\"]\r\ntiers = [\"staging\"]\r\n\r\n[sql]\r\nfiles = [\r\n  \"b.sql\",\r\n  \"a.sql\",\r\n]\r\n";
    let profile = parse(&files(&[
        ("profile.toml", toml.as_bytes()),
        ("a.sql", b"SELECT 1;\n"),
        ("b.sql", b"\xef\xbb\xbfSELECT 2;\n"),
    ]));
    let script = |file: &str, text: &str, line| ScriptFile {
        file: file.to_owned(),
        text: text.to_owned(),
        at: at("profile.toml", line),
    };
    let scripts = vec![script("b.sql", "SELECT 2;\n", 7), script("a.sql", "SELECT 1;\n", 8)];
    assert_eq!(profile.unwrap().work, Work::Sql(scripts));
}

#[test]
fn rows_of_one_table_or_of_an_array_of_tables_are_the_same() {
    let head = "title = \"T\"\nengines = [\"postgresql\"]\ntiers = [\"staging\"]\n";
    let short = "tables = [{ table = \"t\", key = [\"a\"], mode = \"upsert\", rows = [{ a = 1 }] }]\n";
    let long = "\n[[tables]]\ntable = \"t\"\nkey = [\"a\"]\nmode = \"upsert\"\n[[tables.rows]]\na = 1\n";
    let cells = |body: &str| {
        let profile = parse(&files(&[("profile.toml", format!("{head}{body}").as_bytes())])).unwrap();
        match profile.work {
            Work::Tables(blocks) => given(&blocks[0])[0].cells.clone(),
            _ => panic!("blocks are expected"),
        }
    };
    assert_eq!(cells(short), cells(long));
}

#[test]
fn a_million_rows_are_read() {
    let mut csv = String::from("name\n");
    for row in 0..MOST_ROWS {
        csv.push_str(&format!("{row}\n"));
    }
    let toml = "title = \"T\"\nengines = [\"postgresql\"]\ntiers = [\"staging\"]\n[[tables]]\ntable = \"t\"\nkey = [\"name\"]\nmode = \"upsert\"\nfile = \"a.csv\"\ncolumns.n = { text = \"{{name}}\" }\n";
    let mut all = files(&[("profile.toml", toml.as_bytes()), ("a.csv", csv.as_bytes())]);
    assert!(parse(&all).is_ok());
    csv.push_str("one more\n");
    all.files.insert("a.csv".to_owned(), csv.into_bytes());
    let problems = parse(&all).unwrap_err();
    assert_eq!(problems[0].what, "The file gives more than 1000000 rows.");
    assert_eq!(problems[0].at, at("a.csv", 1_000_002));
}

#[test]
fn rows_of_a_chosen_file_are_read_like_those_of_one_beside_the_profile() {
    let toml = "title = \"T\"\nengines = [\"postgresql\"]\ntiers = [\"staging\"]\n[[inputs]]\nname = \"list\"\nlabel = \"L\"\nkind = \"file\"\n[[tables]]\ntable = \"t\"\nkey = [\"a\"]\nmode = \"upsert\"\nfile = { input = \"list\" }\n";
    let mut files = files(&[("profile.toml", toml.as_bytes())]);
    let rows = |profile: Profile| match profile.work {
        Work::Tables(blocks) => match &blocks[0].rows {
            Rows::Given(rows) => rows.len(),
            Rows::Repeat { .. } => panic!("given rows"),
        },
        _ => panic!("blocks are expected"),
    };
    assert_eq!(rows(parse(&files).unwrap()), 0, "before one is chosen there are none");
    files.files.insert("mine.csv".to_owned(), b"a,b\n1,x\n2,y\n".to_vec());
    files.chosen.insert("list".to_owned(), "mine.csv".to_owned());
    assert_eq!(rows(parse(&files).unwrap()), 2);
    files.files.insert("mine.csv".to_owned(), b"a,b\n1,x\n1,y\n".to_vec());
    let twice = &parse(&files).unwrap_err()[0];
    assert_eq!((twice.at.file.as_str(), twice.at.line), ("mine.csv", 3), "{twice:?}");
    files.chosen.insert("list".to_owned(), "mine.xlsx".to_owned());
    assert!(parse(&files).unwrap_err()[0].what.contains("none that rows can be read from"));
    for (from, to, what) in [
        (
            "file = { input = \"list\" }",
            "file = { input = \"lost\" }",
            "There is no input `lost` that is a file.",
        ),
        (
            "file = { input = \"list\" }",
            "rows = [ { a = { input = \"list\" } } ]",
            "The input `list` is a file of rows.",
        ),
        ("kind = \"file\"", "kind = \"file\"\ndefault = \"x\"", "begins with a `default`"),
    ] {
        let wrong = super::files(&[("profile.toml", toml.replace(from, to).as_bytes())]);
        let found = parse(&wrong).unwrap_err();
        assert!(found[0].what.contains(what), "{to}: {found:?}");
    }
}
