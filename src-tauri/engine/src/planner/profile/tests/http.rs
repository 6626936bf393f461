//! Requests of expectations: what is read, and what is wrong in them, with its line.

use super::super::*;
use crate::domain::http::{AnswerCondition, AnswerExpectation, Found, HttpMethod};
use crate::domain::profile::{Condition, Expected, ProfileProblem};
use crate::domain::verification::{CheckDraft, CheckPart, DraftAsks};

/// The first seven lines of every file here; what follows begins on line 8.
const HEAD: &str = "title = \"T\"\n[[credentials]]\nname = \"key\"\nlabel = \"Key\"\n[[expect]]\nname = \"E\"\n[expect.http]\n";

fn problems(text: &str) -> Vec<ProfileProblem> {
    parse_suite("shop.toml", text.as_bytes()).expect_err("something is wrong")
}

#[test]
fn a_flow_is_read_as_it_stands() {
    let text = format!(
        "{HEAD}part = \"functional\"\nwrites_as = \"qa\"\nleaves = \"one order\"\n[[expect.http.steps]]\npost = \"/login\"\njson = {{ n = 1.50, list = [true, \"{{{{key}}}}\"] }}\nkeep = {{ id = {{ header = \"X-Id\" }} }}\n[[expect.http.steps]]\nget = \"/orders/{{{{id}}}}\"\nstatus = [200, 304]\nexpect = [ {{ count = \"$.lines[*]\", equals = 2 }}, {{ json = \"$.left\", changed_by = -1, since = \"id\" }} ]\n"
    );
    let suite = parse_suite("shop.toml", text.as_bytes()).unwrap();
    let Expected::Http(flow) = &suite.checks.expectations[0].what else { panic!("a flow") };
    let writes = flow.writes.as_ref().unwrap();
    assert_eq!((writes.account.as_str(), writes.leaves.as_deref()), ("qa", Some("one order")));
    assert_eq!(flow.part, CheckPart::Functional);
    assert_eq!((flow.steps[0].method, flow.steps[0].give_up_s), (HttpMethod::Post, 10));
    assert_eq!(flow.steps[1].status, [200, 304]);
    let of = Found::Count("$.lines[*]".to_owned());
    let holds = AnswerCondition::Holds { condition: Condition::Equals("2".to_owned()), since: None };
    assert_eq!(flow.steps[1].expect[0], AnswerExpectation::Value { of, holds });
    assert_eq!(flow.names(), ["key", "id"]);
}

