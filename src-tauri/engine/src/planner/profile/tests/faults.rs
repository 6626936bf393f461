//! What can be wrong in a profile: each fault with its file, its line and its sentences.

use super::super::*;

/// The first three lines of most profiles here.
const HEAD: &str = "title = \"T\"\nengines = [\"postgresql\"]\ntiers = [\"staging\"]\n";

/// Lines 4 to 7 of many: a block that still needs rows.
const BLOCK: &str = "[[tables]]\ntable = \"t\"\nkey = [\"a\"]\nmode = \"upsert\"\n";

/// A `profile.toml`.
enum Toml {
    /// There is none.
    Absent,
    /// Bytes that are no text.
    Bytes(&'static [u8]),
    /// All of it.
    Whole(&'static str),
    /// What follows from line 4.
    Headed(&'static str),
    /// What follows in a block, from line 8.
    Block(&'static str),
}

/// A faulty profile, and all that is said about it.
struct Faulty {
    /// What is wrong, for the reader of this table.
    claim: &'static str,
    toml: Toml,
    beside: &'static [(&'static str, &'static [u8])],
    /// File, line, what is wrong, what to do.
    found: &'static [(&'static str, u32, &'static str, &'static str)],
}

fn files(faulty: &Faulty) -> ProfileFiles {
    let toml = match faulty.toml {
        Toml::Absent => None,
        Toml::Bytes(bytes) => Some(bytes.to_vec()),
        Toml::Whole(text) => Some(text.as_bytes().to_vec()),
        Toml::Headed(text) => Some(format!("{HEAD}{text}").into_bytes()),
        Toml::Block(text) => Some(format!("{HEAD}{BLOCK}{text}").into_bytes()),
    };
    let mut files = super::files(faulty.beside);
    if let Some(toml) = toml {
        files.files.insert(PROFILE_FILE.to_owned(), toml);
    }
    files
}

#[test]
fn every_fault_is_found_with_its_line_and_what_to_do() {
    for faulty in FAULTY {
        let Err(problems) = parse(&files(faulty)) else { panic!("{}: nothing was found", faulty.claim) };
        let found: Vec<_> = problems
            .iter()
            .map(|found| (found.at.file.as_str(), found.at.line, found.what.as_str(), found.next.as_str()))
            .collect();
        assert_eq!(found, faulty.found, "{}", faulty.claim);
    }
}

#[test]
fn sentences_begin_and_end_like_sentences() {
    for faulty in FAULTY {
        for (_, _, what, next) in faulty.found {
            for sentence in [what, next] {
                let first = sentence.chars().next().unwrap();
                assert!(first.is_uppercase() || first == '`' || first.is_ascii_digit(), "{sentence}");
                assert!(sentence.ends_with(['.', '?']), "{sentence}");
                assert!(!sentence.contains('\n'), "{sentence}");
            }
        }
    }
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_read() {
    let toml = format!("{HEAD}[sql]\nfiles = [\"a.sql\"]\n");
    let large = vec![b'x'; LARGEST_FILE + 1];
    let problems = parse(&super::files(&[("profile.toml", toml.as_bytes()), ("a.sql", &large)])).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].at.file.as_str(), problems[0].at.line), ("a.sql", 1));
    assert_eq!(problems[0].what, "The file is larger than 100 MB.");
    assert_eq!(problems[0].next, "Split it over several profiles.");
}

#[test]
fn a_file_full_of_faults_is_listed_up_to_a_length_and_then_counted() {
    let toml = format!("{HEAD}{BLOCK}file = \"a.csv\"\n");
    let csv = format!("a,b\n{}", "1\n".repeat(2_000));
    let problems =
        parse(&super::files(&[("profile.toml", toml.as_bytes()), ("a.csv", csv.as_bytes())])).unwrap_err();
    let last = problems.last().unwrap();
    assert_eq!(
        (problems.len(), last.what.as_str()),
        (501, "1500 more problems were found and are not listed.")
    );
}

#[test]
fn more_columns_than_a_table_can_have_are_refused_wherever_they_stand() {
    let names: Vec<String> = (0..1_601).map(|number| format!("c{number}")).collect();
    let toml: Vec<String> = names.iter().map(|name| format!("{name} = 1")).collect();
    let json: Vec<String> = names.iter().map(|name| format!("\"{name}\": 1")).collect();
    let csv = names.join(",");
    let json = format!("[{{{}}}]", json.join(","));
    for (body, begins) in [
        ("file = \"a.csv\"\n".to_owned(), "The header has 1601 columns"),
        ("file = \"a.json\"\n".to_owned(), "The row has 1601 columns"),
        (format!("rows = [{{ {} }}]\n", toml.join(", ")), "A row has 1601 columns"),
        (format!("repeat = 1\ncolumns = {{ {} }}\n", toml.join(", ")), "`columns` has 1601 columns"),
    ] {
        let toml = format!("{HEAD}{BLOCK}{body}");
        let files =
            [("profile.toml", toml.as_bytes()), ("a.csv", csv.as_bytes()), ("a.json", json.as_bytes())];
        let problems = parse(&super::files(&files)).unwrap_err();
        assert!(problems[0].what.starts_with(begins), "{problems:?}");
    }
}

