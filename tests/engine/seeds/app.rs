//! Checks of the app: a healthy one is green, each planted fault is red with its words, what cannot be asked is
//! neither; flows that write clean up, ask first on production, and no secret is told.

use super::harness::Bench;
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::verification::{CheckPart, CheckResult, Verification};
use drydock_engine::domain::{FailureCode, Outcome};
use drydock_engine::{AppAnswers, Target};
use drydock_lab::{App, Authority};
use std::path::Path;

const SHOP: &str = r#"
title = "The shop"

[[credentials]]
name = "qa_password"
label = "Password of qa@example.com"

[[expect]]
name = "Health"
[expect.http]
get = "/health"
within_ms = 1000
expect = [ { json = "$.status", equals = "ok" }, { json = "$.database", equals = true }, { json = "$.price", between = [12, 13] } ]

[[expect]]
name = "Models"
[expect.http]
get = "/api/models"
expect = [ { header = "content-type", contains = "json" }, { json = "$.models[0].name", equals = "Model 1" }, { count = "$.models[?@.active == true]", at_least = 10 } ]

[[expect]]
name = "Studio"
[expect.http]
part = "page"
get = "/moved"
follow = true
expect = [ { text_missing = "Error" }, { text = "17 models" } ]

[[expect]]
name = "Signed in by cookie"
[expect.http]
writes = false
[[expect.http.steps]]
name = "Sign in"
post = "/api/login"
json = { email = "qa@example.com", password = "{{qa_password}}" }
[[expect.http.steps]]
name = "Session"
get = "/api/session"

[[expect]]
name = "An avatar costs 1 credit"
[expect.http]
part = "functional"
writes_as = "qa@example.com"

[[expect.http.steps]]
name = "Sign in"
post = "/api/login"
json = { email = "qa@example.com", password = "{{qa_password}}" }
keep = { token = { json = "$.token" }, who = { json = "$.user.email" } }

[[expect.http.steps]]
name = "Credits before"
get = "/api/me"
headers = { Authorization = "Bearer {{token}}" }
expect = [ { json = "$.email", equals = "{{who}}" } ]
keep = { credits = { json = "$.credits" } }

[[expect.http.steps]]
name = "Make it"
post = "/api/avatars"
headers = { Authorization = "Bearer {{token}}" }
json = { name = "Check & <b>", credits = "{{credits}}" }
status = 202
keep = { avatar = { json = "$.id" } }

[[expect.http.steps]]
name = "Wait for it"
get = "/api/jobs/{{avatar}}"
headers = { Authorization = "Bearer {{token}}" }
until = { json = "$.state", equals = "done", every_s = 1, for_s = 4 }

[[expect.http.steps]]
name = "Credits after"
get = "/api/me"
headers = { Authorization = "Bearer {{token}}" }
expect = [ { json = "$.credits", changed_by = -1, since = "credits" } ]

[[expect.http.cleanup]]
name = "Remove it"
delete = "/api/avatars/{{avatar}}"
headers = { Authorization = "Bearer {{token}}" }
"#;

fn answers(app: &App) -> AppAnswers {
    let credentials = vec![("qa_password".to_owned(), Secret::new(app.password()))];
    AppAnswers { app: Some(app.address()), credentials, writing: false }
}

async fn target(bench: &Bench, tier: Tier) -> Target {
    let url = bench.server.create_database(&format!("app_{tier:?}").to_lowercase()).await;
    Target::from_url(&Secret::new(url), tier, None).unwrap()
}

fn check<'c>(seen: &'c Verification, name: &str) -> &'c CheckResult {
    seen.checks.iter().find(|check| check.name == name).unwrap()
}