#[test]
fn every_fault_is_found_with_its_line_and_what_to_do() {
    for (rest, line, what, next) in [
        (
            "",
            7,
            "`http` sends no request.",
            "Add `get`, `head`, `post`, `put`, `patch` or `delete` with the path.",
        ),
        ("gte = \"/a\"\n", 8, "`http` has no key `gte`.", "Did you mean `get`?"),
        (
            "get = \"/a\"\nhead = \"/b\"\n",
            9,
            "`http` sends two requests, `get` and `head`.",
            "Write a step for each.",
        ),
        ("get = \"https://shop.example.com/a\"\n", 8, "does not begin with one `/`.", "Write the path alone"),
        ("get = \"//other.example.com\"\n", 8, "does not begin with one `/`.", "Write the path alone"),
        (
            "get = \"/a?k={{key}}\"\n",
            8,
            "The credential `key` stands in the path",
            "Send it in a header or in the body.",
        ),
        (
            "get = \"/a/{{ky}}\"\n",
            8,
            "The gap `ky` names no credential, and no earlier step keeps it.",
            "Did you mean `key`?",
        ),
        (
            "get = \"/a\"\njson = {}\n",
            9,
            "`http` sends a body with GET.",
            "Remove it, or use another method.",
        ),
        (
            "post = \"/a\"\nwrites = false\njson = {}\nform = {}\n",
            11,
            "`http` sends two bodies, `json` and `form`.",
            "Keep one of them.",
        ),
        (
            "post = \"/a\"\n",
            7,
            "The requests may write (POST), and it is not said as whom.",
            "Add `writes_as`",
        ),
        (
            "post = \"/a\"\nwrites_as = \"qa\"\n",
            9,
            "It writes, and nothing says what becomes of that.",
            "Add `cleanup`",
        ),
        (
            "post = \"/a\"\nwrites = true\n",
            9,
            "`writes` is true, and does not say as whom.",
            "Write `writes_as`",
        ),
        (
            "post = \"/a\"\nwrites = false\nwrites_as = \"qa\"\n",
            10,
            "`writes_as` stands beside `writes = false`.",
            "Keep one of them.",
        ),
        ("get = \"/a\"\nstatus = 42\n", 9, "42 is no status of HTTP.", "Write a number from 100 to 599."),
        ("get = \"/a\"\nstatus = []\n", 9, "`status` is empty.", "Write at least one"),
        ("get = \"/a\"\npart = \"pages\"\n", 9, "`pages` is not a part of the app.", "Did you mean `page`?"),
        (
            "get = \"/a\"\nheaders = { Host = \"x\" }\n",
            9,
            "`Host` is no header that can be set here.",
            "Write a header's name",
        ),
        (
            "get = \"/a\"\nheaders = { \"a b\" = \"x\" }\n",
            9,
            "`a b` is no header that can be set here.",
            "Write a header's name",
        ),
        (
            "get = \"/a\"\nexpect = [ { json = \"credits\", equals = 1 } ]\n",
            9,
            "`credits` is no JSONPath",
            "Write one that begins with `$`",
        ),
        ("get = \"/a\"\nexpect = [ { json = \"$.a\" } ]\n", 9, "has no condition.", "Add `equals`"),
        (
            "get = \"/a\"\nexpect = [ { equals = 1 } ]\n",
            9,
            "looks at nothing.",
            "Add `json`, `count` or `header`, `text` or `text_missing`.",
        ),
        (
            "get = \"/a\"\nexpect = [ { json = \"$.a\", count = \"$.b\", equals = 1 } ]\n",
            9,
            "looks at two places, `json` and `count`.",
            "Write an entry for each.",
        ),
        (
            "get = \"/a\"\nexpect = [ { text = \"a\", equals = 1 } ]\n",
            9,
            "`equals` does not belong beside `text`.",
            "Write an entry for each.",
        ),
        (
            "get = \"/a\"\nexpect = [ { json = \"$.a\", contains = \"x\", equals = 1 } ]\n",
            9,
            "has two conditions, `contains` and `equals`.",
            "Keep one of them.",
        ),
        (
            "get = \"/a\"\nexpect = [ { json = \"$.a\", changed_by = 1, since = \"b\" } ]\n",
            9,
            "No earlier step keeps `b`.",
            "Remove it.",
        ),
        (
            "get = \"/a\"\nexpect = [ { json = \"$.a\", at_least = 1, since = \"b\" } ]\n",
            9,
            "`since` belongs only beside `unchanged` and `changed_by`.",
            "Remove it.",
        ),
        (
            "get = \"/a\"\nuntil = { json = \"$.a\", equals = 1 }\n",
            9,
            "`until` has no `for_s`, which it needs.",
            "Add `for_s = ...`.",
        ),
        (
            "get = \"/a\"\nuntil = { json = \"$.a\", equals = 1, for_s = 1000 }\n",
            9,
            "`for_s` is 1000.",
            "Write a number from 1 to 300.",
        ),
        (
            "get = \"/a\"\nkeep = { key = { json = \"$.a\" } }\n",
            9,
            "`key` is a credential or an input already.",
            "Give what is kept another name.",
        ),
        (
            "get = \"/a\"\nkeep = { a = {} }\n",
            9,
            "`a` does not say what is kept.",
            "Write `json`, `count` or `header`.",
        ),
        ("get = \"/a\"\ngive_up_s = 0\n", 9, "`give_up_s` is 0.", "Write a number from 1 to 300."),
        (
            "get = \"/a\"\nexpect = [ { json = \"$.a\", changed_by = 1 } ]\n",
            9,
            "does not say since what.",
            "Add `since`",
        ),
        (
            "post = \"/a\"\nwrites = false\nuntil = { json = \"$.a\", equals = 1, for_s = 9 }\n",
            10,
            "`until` would send POST again and again.",
            "Send it once",
        ),
        ("steps = []\n", 8, "`steps` is empty.", "Add a request, or remove it."),
        ("steps = [{ get = \"/a\" }]\nget = \"/b\"\n", 9, "`http` has no key `get`.", ""),
        (
            "get = \"/a\"\n[[expect]]\nname = \"E\"\nnone = \"SELECT 1\"\n",
            9,
            "The expectation `E` is already on line 5.",
            "Give one of them another name.",
        ),
    ] {
        let found = problems(&format!("{HEAD}{rest}"));
        let first = &found[0];
        assert_eq!((first.at.file.as_str(), first.at.line), ("shop.toml", line), "{rest}: {found:?}");
        assert!(first.what.contains(what) && first.next.contains(next), "{rest}: {found:?}");
        assert_eq!(found.len(), 1, "{rest}: one fault is told once: {found:?}");
    }
    for (text, what) in [
        ("", "The file has no `title`, which it needs."),
        ("title = \"T\"\n", "The file checks nothing."),
        ("title = \"T\"\n[[tables]]\n", "The file has no key `tables`."),
        (
            "title = \"T\"\n[[credentials]]\nname = \"a b\"\nlabel = \"l\"\n[[expect]]\nname = \"E\"\nnone = \"SELECT 1\"\n",
            "The name `a b` holds something other than letters, digits and `_`.",
        ),
        ("title = \"T\n", "This is not TOML"),
    ] {
        assert!(
            problems(text).iter().any(|problem| problem.what.contains(what)),
            "{text}: {:?}",
            problems(text)
        );
    }
    assert!(parse_suite("x.toml", &[0xff, 0xfe]).is_err());
}