const FAULTY: &[Faulty] = &[
    Faulty {
        claim: "no profile at all",
        toml: Toml::Absent,
        beside: &[("other.txt", b"x")],
        found: &[
            ("profile.toml", 1, "The folder has no `profile.toml`.", "Write one, as docs/seed-profiles.md says."),
        ],
    },
    Faulty {
        claim: "a profile that is not UTF-8",
        toml: Toml::Bytes(b"title = \"T\"\ndescription = \"caf\xe9\"\n"),
        beside: &[],
        found: &[
            ("profile.toml", 2, "The file is not UTF-8: byte 31 is 0xE9.", "Save it as UTF-8."),
        ],
    },
    Faulty {
        claim: "TOML that is not closed",
        toml: Toml::Whole(r#"title = "T"
engines = ["postgresql"
tiers = ["staging"]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 3, "This is not TOML: missing comma between array elements, expected `,`.", "Correct the line: texts stand in quotes, and what is opened is closed."),
        ],
    },
    Faulty {
        claim: "a text without quotes, and a second problem further down",
        toml: Toml::Whole(r#"title = Flags
engines = ["postgresql"]
tiers = staging
"#),
        beside: &[],
        found: &[
            ("profile.toml", 1, "The word `Flags` stands here without quotes.", "Put it in quotes; true and false are written in small letters."),
            ("profile.toml", 3, "The word `staging` stands here without quotes.", "Put it in quotes; true and false are written in small letters."),
        ],
    },
    Faulty {
        claim: "a key that stands twice",
        toml: Toml::Whole(r#"title = "T"
engines = ["postgresql"]
title = "U"
"#),
        beside: &[],
        found: &[
            ("profile.toml", 3, "The key `title` stands here for the second time.", "Keep one of them."),
        ],
    },
    Faulty {
        claim: "words without quotes",
        toml: Toml::Whole(r#"title = "T"
engines = [postgresql]
tiers = ["staging"]
sql.files = [nothing, True]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 2, "The word `postgresql` stands here without quotes.", "Put it in quotes; true and false are written in small letters."),
            ("profile.toml", 4, "The word `nothing` stands here without quotes.", "Put it in quotes; true and false are written in small letters."),
        ],
    },
    Faulty {
        claim: "a table that is called otherwise",
        toml: Toml::Headed(r#"[[table]]
table = "t"
"#),
        beside: &[],
        found: &[
            ("profile.toml", 4, "The profile has no key `table`.", "Did you mean `tables`?"),
        ],
    },
    Faulty {
        claim: "rows that are called otherwise",
        toml: Toml::Block(r"row = [{ a = 1 }]
"),
        beside: &[],
        found: &[
            ("profile.toml", 8, "The block of `t` has no key `row`.", "Did you mean `rows`?"),
        ],
    },
    Faulty {
        claim: "an empty profile",
        toml: Toml::Whole(r""),
        beside: &[],
        found: &[
            ("profile.toml", 1, "The profile has no `title`, which it needs.", "Add `title = ...`."),
            ("profile.toml", 1, "The profile has no `engines`, which it needs.", "Add `engines = ...`."),
            ("profile.toml", 1, "The profile has no `tiers`, which it needs.", "Add `tiers = ...`."),
            ("profile.toml", 1, "The profile writes nothing: it has neither `[[tables]]` nor `[sql]` nor `[http]`.", "Add a `[[tables]]` block for each table, `[sql]` with the files of its scripts, or `[http]` with requests to the app."),
        ],
    },
    Faulty {
        claim: "an unknown key with a near one",
        toml: Toml::Headed(r#"titel = "x"

[sql]
files = ["a.sql"]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 4, "The profile has no key `titel`.", "Did you mean `title`?"),
        ],
    },
    Faulty {
        claim: "an unknown key without a near one",
        toml: Toml::Headed(r#"colour = "x"

[sql]
files = ["a.sql"]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 4, "The profile has no key `colour`.", "Remove it, or write `description`, `scale`, `inputs`, `tables`, `http`, `credentials` or `expect`."),
        ],
    },
    Faulty {
        claim: "a title of the wrong type, an engine and a tier that are not known",
        toml: Toml::Whole(r#"title = 5
engines = ["postgres"]
tiers = ["prod", "live", "staging", "staging"]
sql.files = ["a.sql"]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 1, "`title` must be a text, but a whole number stands here.", "Write it in quotes."),
            ("profile.toml", 2, "`postgres` is not an engine.", "Did you mean `postgresql`?"),
            ("profile.toml", 3, "`tiers` names `staging` twice.", "Remove one of them."),
            ("profile.toml", 3, "`prod` is not a tier.", "Did you mean `production`?"),
            ("profile.toml", 3, "`live` is not a tier.", "Write `development`, `staging` or `production`."),
        ],
    },
    Faulty {
        claim: "a blank title and no tier",
        toml: Toml::Whole(r#"title = " "
engines = ["postgresql"]
tiers = []
sql.files = ["a.sql"]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 1, "`title` is empty.", "Write a text between the quotes."),
            ("profile.toml", 3, "`tiers` is empty.", "Write at least one entry."),
        ],
    },
    Faulty {
        claim: "tables and scripts",
        toml: Toml::Headed(r#"[sql]
files = ["a.sql"]

[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
rows = [{ a = 1 }]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 4, "The profile has `[[tables]]` and `[sql]`.", "Keep one of them; what both write can be two profiles."),
        ],
    },
    Faulty {
        claim: "neither tables nor scripts",
        toml: Toml::Headed(r""),
        beside: &[],
        found: &[
            ("profile.toml", 1, "The profile writes nothing: it has neither `[[tables]]` nor `[sql]` nor `[http]`.", "Add a `[[tables]]` block for each table, `[sql]` with the files of its scripts, or `[http]` with requests to the app."),
        ],
    },
    Faulty {
        claim: "a scale that begins above its largest",
        toml: Toml::Headed(r#"scale = { default = 10, max = 1 }
sql.files = ["a.sql"]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 4, "The scale begins with 10, which is more than its largest, 1.", "Make `default` smaller or `max` larger."),
        ],
    },
    Faulty {
        claim: "a scale of zero and without a largest",
        toml: Toml::Headed(r#"scale = { default = 0 }
sql.files = ["a.sql"]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 4, "`default` is 0.", "Write a number from 1 to 1000000."),
            ("profile.toml", 4, "The scale has no `max`, which it needs.", "Add `max = ...`."),
        ],
    },
    Faulty {
        claim: "one bracket where two are needed",
        toml: Toml::Headed(r#"[tables]
table = "t"
"#),
        beside: &[],
        found: &[
            ("profile.toml", 4, "`tables` must be an array of tables, but a table stands here.", "Write `[[tables]]`, with two brackets, before each of them."),
        ],
    },
    Faulty {
        claim: "an input without its needed keys",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
help = "x"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 5, "An input has no `name`, which it needs.", "Add `name = ...`."),
            ("profile.toml", 5, "An input has no `label`, which it needs.", "Add `label = ...`."),
            ("profile.toml", 5, "An input has no `kind`, which it needs.", "Add `kind` with `text`, `email`, `number`, `choice`, `boolean`, `file` or `password`."),
        ],
    },
    Faulty {
        claim: "an input that is there twice",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "x"
label = "X"
kind = "text"
[[inputs]]
name = "x"
label = "X"
kind = "number"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 9, "The input `x` is already on line 5.", "Give one of them another name."),
        ],
    },
    Faulty {
        claim: "a name with a blank and a name that means the row's number",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "my name"
label = "X"
kind = "text"
[[inputs]]
name = "row"
label = "X"
kind = "text"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 6, "The name `my name` holds something other than letters, digits and `_`.", "Write it with those alone; `label` may hold any words."),
            ("profile.toml", 10, "An input cannot be called `row`: in texts that is the row's number.", "Give it another name."),
        ],
    },
    Faulty {
        claim: "a kind that is not known",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "x"
label = "X"
kind = "e-mail"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 8, "`e-mail` is not a kind of input.", "Did you mean `email`?"),
        ],
    },
    Faulty {
        claim: "a password without a hash and with a default",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "x"
label = "X"
kind = "password"
default = "secret"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 5, "The input `x` has no `hash`, which it needs.", "Add `hash` with `argon2id`."),
            ("profile.toml", 9, "The input `x` begins with a `default` that would be a password that everybody can read.", "Remove `default`, or correct it."),
        ],
    },
    Faulty {
        claim: "a hash of passwords that is not known, and too little memory",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "x"
label = "X"
kind = "password"
hash = "argon2i"
argon2 = { memory_kib = 8, lanes = 4, pases = 3 }
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 9, "`argon2i` is not a hash of passwords.", "Did you mean `argon2id`?"),
            ("profile.toml", 10, "`argon2` has no key `pases`.", "Did you mean `passes`?"),
            ("profile.toml", 10, "4 lanes need at least 32 KiB of memory, but `memory_kib` is 8.", "Make `memory_kib` larger or `lanes` smaller."),
        ],
    },
    Faulty {
        claim: "defaults outside of their choices and ranges",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "a"
label = "A"
kind = "choice"
choices = ["x", "y"]
default = "z"
[[inputs]]
name = "b"
label = "B"
kind = "number"
min = 0.1
max = 0.10000000000000000000001
default = 0.100000000000000000000011
[[inputs]]
name = "c"
label = "C"
kind = "text"
max = 3
default = "abcd"
[[inputs]]
name = "d"
label = "D"
kind = "email"
default = "nobody"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 10, "The input `a` begins with a `default` that is not one of its own choices.", "Remove `default`, or correct it."),
            ("profile.toml", 17, "The input `b` begins with a `default` that is outside its own range.", "Remove `default`, or correct it."),
            ("profile.toml", 23, "The input `c` begins with a `default` that has 4 characters, which is outside its own range.", "Remove `default`, or correct it."),
            ("profile.toml", 28, "The input `d` begins with a `default` that is no e-mail address.", "Remove `default`, or correct it."),
        ],
    },
    Faulty {
        claim: "ranges the wrong way round",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "a"
label = "A"
kind = "number"
min = 10
max = 9.99
[[inputs]]
name = "b"
label = "B"
kind = "text"
min = 5
max = 4
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 9, "`min` is 10, which is more than `max`, 9.99.", "Exchange them, or correct one of them."),
            ("profile.toml", 15, "`min` is 5, which is more than `max`, 4.", "Exchange them, or correct one of them."),
        ],
    },
    Faulty {
        claim: "keys of another kind of input",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "a"
label = "A"
kind = "boolean"
choices = ["x"]
min = 1
hash = "argon2id"
default = "yes"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 9, "`choices` belongs only to the kind `choice`.", "Remove it, or change `kind`."),
            ("profile.toml", 10, "`min` belongs only to the kinds `number` and `text`.", "Remove it, or change `kind`."),
            ("profile.toml", 11, "`hash` belongs only to the kind `password`.", "Remove it, or change `kind`."),
            ("profile.toml", 12, "`default` must be true or false, but a text stands here.", "Write `true` or `false`, without quotes."),
        ],
    },
    Faulty {
        claim: "choices that are empty or there twice",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[inputs]]