fn suite(folder: &Path, text: &str) -> String {
    let path = folder.join("shop.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_healthy_app_is_green_and_each_planted_fault_is_red_with_its_words() {
    let (bench, app) = (Bench::start().await, App::start());
    let folder = tempfile::tempdir().unwrap();
    let file = suite(folder.path(), SHOP);
    let target = target(&bench, Tier::Staging).await;
    let well = bench.engine.verify_source(&target, &file, answers(&app)).await.unwrap();
    assert_eq!(
        (well.outcome, well.headline.as_str()),
        (Outcome::Pass, "All 5 checks hold."),
        "{:#?}",
        well.checks
    );
    let found = |name: &str| {
        let check = check(&well, name);
        (check.part, check.now.clone().unwrap(), check.expected.clone())
    };
    let (now, expected) = ("12.5".to_owned(), "12 to 13".to_owned());
    assert_eq!(found("Health"), (CheckPart::Api, now, expected), "the last value says most");
    assert_eq!(found("Models"), (CheckPart::Api, "17".to_owned(), "≥ 10".to_owned()));
    assert_eq!(found("Studio").0, CheckPart::Page);
    let flow = check(&well, "An avatar costs 1 credit");
    assert_eq!((flow.now.as_deref(), flow.expected.as_str()), (Some("-1"), "-1"));
    let names: Vec<&str> = flow.requests.iter().map(|request| request.name.as_str()).collect();
    assert_eq!(names, ["Sign in", "Credits before", "Make it", "Wait for it", "Credits after", "Remove it"]);
    assert!(flow.requests[3].tries >= 3 && flow.requests[5].cleanup, "{:?}", flow.requests);
    let state: serde_json::Value = serde_json::from_str(&app.state()).unwrap();
    assert_eq!((&state["credits"], &state["avatars"]), (&5.into(), &0.into()), "and nothing of it stays");
    let sent = state["seen"].as_array().unwrap();
    let made = sent.iter().find(|one| one["route"] == "POST /api/avatars").unwrap();
    assert_eq!(made["sent"], r#"{"name":"Check & <b>","credits":5}"#, "a kept number is sent as one");

    for (fault, name, outcome, said) in [
        (
            "health-500",
            "Health",
            Outcome::Block,
            "The app answered 500, expected 200 to 299. The answer begins with: <h1>Internal error</h1>",
        ),
        ("slow", "Health", Outcome::Block, "ms; at most 1000 ms were expected."),
        ("unwell", "Health", Outcome::Block, "$.status: expected ok, found degraded."),
        ("drop", "Health", Outcome::Unknown, "The answer could not be read"),
        ("no-json", "Models", Outcome::Block, "The answer is no JSON"),
        (
            "lost-model",
            "Models",
            Outcome::Block,
            "number of $.models[?@.active == true]: Expected 10 or more, found 3.",
        ),
        (
            "empty-page",
            "Studio",
            Outcome::Block,
            "The text \"17 models\" is not in the answer. The answer begins with: <h1>Studio</h1>",
        ),
        (
            "login-401",
            "Signed in by cookie",
            Outcome::Block,
            "Sign in: The app answered 401, expected 200 to 299.",
        ),
        (
            "lost-credits",
            "An avatar costs 1 credit",
            Outcome::Block,
            "Credits after: $.credits: Expected a change by -1, found 0.",
        ),
        (
            "stuck",
            "An avatar costs 1 credit",
            Outcome::Block,
            "requests $.state was still queued; waited for $.state done.",
        ),
        (
            "no-cleanup",
            "An avatar costs 1 credit",
            Outcome::Block,
            "It could not be cleaned up (Remove it): The app answered 503",
        ),
    ] {
        app.fault(fault);
        let seen = bench.engine.verify_source(&target, &file, answers(&app)).await.unwrap();
        let bad = check(&seen, name);
        assert_eq!(bad.outcome, outcome, "{fault}: {bad:#?}");
        assert!(bad.why.as_ref().unwrap().contains(said), "{fault}: {:?}", bad.why);
        assert_ne!(seen.outcome, Outcome::Pass, "{fault}");
        let whole = format!("{seen:?}{}", serde_json::to_string(&seen).unwrap());
        assert!(!whole.contains(app.password()), "{fault}: the password is told");
        assert!(!whole.contains("0123456789abcdef"), "{fault}: the token is told");
        app.well();
    }
    let history = bench
        .engine
        .check_history(&format!("url {}", target.connector.address.label()), &format!("{file}#Health"))
        .await
        .unwrap();
    assert_eq!(history.len(), 12, "each reading is kept");
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown_and_nothing_goes_to_another_host() {
    let (bench, app) = (Bench::start().await, App::start());
    let folder = tempfile::tempdir().unwrap();
    let target = target(&bench, Tier::Development).await;
    let one = |request: &str| {
        format!(
            "title = \"T\"\n[[credentials]]\nname = \"key\"\nlabel = \"Key\"\n[[expect]]\nname = \"C\"\n[expect.http]\n{request}\n"
        )
    };
    let given = |address: Option<String>| AppAnswers { app: address, ..AppAnswers::default() };
    let told = |answers: AppAnswers| {
        let (engine, target, file) =
            (bench.engine.clone(), target.clone(), folder.path().join("shop.toml").display().to_string());
        async move {
            let seen = engine.verify_source(&target, &file, answers).await.unwrap();
            (seen.checks[0].outcome, seen.checks[0].why.clone().unwrap_or_default())
        }
    };
    suite(folder.path(), &one("get = \"/health\""));
    assert_eq!(
        told(given(None)).await,
        (Outcome::Unknown, "The app's address is not set for this environment.".to_owned())
    );
    let closed = format!("http://127.0.0.1:{}", drydock_lab::free_port());
    let (outcome, why) = told(given(Some(closed))).await;
    assert!(outcome == Outcome::Unknown && why.starts_with("The app could not be reached: "), "{why}");
    let (outcome, why) = told(given(Some(app.address().replace("http:", "https:")))).await;
    assert!(outcome == Outcome::Unknown && !why.is_empty(), "no encryption is spoken there: {why}");
    let encrypted = App::start_encrypted(&Authority::new());
    let (outcome, why) = told(given(Some(encrypted.address()))).await;
    assert!(
        outcome == Outcome::Unknown && why.starts_with("The app's certificate is not accepted: "),
        "{why}"
    );
    suite(folder.path(), &one("get = \"/health\"\ngive_up_s = 1"));
    app.fault("never");
    assert_eq!(
        told(given(Some(app.address()))).await,
        (Outcome::Unknown, "No answer came within 1 s.".to_owned())
    );
    suite(folder.path(), &one("get = \"/health\"\ngive_up_s = 1\nwithin_ms = 500"));
    assert_eq!(
        told(given(Some(app.address()))).await,
        (Outcome::Block, "No answer came within 1 s. At most 500 ms were expected.".to_owned()),
        "that it is slower than it may be is known"
    );
    app.well();
    suite(folder.path(), &one("get = \"/health\"\nheaders = { Authorization = \"Bearer {{key}}\" }"));
    assert_eq!(
        told(given(Some(app.address()))).await,
        (Outcome::Unknown, "The credential key could not be read: it was not given.".to_owned())
    );
    suite(folder.path(), &one("get = \"/large\""));
    assert_eq!(told(given(Some(app.address()))).await.0, Outcome::Unknown, "more than 10 MB are not read");
    suite(folder.path(), &one("get = \"/away\"\nfollow = true"));
    let (outcome, why) = told(given(Some(app.address()))).await;
    assert!(
        outcome == Outcome::Block && why.starts_with("The app answered 302"),
        "another host is not followed: {why}"
    );
    for wrong in [
        "shop.example.com",
        "ftp://shop.example.com",
        "https://user:pw@shop.example.com",
        "https://shop.example.com?a=b",
        "https://",
    ] {
        let failure = bench
            .engine
            .verify_source(&target, &folder.path().display().to_string(), given(Some(wrong.to_owned())))
            .await
            .unwrap_err();
        assert_eq!(failure.code, FailureCode::AddressInvalid, "{wrong}");
        assert!(!format!("{failure:?}").contains("pw@"), "{wrong}");
    }
}

#[tokio::test]
async fn what_was_never_made_is_not_taken_back() {
    let (bench, app) = (Bench::start().await, App::start());
    let folder = tempfile::tempdir().unwrap();
    let file = suite(folder.path(), SHOP);
    let target = target(&bench, Tier::Staging).await;
    app.fault("no-avatar");
    let seen = bench.engine.verify_source(&target, &file, answers(&app)).await.unwrap();
    let flow = check(&seen, "An avatar costs 1 credit");
    assert_eq!(flow.why.as_deref(), Some("Make it: The app answered 500, expected 202."));
    let cleanup = flow.requests.last().unwrap();
    assert_eq!(
        (cleanup.tries, cleanup.why.as_deref()),
        (0, Some("It was not sent: nothing was kept as avatar."))
    );
    assert!(!app.state().contains("DELETE"), "no request without its gap went out: {}", app.state());
}

#[tokio::test]
async fn on_production_a_check_that_writes_runs_only_when_somebody_says_so() {
    let (bench, app) = (Bench::start().await, App::start());
    let folder = tempfile::tempdir().unwrap();
    let file = suite(folder.path(), SHOP);
    let target = target(&bench, Tier::Production).await;
    let seen = bench.engine.verify_source(&target, &file, answers(&app)).await.unwrap();
    let flow = check(&seen, "An avatar costs 1 credit");
    assert_eq!(flow.outcome, Outcome::Unknown, "what did not run is not green");
    assert_eq!(flow.why.as_deref(), Some("It writes, so it runs only when somebody says so."));
    assert_eq!(flow.writes.as_ref().unwrap().account, "qa@example.com");
    assert!(!app.state().contains("POST /api/avatars"), "no request of it was sent");
    let said = AppAnswers { writing: true, ..answers(&app) };
    let seen = bench.engine.verify_source(&target, &file, said).await.unwrap();
    assert_eq!(seen.outcome, Outcome::Pass, "{:#?}", seen.checks);
    let seen = bench.engine.verify_source(&target, &file, answers(&app)).await.unwrap();
    let flow = check(&seen, "An avatar costs 1 credit");
    assert_eq!(flow.outcome, Outcome::Pass, "it stays as it was read last, with its age");
}

#[tokio::test]
async fn an_environment_keeps_where_its_checks_come_from() {
    let (bench, app) = (Bench::start().await, App::start());
    let folder = tempfile::tempdir().unwrap();
    let file = suite(folder.path(), SHOP);
    let url = bench.server.create_database("kept").await;
    let environment = bench.environment("shop", &url).await;
    let engine = &bench.engine;
    assert_eq!(
        engine.check_app_set(&environment, Some("nowhere")).await.unwrap_err().code,
        FailureCode::AddressInvalid
    );
    engine.check_app_set(&environment, Some(&app.address())).await.unwrap();
    let setup = engine.check_folder_add(&environment, folder.path()).await.unwrap();
    assert_eq!((setup.suites.len(), setup.suites[0].checks, setup.suites[0].flows), (1, 5, 5), "{setup:?}");
    assert_eq!(setup.credentials[0].problem.as_deref(), Some("Not set yet."));
    let target = engine.target(&environment).await.unwrap();
    let seen = engine.verify(&target, &[]).await.unwrap();
    let unset = check(&seen, "Signed in by cookie");
    assert_eq!(
        unset.why.as_deref(),
        Some("The credential qa_password could not be read: nobody has set it for this environment.")
    );
    assert_eq!(check(&seen, "Health").outcome, Outcome::Pass);
    let handle = engine.password_set(Secret::new(app.password()));
    let setup = engine
        .check_credential_set(&environment, "qa_password", &handle, Keeping::AskEachTime)
        .await
        .unwrap();
    assert_eq!(setup.credentials[0].problem, None);
    let taken = engine.check_credential_take(&environment, "qa_password").await.unwrap();
    assert!(engine.judge_password(&taken).is_ok(), "a form can take it by handle");
    let missing = engine.check_credential_take(&environment, "other").await.unwrap_err();
    assert_eq!(missing.code, FailureCode::SecretNeeded);
    let seen = engine.verify(&target, &[]).await.unwrap();
    assert_eq!(seen.outcome, Outcome::Pass, "{:#?}", seen.checks);
    let last = engine.verification_last(&target).await.unwrap();
    assert_eq!(last.outcome, Outcome::Pass, "and it is there after a restart");

    app.fault("health-500");
    let seen = engine.verify(&target, &[]).await.unwrap();
    let mut bad = check(&seen, "Health").clone();
    bad.name = "<script>alert(1)</script>\u{202e}".to_owned();
    let path = folder.path().join("evidence.html");
    engine.check_export_to(&target, &bad, &path).await.unwrap();
    let page = std::fs::read_to_string(&path).unwrap();
    for said in [
        "&lt;script&gt;",
        "[U+202E]",
        "The app answered 500",
        "&lt;h1&gt;Internal error",
        "GET /health",
        "Readings",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("<script") && !page.contains(app.password()), "{page}");
    app.well();

    // What was asked before the check or the app changed says nothing about them as they are now.
    let well = engine.verify(&target, &[]).await.unwrap();
    assert_eq!(well.outcome, Outcome::Pass, "{:#?}", well.checks);
    std::fs::write(&file, SHOP.replace("within_ms = 1000", "within_ms = 2000")).unwrap();
    let last = engine.verification_last(&target).await.unwrap();
    let edited = check(&last, "Health");
    assert_eq!(
        (edited.outcome, edited.why.as_deref()),
        (Outcome::Unknown, Some("It was not read since it was changed."))
    );
    assert_eq!(check(&last, "Models").outcome, Outcome::Pass, "the others stay as they were read");
    std::fs::write(&file, SHOP).unwrap();
    let remote = engine.check_app_set(&environment, Some("http://shop.example.com")).await.unwrap();
    assert_eq!(
        remote.credentials[0].problem.as_deref(),
        Some("Not set yet."),
        "secrets belong to the host they were entered for"
    );
    let handle = engine.password_set(Secret::new(app.password()));
    engine.check_credential_set(&environment, "qa_password", &handle, Keeping::AskEachTime).await.unwrap();
    std::fs::write(
        &file,
        SHOP.split("[[expect]]")
            .filter(|part| {
                !part.contains("get = \"/health\"") && !part.contains("Models") && !part.contains("Studio")
            })
            .collect::<Vec<_>>()
            .join("[[expect]]"),
    )
    .unwrap();
    let clear = engine.verify(&target, &[]).await.unwrap();
    let why = Some("The app's address is http://, and secrets are not sent without encryption.");
    assert!(
        clear.checks.iter().all(|check| check.why.as_deref() == why),
        "nothing is sent to it: {:#?}",
        clear.checks
    );
    std::fs::write(&file, SHOP).unwrap();
    engine.check_app_set(&environment, Some(&app.address())).await.unwrap();

    // Edited: judged before it is written, and never over what somebody else wrote.
    let text = engine.check_file(&environment, &file).await.unwrap();
    assert_eq!(text.text, SHOP);
    let wrong = SHOP.replace("get = \"/health\"", "get = \"health\"");
    assert_eq!(engine.check_text_judge("shop.toml", &wrong)[0].at.line, 11);
    let failure = engine.check_file_save(&environment, &file, &wrong, Some(&text.digest)).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::ProfileInvalid);
    let more = format!("{SHOP}\n[[expect]]\nname = \"More\"\n[expect.http]\nget = \"/health\"\n");
    let mode = |path: &str| {
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path).unwrap().permissions()) & 0o777
    };
    let before = mode(&file);
    engine.check_file_save(&environment, &file, &more, Some(&text.digest)).await.unwrap();
    assert_eq!(mode(&file), before, "others may read it as before");
    let failure = engine.check_file_save(&environment, &file, SHOP, Some(&text.digest)).await.unwrap_err();
    assert!(failure.why.unwrap().contains("since it was read"));
    let outside = folder.path().join("deeper/x.toml").display().to_string();
    assert_eq!(
        engine.check_file_save(&environment, &outside, SHOP, None).await.unwrap_err().code,
        FailureCode::FileSystem
    );
    assert_eq!(
        engine.check_file(&environment, "/etc/passwd").await.unwrap_err().code,
        FailureCode::FileSystem
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), more);
    let setup = engine.check_folder_remove(&environment, &folder.path().display().to_string()).await.unwrap();
    assert!(setup.suites.is_empty() && setup.credentials.is_empty());
}