#[test]
fn what_a_form_asks_becomes_a_check_that_is_read_as_it_was_meant() {
    let nasty = "Who's \"ok\"?\\ # [[expect]]\n\u{202e}";
    let drafts = [
        DraftAsks::App {
            part: CheckPart::Page,
            path: "/a?b=c".to_owned(),
            status: Some(418),
            within_ms: Some(900),
            text: Some(nasty.to_owned()),
            json: Some(("$['it''s']".replace("''", "\\'"), nasty.to_owned())),
            bearer: Some("key".to_owned()),
        },
        DraftAsks::Count { table: "users".to_owned(), condition: Some(nasty.to_owned()), at_least: 3 },
        DraftAsks::NoRow { sql: format!("SELECT '{nasty}'") },
    ];
    let mut text = "title = \"T\"\n[[credentials]]\nname = \"key\"\nlabel = \"Key\"\n".to_owned();
    for (number, asks) in drafts.iter().enumerate() {
        let name = format!("{nasty} {number}");
        text = format!("{text}\n{}", compose(&CheckDraft { name, asks: asks.clone() }));
    }
    let suite =
        parse_suite("shop.toml", text.as_bytes()).unwrap_or_else(|problems| panic!("{problems:?}\n{text}"));
    let all = &suite.checks.expectations;
    assert_eq!((all.len(), all[2].name.as_str()), (3, format!("{nasty} 2").as_str()));
    let Expected::Http(flow) = &all[0].what else { panic!("a request") };
    assert_eq!(
        (flow.part, flow.steps[0].status.as_slice(), flow.steps[0].expect.len()),
        (CheckPart::Page, &[418][..], 2)
    );
    assert_eq!(flow.names(), ["key"]);
    let Expected::Count { condition, .. } = &all[1].what else { panic!("a count") };
    assert_eq!(condition.as_deref(), Some(nasty));
}

#[test]
fn requests_that_make_the_app_write_are_held_to_their_own_rules() {
    let head = "title = \"T\"\nengines = [\"postgresql\"]\ntiers = [\"staging\"]\n[[inputs]]\nname = \"mail\"\nlabel = \"M\"\nkind = \"email\"\n[[inputs]]\nname = \"secret\"\nlabel = \"S\"\nkind = \"password\"\nhash = \"argon2id\"\n";
    let read = |rest: &str| {
        let files = std::collections::BTreeMap::from([(
            PROFILE_FILE.to_owned(),
            format!("{head}{rest}").into_bytes(),
        )]);
        parse(&ProfileFiles { files, ..ProfileFiles::default() })
    };
    let steps = "steps = [{ post = \"/seed\", json = { to = \"{{mail}}\" } }]\n";
    let profile = read(&format!("[http]\ncounts = [\"users\", \"audit.log\"]\n{steps}")).unwrap();
    let crate::domain::profile::Work::Http(work) = profile.work else { panic!("requests") };
    assert_eq!((work.counts[1].schema.as_deref(), work.repeatable), (Some("audit"), false));
    for (rest, line, what) in [
        (format!("[http]\n{steps}"), 13, "`[http]` has no `counts`, which it needs."),
        ("[http]\ncounts = [\"users\"]\n".to_owned(), 13, "`[http]` has no `steps`, which it needs."),
        (format!("[http]\ncounts = [\"a.b.c\"]\n{steps}"), 14, "`a.b.c` is no table's name."),
        (
            "[http]\ncounts = [\"users\"]\nsteps = [{ post = \"/seed\", body = \"{{secret}}\" }]\n"
                .to_owned(),
            15,
            "The input `secret` is a password; requests take secrets from `[[credentials]]`.",
        ),
        (
            format!("[sql]\nfiles = []\n[http]\ncounts = [\"users\"]\n{steps}"),
            15,
            "The profile has `[sql]` and `[http]`.",
        ),
        (
            format!(
                "[http]\ncounts = [\"users\"]\n{steps}[[expect]]\nname = \"E\"\n[expect.http]\nget = \"/{{{{mail}}}}\"\n"
            ),
            19,
            "The gap `mail` names no credential, and no earlier step keeps it.",
        ),
    ] {
        let found = read(&rest).expect_err(&rest);
        assert!(
            found.iter().any(|problem| problem.at.line == line && problem.what == what),
            "{rest}: {found:?}"
        );
    }
}