name = "a"
label = "A"
kind = "choice"
choices = []
[[inputs]]
name = "b"
label = "B"
kind = "choice"
choices = ["x", "x"]
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 9, "`choices` is empty.", "Write at least one entry."),
            ("profile.toml", 14, "`choices` names `x` twice.", "Remove one of them."),
        ],
    },
    Faulty {
        claim: "a block without its needed keys",
        toml: Toml::Headed(r"[[tables]]
rows = [{ a = 1 }]
"),
        beside: &[],
        found: &[
            ("profile.toml", 4, "The block has no `table`, which it needs.", "Add `table = ...`."),
            ("profile.toml", 4, "The block has no `key`, which it needs.", "Add `key = ...`."),
            ("profile.toml", 4, "The block has no `mode`, which it needs.", "Add `mode` with `insert-missing`, `upsert`, `top-up` or `replace`."),
        ],
    },
    Faulty {
        claim: "a block with a key that is not known",
        toml: Toml::Block(r"rows = [{ a = 1 }]
column.id = 1
"),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The block of `t` has no key `column`.", "Did you mean `columns`?"),
        ],
    },
    Faulty {
        claim: "a mode that is not known",
        toml: Toml::Headed(r#"[[tables]]
table = "t"
key = ["a"]
mode = "insert_missing"
rows = [{ a = 1 }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 7, "`insert_missing` is not a mode.", "Did you mean `insert-missing`?"),
        ],
    },
    Faulty {
        claim: "a count without top-up",
        toml: Toml::Block(r"rows = [{ a = 1 }]
count = 5
"),
        beside: &[],
        found: &[
            ("profile.toml", 9, "`count` belongs only to the mode `top-up`.", "Remove it, or write `mode = \"top-up\"`."),
        ],
    },
    Faulty {
        claim: "top-up without a count",
        toml: Toml::Headed(r#"[[tables]]
table = "t"
key = ["a"]
mode = "top-up"
rows = [{ a = 1 }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 4, "The block of `t` has no `count`, which it needs.", "Add `count = ...`."),
        ],
    },
    Faulty {
        claim: "a table with two dots",
        toml: Toml::Headed(r#"[[tables]]
table = "a.b.c"
key = ["a"]
mode = "upsert"
rows = [{ a = 1 }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 5, "`table` is `a.b.c`, which is not the name of a table.", "Write `name` or `schema.name`."),
        ],
    },
    Faulty {
        claim: "a table with two blocks",
        toml: Toml::Block(r#"rows = [{ a = 1 }]
[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
rows = [{ a = 1 }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The table `t` has a block already, on line 4.", "Put the rows of a table into one block."),
        ],
    },
    Faulty {
        claim: "no rows",
        toml: Toml::Block(r""),
        beside: &[],
        found: &[
            ("profile.toml", 4, "The block of `t` gives no rows.", "Add `rows`, `file` or `repeat`."),
        ],
    },
    Faulty {
        claim: "rows and repeat",
        toml: Toml::Block(r"rows = [{ a = 1 }]
repeat = 5
"),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The block of `t` takes its rows from `rows` and `repeat`.", "Keep one of them."),
        ],
    },
    Faulty {
        claim: "a file and repeat",
        toml: Toml::Block(r#"file = "a.csv"
repeat = 5
"#),
        beside: &[("a.csv", b"a\n1\n")],
        found: &[
            ("profile.toml", 9, "The block of `t` takes its rows from `file` and `repeat`.", "Keep one of them."),
        ],
    },
    Faulty {
        claim: "too much to repeat, and scaled without a scale",
        toml: Toml::Block(r#"repeat = 1_000_001
[[tables]]
table = "u"
key = ["a"]
mode = "upsert"
repeat = 2
scaled = true
columns.a = { counter = 1 }
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "`repeat` is 1000001.", "Write a number from 1 to 1000000."),
            ("profile.toml", 14, "`scaled` is true, but the profile has no `scale`.", "Add `scale = { default = 1, max = 1000 }` at the top, or remove `scaled`."),
        ],
    },
    Faulty {
        claim: "scaled without repeat",
        toml: Toml::Block(r"rows = [{ a = 1 }]
scaled = true
"),
        beside: &[],
        found: &[
            ("profile.toml", 9, "`scaled` stands without `repeat`.", "Remove it, or write `repeat` with the number of rows."),
        ],
    },
    Faulty {
        claim: "a row that is no table",
        toml: Toml::Block(r"rows = [
  { a = 1 },
  5,
]
"),
        beside: &[],
        found: &[
            ("profile.toml", 10, "A row must be a table, but a whole number stands here.", "Write it in braces, `{ key = value }`."),
        ],
    },
    Faulty {
        claim: "a column without a name",
        toml: Toml::Block(r#"rows = [{ a = 1, "" = 2 }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "A column has no name.", "Name it, or remove it."),
        ],
    },
    Faulty {
        claim: "a key column that nothing gives",
        toml: Toml::Block(r"rows = [{ b = 1 }, { b = 2 }]
"),
        beside: &[],
        found: &[
            ("profile.toml", 6, "No row and no column gives `a`, which is part of the key.", "Give `a` in the rows or in `columns`, or correct the key."),
        ],
    },
    Faulty {
        claim: "a key column that one row does not give",
        toml: Toml::Block(r"rows = [
  { a = 1 },
  { b = 2 },
]
"),
        beside: &[],
        found: &[
            ("profile.toml", 10, "The row does not give `a`, which is part of the key.", "Add `a` to the row."),
        ],
    },
    Faulty {
        claim: "a key column that made rows lack",
        toml: Toml::Block(r"repeat = 2
columns.b = 1
"),
        beside: &[],
        found: &[
            ("profile.toml", 6, "No row and no column gives `a`, which is part of the key.", "Give `a` in the rows or in `columns`, or correct the key."),
        ],
    },
    Faulty {
        claim: "the same key in every made row",
        toml: Toml::Block(r"repeat = 2
columns.a = 1
"),
        beside: &[],
        found: &[
            ("profile.toml", 4, "Every row that is made has the same key.", "Fill a column of the key with a counter, or with a text with `{{row}}`."),
        ],
    },
    Faulty {
        claim: "a key that is empty, and one that names a column twice",
        toml: Toml::Headed(r#"[[tables]]
table = "t"
key = []
mode = "upsert"
rows = [{ a = 1 }]
[[tables]]
table = "u"
key = ["a", "a"]
mode = "upsert"
rows = [{ a = 1 }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 6, "`key` is empty.", "Write at least one entry."),
            ("profile.toml", 11, "`key` names `a` twice.", "Remove one of them."),
        ],
    },
    Faulty {
        claim: "a NULL in a key",
        toml: Toml::Block(r"rows = [
  { a = { null = true } },
  { a = { default = true } },
]
"),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The column `a` is part of the key and is NULL here.", "Write a value by which the row is found again, or choose another key."),
            ("profile.toml", 10, "The column `a` is part of the key and is left to the server here.", "Write a value by which the row is found again, or choose another key."),
        ],
    },
    Faulty {
        claim: "an input that may stay empty and a password in a key",
        toml: Toml::Headed(r#"inputs = [
  { name = "e", label = "E", kind = "text", optional = true },
  { name = "p", label = "P", kind = "password", hash = "argon2id" },
]
[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
rows = [
  { a = { input = "e" } },
  { a = { input = "p" } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 13, "The column `a` is part of the key and is filled from an input that may stay empty.", "Write a value by which the row is found again, or choose another key."),
            ("profile.toml", 14, "The column `a` is part of the key and is filled from a password here.", "Write a value by which the row is found again, or choose another key."),
        ],
    },
    Faulty {
        claim: "the same key twice",
        toml: Toml::Block(r#"rows = [
  { a = 1 },
  { a = 2 },
  { a = "1" },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 11, "The key `1` is already on line 9.", "Remove one of the two rows, or correct its key."),
        ],
    },
    Faulty {
        claim: "a key that is a field",
        toml: Toml::Block(r#"rows = [{ a = 1 }]
fields = ["a"]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 6, "The key names `a`, which is a field and no column.", "Name a column, or remove it from `fields`."),
        ],
    },
    Faulty {
        claim: "a value with two forms",
        toml: Toml::Block(r#"rows = [{ a = 1, b = { input = "x", text = "y" } }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "The value of `b` has two forms, `input` and `text`.", "Keep one of them."),
        ],
    },
    Faulty {
        claim: "a value without a form",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { generated = "now" } },
  { a = 2, b = {} },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The value of `b` is a table without a form.", "Did you mean `generate`?"),
            ("profile.toml", 10, "The value of `b` is a table without a form.", "Write `{ json = { ... } }` for JSON, else one of `null`, `default`, `json`, `input`, `field`, `text`, `generate`, `counter`, `sequence`, `hash`, `choose`, `fake`, `sql` or `reference`."),
        ],
    },
    Faulty {
        claim: "a form with a key that is not its own",
        toml: Toml::Block(r#"rows = [{ a = 1, b = { generate = "now", step = 2, om = "change" } }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "The value of `b` has no key `step`.", "Remove it, or write `on`."),
            ("profile.toml", 8, "The value of `b` has no key `om`.", "Did you mean `on`?"),
        ],
    },
    Faulty {
        claim: "words that are not known",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { generate = "uuid7" } },
  { a = 2, b = { hash = "sha265", of = "x" } },
  { a = 3, b = { fake = "firstname" } },
  { a = 4, b = { generate = "now", on = "update" } },
  { a = 5, b = { text = "{{a | lowercase}}" } },
  { a = 6, b = { reference = "t2", row = "first", take = "id" } },
]
[[tables]]
table = "t2"
key = ["a"]
mode = "upsert"
rows = [{ a = 1 }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "`uuid7` is not a generator.", "Did you mean `uuid_v7`?"),
            ("profile.toml", 10, "`sha265` is not a hash.", "Did you mean `sha256`?"),
            ("profile.toml", 11, "`firstname` is not a kind of invented data.", "Did you mean `first_name`?"),
            ("profile.toml", 12, "`update` is not a time at which a column is written.", "Write `insert`, `change` or `always`."),
            ("profile.toml", 13, "`lowercase` is not a filter.", "Did you mean `lower`?"),
            ("profile.toml", 14, "`first` is not a way to choose a row.", "Write `cycle`, `spread` or `random`."),
        ],
    },
    Faulty {
        claim: "null that is false",
        toml: Toml::Block(r"rows = [{ a = 1, b = { null = false } }]
"),
        beside: &[],
        found: &[
            ("profile.toml", 8, "`null` is false, which means nothing.", "Write `null = true`, or something else instead."),
        ],
    },
    Faulty {
        claim: "weights that do not fit",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { choose = ["x", "y"], weights = [1] } },
  { a = 2, b = { choose = ["x"], weights = [0] } },
  { a = 3, b = { choose = ["x"], weights = [-1] } },
  { a = 4, b = { choose = [] } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "`choose` has 2 values, but `weights` has 1.", "Write a weight for each."),
            ("profile.toml", 10, "All of `weights` are 0, so nothing could be chosen.", "Make one of them larger."),
            ("profile.toml", 11, "A weight is -1.", "Write a number from 0 to 1000000."),
            ("profile.toml", 12, "`choose` has nothing to choose from.", "Write at least one value."),
        ],
    },
    Faulty {
        claim: "ranges of invented data",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { fake = "integer", min = 9, max = 1 } },
  { a = 2, b = { fake = "decimal", min = 0, max = 9.999, scale = 2 } },
  { a = 3, b = { fake = "date", from = 2026-02-01, to = 2026-01-01 } },
  { a = 4, b = { fake = "date", from = "soon", to = 2026-01-01T10:00:00Z } },
  { a = 5, b = { fake = "word", min = 1 } },
  { a = 6, b = { fake = "integer", min = 1 } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "`min` is more than `max`.", "Exchange them, or correct one of them."),
            ("profile.toml", 10, "`max` is 9.999, which has more than 2 decimals or is too large.", "Write fewer digits, or make `scale` larger."),
            ("profile.toml", 11, "`from` is more than `to`.", "Exchange them, or correct one of them."),
            ("profile.toml", 12, "`from` is `soon`, which is not a date alone.", "Write it like `2026-01-31`."),
            ("profile.toml", 12, "`to` is `2026-01-01T10:00:00Z`, which is not a date alone.", "Write it like `2026-01-31`."),
            ("profile.toml", 13, "`min` does not belong here: this kind of invented data has no range.", "Remove it."),
            ("profile.toml", 14, "The value of `b` has no `max`, which it needs.", "Add `max = ...`."),
        ],
    },
    Faulty {
        claim: "a counter that stands still",
        toml: Toml::Block(r"rows = [{ a = 1, b = { counter = 1, step = 0 } }]
"),
        beside: &[],
        found: &[
            ("profile.toml", 8, "`step` is 0, so every row would have the same number.", "Write another number, or the value itself."),
        ],
    },
    Faulty {
        claim: "a hash of nothing",
        toml: Toml::Block(r#"rows = [{ a = 1, b = { hash = "md5" } }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "The value of `b` has no `of`, which it needs.", "Add `of = ...`."),
        ],
    },
    Faulty {
        claim: "numbers that cannot be written exactly",
        toml: Toml::Block(r"rows = [
  { a = 1, b = 0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_F },
  { a = 2, b = { json = [1, inf] } },
]
"),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The number `0xFFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_FFFF_F` has more than 128 bits.", "Write it in decimal digits."),
            ("profile.toml", 10, "JSON knows no `Infinity`.", "Write a number, a text or leave it out."),
        ],
    },
    Faulty {
        claim: "a table in an array",
        toml: Toml::Block(r#"rows = [{ a = 1, b = [1, { text = "x" }] }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "A table stands in an array of values.", "Write the whole array as JSON, `{ json = [...] }`."),
        ],
    },
    Faulty {
        claim: "a text that PostgreSQL cannot store",
        toml: Toml::Block(r#"rows = [{ a = 1, b = "x\u0000y" }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "The value of `b` holds the character U+0000, which PostgreSQL cannot store.", "Remove it."),
        ],
    },
    Faulty {
        claim: "gaps that are open, empty or ill-formed",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { text = "x {{a" } },
  { a = 2, b = { text = "x {{ }}" } },
  { a = 3, b = { text = "{{a | pad}}" } },
  { a = 5, b = { text = "{{a | pad six}}" } },
  { a = 4, b = { text = "{{a | lower 3}}" } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "A gap is opened with `{{` and never closed.", "Close it with `}}`; a text without gaps is written without `text =`."),
            ("profile.toml", 10, "The gap `{{ }}` names nothing.", "Write the name of a field, an input or `row` between the braces."),
            ("profile.toml", 11, "The filter `pad` has no length.", "Write a length from 1 to 255, like `pad 6`."),
            ("profile.toml", 12, "The filter `pad` has `six` as its length.", "Write a length from 1 to 255, like `pad 6`."),
            ("profile.toml", 13, "The filter `lower` takes no `3`.", "Remove it."),
        ],
    },
    Faulty {
        claim: "names that nothing gives",
        toml: Toml::Headed(r#"inputs = [{ name = "city", label = "C", kind = "text" }]
[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
rows = [
  { a = 1, b = { input = "town" } },
  { a = 2, b = { input = "citty" } },
]
[[tables]]
table = "u"
key = ["a"]
mode = "upsert"
rows = [
  { a = 1, name = "x", c = { field = "nmae" } },
  { a = 2, name = "x", c = { text = "{{citi}} {{row}} {{city}}" } },
  { a = 3, name = "x", c = { reference = "z", by = { k = { field = "missing" } }, take = "id" } },
]
columns.d = { text = "{{nowhere}}" }
"#),
        beside: &[],
        found: &[
            ("profile.toml", 10, "There is no input `town`.", "Write `city`."),
            ("profile.toml", 11, "There is no input `citty`.", "Did you mean `city`?"),
            ("profile.toml", 18, "The row has no field `nmae`.", "Did you mean `name`?"),
            ("profile.toml", 19, "The text names `citi`, which is no field of the row and no input.", "Did you mean `city`?"),
            ("profile.toml", 20, "The row has no field `missing`.", "Write `a`, `d` or `name`."),
            ("profile.toml", 22, "The text names `nowhere`, which is no field of the row and no input.", "Write `a`, `c`, `city` or `name`."),
        ],
    },
    Faulty {
        claim: "a name that only some rows give",
        toml: Toml::Block(r#"rows = [
  { a = 1, client = "x" },
  { a = 2 },
]
columns.b = { field = "client" }
"#),
        beside: &[],
        found: &[
            ("profile.toml", 10, "The row does not give `client`, which its column `b` is filled with.", "Add `client` to the row, or to `columns`."),
        ],
    },
    Faulty {
        claim: "a data file that lacks a name its columns use",
        toml: Toml::Block(r#"file = "a.csv"
columns.b = { text = "{{nam}}" }
"#),
        beside: &[("a.csv", b"a,name\n1,x\n2,y\n")],
        found: &[
            ("profile.toml", 9, "The text names `nam`, which is no field of the row and no input.", "Did you mean `name`?"),
        ],
    },
    Faulty {
        claim: "fields that are filled with each other",
        toml: Toml::Block(r#"rows = [{ a = 1 }]
columns.b = { field = "c" }
columns.c = { text = "{{d}}" }
columns.d = { hash = "md5", of = "{{b}}" }
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The fields `b`, `c`, `d` are filled with each other.", "Give one of them a value of its own."),
        ],
    },
    Faulty {
        claim: "a field that is filled with itself, and a text that means itself",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { field = "b" } },
  { a = 2, b = { text = "{{b}}" } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The field `b` is filled with itself.", "Give it a value of its own."),
            ("profile.toml", 10, "The text that fills `b` names `b` itself, and there is no input of that name.", "Name another field."),
        ],
    },
    Faulty {
        claim: "a password where it could be read",
        toml: Toml::Headed(r#"inputs = [{ name = "p", label = "P", kind = "password", hash = "argon2id" }]
[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
columns.hash = { input = "p" }
rows = [
  { a = 1, b = { text = "{{p}}" } },
  { a = 2, b = { text = "{{hash}}" } },
  { a = 3, b = { field = "hash" } },
  { a = 4, b = { hash = "md5", of = "{{p}}" } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 11, "The text names `p`, which is a password.", "Passwords are only written as their hash, with `{ input = ... }`."),
            ("profile.toml", 12, "The text names `hash`, which is a password.", "Passwords are only written as their hash, with `{ input = ... }`."),
            ("profile.toml", 13, "The field `hash` is filled from a password, which fills one column alone.", "Fill the column with `{ input = ... }` itself."),
            ("profile.toml", 14, "The text names `p`, which is a password.", "Passwords are only written as their hash, with `{ input = ... }`."),
        ],
    },
    Faulty {
        claim: "a password by which a row would be found",
        toml: Toml::Headed(r#"inputs = [{ name = "p", label = "P", kind = "password", hash = "argon2id" }]
[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
rows = [{ a = 5, b = { reference = "u", by = { x = { input = "p" } }, take = "id" } }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The password `p` cannot be used to find a row.", "Find the row by another column."),
        ],
    },
    Faulty {
        claim: "an input that is taken for a field",
        toml: Toml::Headed(r#"inputs = [{ name = "p", label = "P", kind = "text" }]
[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
rows = [{ a = 5, b = { field = "p" } }]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The row has no field `p`, but there is an input of that name.", "Write `{ input = \"p\" }`."),
        ],
    },
    Faulty {
        claim: "more decimals than a number of rows has, as a difference",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[expect]]
name = "A"
count = { table = "t", changed_by = 1.5 }
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 7, "`changed_by` is 1.5, but rows are counted in whole numbers.", "Write a whole number."),
        ],
    },
    Faulty {
        claim: "references that find no row",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { reference = "u", take = "id" } },
  { a = 2, b = { reference = "u", by = { x = 1 } } },
  { a = 3, b = { reference = "u", by = {}, take = "id" } },
  { a = 4, b = { reference = "u", by = { x = { counter = 1 } }, take = "id" } },
  { a = 5, b = { reference = "u", by = { x = 1 }, row = "cycle", take = "id" } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The reference does not say how its row is found.", "Add `by = { column = value }`, or `row` with the way to choose a row of another block."),
            ("profile.toml", 10, "The value of `b` has no `take`, which it needs.", "Add `take = ...`."),
            ("profile.toml", 11, "`by` names no column.", "Write the columns of the other table's key."),
            ("profile.toml", 12, "The value of `x` in `by` has no key `counter`.", "Remove it, or write `input`, `field` or `text`."),
            ("profile.toml", 13, "The reference finds its row by `by` and by `row`.", "Keep one of them."),
        ],
    },
    Faulty {
        claim: "rows of a table without a block, and of the block itself",
        toml: Toml::Block(r#"rows = [
  { a = 1, b = { reference = "users", row = "cycle", take = "id" } },
  { a = 2, b = { reference = "public.t", row = "cycle", take = "id" } },
]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 9, "The profile has no block of the table `users`.", "Add one, or find the row by its key, with `by`."),
            ("profile.toml", 10, "A row of `public.t` takes a row of its own block.", "Find the row by its key, with `by`."),
        ],
    },
    Faulty {
        claim: "files that are not in the folder",
        toml: Toml::Block(r#"file = "../a.csv"
[[tables]]
table = "u"
key = ["a"]
mode = "upsert"
file = "/tmp/a.csv"
[[tables]]
table = "v"
key = ["a"]
mode = "upsert"
file = "a.csv"
[[tables]]
table = "w"
key = ["a"]
mode = "upsert"
file = "data\\a.csv"
[[tables]]
table = "x"
key = ["a"]
mode = "upsert"
file = "a.xlsx"
"#),
        beside: &[],
        found: &[
            ("profile.toml", 8, "The file `../a.csv` leaves the profile's folder.", "Move the file into the folder and write its name alone."),
            ("profile.toml", 13, "The file `/tmp/a.csv` is an absolute path.", "Move the file into the profile's folder and write its name alone."),
            ("profile.toml", 18, "The file `a.csv` is not in the profile's folder.", "Put it there, or correct the name."),
            ("profile.toml", 23, "The file `data\\a.csv` holds a backslash.", "Write `/` between folder and file."),
            ("profile.toml", 28, "The file `a.xlsx` is none that rows can be read from.", "Name a file that ends in `.csv`, `.json` or `.ndjson`."),
        ],
    },
    Faulty {
        claim: "scripts that are not there",
        toml: Toml::Headed(r#"[sql]
files = ["a.sql", "C:/b.sql", ""]
"#),
        beside: &[],
        found: &[
            ("profile.toml", 5, "`files` has an empty entry.", "Write a name, or remove it."),
            ("profile.toml", 5, "The file `a.sql` is not in the profile's folder.", "Put it there, or correct the name."),
            ("profile.toml", 5, "The file `C:/b.sql` is an absolute path.", "Move the file into the profile's folder and write its name alone."),
        ],
    },
    Faulty {
        claim: "an empty list of scripts",
        toml: Toml::Headed(r#"[sql]
file = "a.sql"
files = []
"#),
        beside: &[],
        found: &[
            ("profile.toml", 5, "`[sql]` has no key `file`.", "Did you mean `files`?"),
            ("profile.toml", 6, "`files` is empty.", "Write at least one entry."),
        ],
    },
    Faulty {
        claim: "a script that is not UTF-8",
        toml: Toml::Headed(r#"[sql]
files = ["a.sql"]
"#),
        beside: &[("a.sql", b"SELECT 1;\nSELECT '\xff';\n")],
        found: &[
            ("a.sql", 2, "The file is not UTF-8: byte 19 is 0xFF.", "Save it as UTF-8."),
        ],
    },
    Faulty {
        claim: "CSV that is empty",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"")],
        found: &[
            ("a.csv", 1, "The file is empty: it has no header line.", "Write the names of the columns on its first line."),
        ],
    },
    Faulty {
        claim: "a header that names nothing or twice",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,,a\n1,2,3\n")],
        found: &[
            ("a.csv", 1, "Column 2 of the header has no name.", "Name it, or remove it from every line."),
            ("a.csv", 1, "The header names `a` twice.", "Rename one of them, or remove it from every line."),
        ],
    },
    Faulty {
        claim: "too few and too many fields, and an empty line",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n1\n\n1,2,3\n\"x\ny\",2\n4\n")],
        found: &[
            ("a.csv", 2, "The line has 1 field, but the header has 2.", "Add the missing commas; an empty field is NULL."),
            ("a.csv", 3, "The line is empty.", "Remove it."),
            ("a.csv", 4, "The line has 3 fields, but the header has 2.", "Remove what is too much, or put a field that holds a comma in quotes."),
            ("a.csv", 7, "The line has 1 field, but the header has 2.", "Add the missing commas; an empty field is NULL."),
        ],
    },
    Faulty {
        claim: "a quote inside a field",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n1,say \"hi\"\n")],
        found: &[
            ("a.csv", 2, "A quote stands inside a field that does not begin with one.", "Put the whole field in quotes and double the quotes in it."),
        ],
    },
    Faulty {
        claim: "text behind a closing quote",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n1,\"x\ny\"z\n")],
        found: &[
            ("a.csv", 3, "Text follows the closing quote of a field.", "Double the quotes in the field, or put a comma behind it."),
        ],
    },
    Faulty {
        claim: "a quote that is not closed",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n1,2\n3,\"x\ny\nz\n")],
        found: &[
            ("a.csv", 3, "A quote is opened here and never closed.", "Close it at the end of the field."),
        ],
    },
    Faulty {
        claim: "a line that ends in a carriage return alone",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\r1,2\r")],
        found: &[
            ("a.csv", 1, "A carriage return stands outside of quotes without a line feed.", "End lines with CRLF or LF."),
        ],
    },
    Faulty {
        claim: "CSV that is not UTF-8",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n1,caf\xe9\n")],
        found: &[
            ("a.csv", 2, "The file is not UTF-8: byte 10 is 0xE9.", "Save it as UTF-8."),
        ],
    },
    Faulty {
        claim: "an empty key and a key that is there twice, in CSV",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n\"x\ny\",1\n,2\n")],
        found: &[
            ("a.csv", 4, "The column `a` is part of the key and is NULL here.", "Write a value by which the row is found again, or choose another key."),
        ],
    },
    Faulty {
        claim: "a key that is there twice, in CSV",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n\"x\ny\",1\nz,2\n\"x\ny\",3\n")],
        found: &[
            ("a.csv", 5, "The key `x\\ny` is already on line 2.", "Remove one of the two rows, or correct its key."),
        ],
    },
    Faulty {
        claim: "a character that cannot be stored, in CSV",
        toml: Toml::Block(r#"file = "a.csv"
"#),
        beside: &[("a.csv", b"a,b\n1,\"x\n\0\"\n")],
        found: &[
            ("a.csv", 3, "The line holds the character U+0000, which PostgreSQL cannot store.", "Remove it."),
        ],
    },
    Faulty {
        claim: "JSON that is empty",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"\n")],
        found: &[
            ("a.json", 1, "The file is empty.", "Write an array of objects, `[{ \"column\": value }]`."),
        ],
    },
    Faulty {
        claim: "JSON that is a text",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"\"x\"")],
        found: &[
            ("a.json", 1, "The file is not an array.", "Write an array of objects, `[{ \"column\": value }]`."),
        ],
    },
    Faulty {
        claim: "JSON that ends too early",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"[\n  {\"a\": 1},\n")],
        found: &[
            ("a.json", 3, "This is not JSON: it ends too early.", "Correct the line."),
        ],
    },
    Faulty {
        claim: "JSON that is one object",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"\n{\"a\": 1}\n")],
        found: &[
            ("a.json", 2, "The file is one object and no array.", "Put the objects in square brackets, or name the file `.ndjson` if it has one a line."),
        ],
    },
    Faulty {
        claim: "JSON that is not JSON",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"[\n  {\"a\": 1},\n  {\"a\": 01}\n]\n")],
        found: &[
            ("a.json", 3, "This is not JSON: invalid number.", "Correct the line."),
        ],
    },
    Faulty {
        claim: "rows that are no objects",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"[\n  {\"a\": 1},\n  5, null,\n  [1]\n]\n")],
        found: &[
            ("a.json", 3, "A row must be an object, but a number stands here.", "Write the row in braces, `{ \"column\": value }`."),
            ("a.json", 3, "A row must be an object, but null stands here.", "Write the row in braces, `{ \"column\": value }`."),
            ("a.json", 4, "A row must be an object, but an array stands here.", "Write the row in braces, `{ \"column\": value }`."),
        ],
    },
    Faulty {
        claim: "keys that stand twice, however deep",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"[\n  {\"a\": 1, \"b\": 2,\n   \"\\u0061\": 3},\n  {\"a\": 2, \"deep\": [{\"x\": {\"y\": 1,\n    \"y\": \"y\"}}]}\n]\n")],
        found: &[
            ("a.json", 3, "The key `a` stands twice in one object.", "Remove one of them."),
            ("a.json", 5, "The key `y` stands twice in one object.", "Remove one of them."),
        ],
    },
    Faulty {
        claim: "texts that cannot be stored, in JSON",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"[{\"a\": 1, \"b\": \"x\\u0000\"},\n {\"a\": 2, \"b\": [[\"\\ud800\"]]},\n {\"a\": 3, \"\": 1}]")],
        found: &[
            ("a.json", 1, "The text holds the character U+0000, which PostgreSQL cannot store.", "Remove it."),
            ("a.json", 2, "The text holds half of a surrogate pair, which is no character.", "Write both halves, or the character itself."),
            ("a.json", 3, "A column has no name.", "Name it, or remove it."),
        ],
    },
    Faulty {
        claim: "NDJSON with wrong lines",
        toml: Toml::Block(r#"file = "a.ndjson"
"#),
        beside: &[("a.ndjson", b"{\"a\":1}\n\n{\"a\":\n{\"a\":2} {\"a\":3}\n[1]\n{\"a\":1}\n")],
        found: &[
            ("a.ndjson", 3, "This is not JSON: it ends too early.", "Correct the line."),
            ("a.ndjson", 4, "This is not JSON: trailing characters.", "Correct the line."),
            ("a.ndjson", 5, "A row must be an object, but an array stands here.", "Write the row in braces, `{ \"column\": value }`."),
        ],
    },
    Faulty {
        claim: "a row of JSON without its key",
        toml: Toml::Block(r#"file = "a.json"
"#),
        beside: &[("a.json", b"[\n {\"a\": 1},\n {\"b\": 1}\n]")],
        found: &[
            ("a.json", 3, "The row does not give `a`, which is part of the key.", "Add `a` to the row."),
        ],
    },
    Faulty {
        claim: "an expectation without name, thing or condition",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[expect]]
count = { table = "t" }
[[expect]]
name = "Nothing"
[[expect]]
name = "Two"
none = "SELECT 1"
sql = "SELECT 1"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 5, "An expectation has no `name`, which it needs.", "Add `name = ...`."),
            ("profile.toml", 6, "`count` has no condition.", "Add `equals`, `at_least`, `at_most`, `between`, `unchanged` or `changed_by`."),
            ("profile.toml", 7, "The expectation `Nothing` looks at nothing.", "Add `count`, `sql`, `none`, `exists`, `no_orphans`, `sequence_ahead`, `enum_labels`, `none_failed` or `http`."),
            ("profile.toml", 11, "The expectation `Two` looks at two things, `sql` and `none`.", "Write an expectation for each."),
        ],
    },
    Faulty {
        claim: "conditions that are too many or in the wrong place",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[expect]]
name = "A"
count = { table = "t", equals = 1, at_least = 1 }
[[expect]]
name = "B"
count = { table = "t", equals = 1 }
at_most = 5
[[expect]]
name = "C"
none = "SELECT 1"
equals = 5
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 7, "`count` has two conditions, `equals` and `at_least`.", "Keep one of them; `between` has two ends."),
            ("profile.toml", 11, "`at_most` does not belong beside `count`.", "Move it into the braces of `count`."),
            ("profile.toml", 15, "`equals` does not belong beside `none`.", "Remove it."),
        ],
    },
    Faulty {
        claim: "conditions that cannot hold",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[expect]]
name = "A"
count = { table = "t", equals = -1 }
[[expect]]
name = "B"
count = { table = "t", at_least = 1.5 }
[[expect]]
name = "C"
sql = "SELECT 1"
between = [9, 1]
[[expect]]
name = "D"
sql = "SELECT 1"
between = [1]
[[expect]]
name = "E"
sql = "SELECT 1"
equals = true
[[expect]]
name = "F"
sql = "SELECT 1"
unchanged = false
[[expect]]
name = "G"
sql = "SELECT 1"
at_most = "5"
[[expect]]
name = "H"
sql = "SELECT 1"
at_most = inf
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 7, "`equals` is -1, but a number of rows is whole and not below 0.", "Write 0 or more."),
            ("profile.toml", 10, "`at_least` is 1.5, but a number of rows is whole and not below 0.", "Write 0 or more."),
            ("profile.toml", 14, "`between` begins with 9, which is more than its end, 1.", "Exchange them, or correct one of them."),
            ("profile.toml", 18, "`between` must have two numbers.", "Write the smallest and the largest, `between = [1, 9]`."),
            ("profile.toml", 22, "`equals` must be a number or a text, but true stands here.", "Write a number, or a text in quotes."),
            ("profile.toml", 26, "`unchanged` is false, which means nothing.", "Write `unchanged = true`, or something else instead."),
            ("profile.toml", 30, "`at_most` must be a number, but a text stands here.", "Write a number, without quotes."),
            ("profile.toml", 34, "`at_most` is `inf`, which is not a number.", "Write it with digits, like `12.50`."),
        ],
    },
    Faulty {
        claim: "keys of expectations that are not known",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[expect]]
name = "A"
where = "x"
count = { tabel = "t", equal = 1 }
[[expect]]
name = "B"
exist = { table = "t" }
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 7, "The expectation `A` has no key `where`.", "Remove it, or write `sql`, `none`, `exists`, `no_orphans`, `sequence_ahead`, `enum_labels`, `none_failed`, `http`, `equals`, `at_least`, `at_most`, `between`, `unchanged` or `changed_by`."),
            ("profile.toml", 8, "`count` has no key `tabel`.", "Did you mean `table`?"),
            ("profile.toml", 8, "`count` has no key `equal`.", "Did you mean `equals`?"),
            ("profile.toml", 11, "The expectation `B` has no key `exist`.", "Did you mean `exists`?"),
        ],
    },
    Faulty {
        claim: "expectations that lack a part",
        toml: Toml::Headed(r#"sql.files = ["a.sql"]
[[expect]]
name = "A"
exists = { table = "t", column = "c", index = "i" }
[[expect]]
name = "B"
exists = { table = "t", type = "text" }
[[expect]]
name = "C"
no_orphans = { table = "t", columns = ["a"] }
[[expect]]
name = "D"
no_orphans = { table = "t", columns = ["a"], references = "u", referenced = ["x", "y"] }
[[expect]]
name = "E"
sequence_ahead = { table = "t" }
[[expect]]
name = "F"
enum_labels = { type = "e", labels = [] }
[[expect]]
name = "G"
none_failed = "jobs"
"#),
        beside: &[("a.sql", b"")],
        found: &[
            ("profile.toml", 7, "`exists` names two parts of the table, `column` and `index`.", "Write an expectation for each."),
            ("profile.toml", 10, "`type` stands without `column`.", "Name the column that has this type, or remove it."),
            ("profile.toml", 13, "`no_orphans` has no `references`, which it needs.", "Add `references = ...`."),
            ("profile.toml", 13, "`no_orphans` has no `referenced`, which it needs.", "Add `referenced = ...`."),
            ("profile.toml", 16, "`columns` and `referenced` differ in length: 1 and 2.", "Name a referenced column for each column."),
            ("profile.toml", 19, "`sequence_ahead` has no `column`, which it needs.", "Add `column = ...`."),
            ("profile.toml", 22, "`labels` is empty.", "Write at least one entry."),
            ("profile.toml", 25, "`none_failed` must be a table, but a text stands here.", "Write it in braces, `{ key = value }`."),
        ],
    },
    Faulty {
        claim: "many things at once, in the order of their lines",
        toml: Toml::Whole(r#"tiers = ["dev"]
title = 5

[[tables]]
table = "t"
key = ["a"]
mode = "upsert"
file = "a.csv"

[[expect]]
name = "A"
none = 1
"#),
        beside: &[("a.csv", b"a,b\n1\n")],
        found: &[
            ("a.csv", 2, "The line has 1 field, but the header has 2.", "Add the missing commas; an empty field is NULL."),
            ("profile.toml", 1, "The profile has no `engines`, which it needs.", "Add `engines = ...`."),
            ("profile.toml", 1, "`dev` is not a tier.", "Did you mean `development`?"),
            ("profile.toml", 2, "`title` must be a text, but a whole number stands here.", "Write it in quotes."),
            ("profile.toml", 12, "`none` must be a text, but a whole number stands here.", "Write it in quotes."),
        ],
    },
];
