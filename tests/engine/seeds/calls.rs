//! Profiles that ask the app to write: planned and confirmed like others, never tried, counted before and after.

use super::harness::{Bench, profile_of, run, text};
use drydock_engine::domain::environment::Tier;
use drydock_engine::domain::plan::{Confirmation, GateKind, Step};
use drydock_engine::domain::run::{Run, RunStatus};
use drydock_engine::domain::secret::{Keeping, Secret};
use drydock_engine::domain::seed::{Answer, AnswerValue, SeedAnswers};
use drydock_engine::domain::{FailureCode, Outcome};
use drydock_engine::{ApplyOptions, Target};
use drydock_lab::App;
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};

const FLAGS: &str = r#"
[[inputs]]
name = "note"
label = "Note"
kind = "text"

[[credentials]]
name = "qa_password"
label = "Password of qa@example.com"

[http]
counts = ["flags", "public.notes"]
repeatable = true

[[http.steps]]
name = "Sign in"
post = "/api/login"
json = { email = "qa@example.com", password = "{{qa_password}}" }
keep = { token = { json = "$.token" } }

[[http.steps]]
name = "Look"
get = "/api/search?q={{note}}"
expect = [ { json = "$.query", equals = "{{note}}" } ]

[[http.steps]]
name = "Make the flags"
post = "/api/seed/flags"
headers = { Authorization = "Bearer {{token}}" }
status = 201

[[expect]]
name = "Two flags"
count = { table = "flags", equals = 2 }
"#;

fn note(text: &str) -> SeedAnswers {
    let answer = Answer { name: "note".to_owned(), value: AnswerValue::Text { text: text.to_owned() } };
    SeedAnswers { answers: vec![answer], ..SeedAnswers::default() }
}

struct Shop {
    bench: Bench,
    app: App,
    target: Target,
    connection: PgConnection,
    environment: String,
}

async fn shop() -> Shop {
    let bench = Bench::start().await;
    let url = bench.server.create_database("shop").await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    run(&mut connection, "CREATE TABLE flags (name text PRIMARY KEY); CREATE TABLE notes (id int)").await;
    let app = App::start_on(&url);
    let environment = bench.environment("shop", &url).await;
    let target = bench.engine.target(&environment).await.unwrap();
    Shop { bench, app, target, connection, environment }
}

impl Shop {
    async fn set_up(&self) {
        self.bench.engine.check_app_set(&self.environment, Some(&self.app.address())).await.unwrap();
        let handle = self.bench.engine.password_set(Secret::new(self.app.password()));
        let keeping = Keeping::AskEachTime;
        self.bench
            .engine
            .check_credential_set(&self.environment, "qa_password", &handle, keeping)
            .await
            .unwrap();
    }

    async fn apply(&self, profile: &std::path::Path) -> Run {
        let id = profile.display().to_string();
        let review = self.bench.engine.seed_plan(&self.target, &id, note("a&b=c ü")).await.unwrap();
        self.bench.apply(&self.target, &review).await
    }
}

#[tokio::test]
async fn the_app_is_asked_in_order_and_its_rows_are_counted_before_and_after() {
    let mut shop = shop().await;
    let profile = profile_of(FLAGS);
    let id = profile.path().display().to_string();
    let plan = |shop: &Shop| {
        let (engine, target, id) = (shop.bench.engine.clone(), shop.target.clone(), id.clone());
        async move { engine.seed_plan(&target, &id, note("a&b=c ü")).await }
    };
    let failure = plan(&shop).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::AddressInvalid, "{failure:?}");
    shop.bench.engine.check_app_set(&shop.environment, Some(&shop.app.address())).await.unwrap();
    let failure = plan(&shop).await.unwrap_err();
    assert_eq!(
        (failure.code, failure.what.as_str()),
        (FailureCode::SecretNeeded, "\"Password of qa@example.com\" is not set for shop.")
    );
    shop.set_up().await;

    let review = plan(&shop).await.unwrap();
    assert_eq!(review.headline, "This asks the app to write, by 3 requests.");
    let Step::Call(step) = &review.plan.steps[1] else { panic!("{:?}", review.plan.steps) };
    let requests: Vec<&str> = step.requests.iter().map(|request| request.request.as_str()).collect();
    assert_eq!(requests, ["POST /api/login", "GET /api/search?q={{note}}", "POST /api/seed/flags"]);
    assert_eq!(step.counts[0].rows, 0);
    let gate = review.gates.iter().find(|gate| gate.kind == GateKind::DryRun).unwrap();
    assert_eq!(gate.outcome, Outcome::Warn, "{gate:?}");
    assert!(review.plan.findings.iter().any(|finding| finding.destructive), "it wants its own tick");
    let failure = shop.bench.engine.start_dry_run(&shop.target, &review.plan.id).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::NotDryRun);
    assert!(!shop.app.state().contains("api/login"), "planning sends nothing");

    let done = shop.bench.apply(&shop.target, &review).await;
    assert_eq!(done.status, RunStatus::Succeeded, "{:?}", done.failure);
    assert_eq!(
        done.aftermath,
        [
            "The app was asked: all 3 requests were answered as expected. public.flags: 0 rows before, 2 now; public.notes: 0 rows, as before."
        ]
    );
    assert_eq!(done.steps[2].note.as_deref(), Some("the only check holds"));
    assert_eq!(text(&mut shop.connection, "SELECT count(*) FROM flags").await, "2");
    let whole = format!(
        "{done:?}{}",
        std::fs::read_dir(shop.bench.data.path())
            .unwrap()
            .map(|entry| String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap_or_default())
                .into_owned())
            .collect::<String>()
    );
    assert!(!whole.contains(shop.app.password()), "the secret is neither told nor stored");
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let options = ApplyOptions::default();
    let twice = shop
        .bench
        .engine
        .start_apply(&shop.target, &review.plan.id, confirmation, options)
        .await
        .unwrap_err();
    assert_eq!(twice.code, FailureCode::PlanVoid, "a plan of requests is good for one run: {twice:?}");
    let again = shop.apply(profile.path()).await;
    assert!(again.aftermath[0].contains("public.flags: 2 rows, as before"), "{:?}", again.aftermath);
    let review = shop.bench.engine.undo_review(&shop.target, &done.id).await.unwrap();
    assert!(review.impossible.is_some(), "nothing of it can be taken back here");
}

#[tokio::test]
async fn a_request_that_fails_ends_the_run_and_says_what_stays() {
    let shop = shop().await;
    shop.set_up().await;
    let profile = profile_of(FLAGS);
    shop.app.fault("no-flags");
    let failed = shop.apply(profile.path()).await;
    let failure = failed.failure.unwrap();
    assert_eq!((failed.status, failure.code), (RunStatus::Failed, FailureCode::AppFailed));
    assert_eq!(failure.what, "Make the flags was not answered as it should be.");
    assert!(failure.why.as_ref().unwrap().starts_with("The app answered 500, expected 201."), "{failure:?}");
    assert_eq!(
        failure.unchanged.as_deref(),
        Some(
            "What the app did with the requests before stays: Drydock cannot take it back. public.flags: 0 rows, as before; public.notes: 0 rows, as before."
        )
    );
    shop.app.well();
    // The profile moves between plan and apply.
    let id = profile.path().display().to_string();
    let review = shop.bench.engine.seed_plan(&shop.target, &id, note("x")).await.unwrap();
    std::fs::write(
        profile.path().join("profile.toml"),
        std::fs::read_to_string(profile.path().join("profile.toml")).unwrap() + "\n# moved\n",
    )
    .unwrap();
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let void = shop
        .bench
        .engine
        .start_apply(&shop.target, &review.plan.id, confirmation, ApplyOptions::default())
        .await
        .unwrap_err();
    assert_eq!(void.code, FailureCode::PlanVoid, "{void:?}");
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_the_answer_and_says_what_is_open() {
    let shop = shop().await;
    shop.set_up().await;
    let profile = profile_of(FLAGS);
    shop.app.fault("slow-flags");
    let id = profile.path().display().to_string();
    let engine = &shop.bench.engine;
    let review = engine.seed_plan(&shop.target, &id, note("x")).await.unwrap();
    let confirmation = Confirmation { digest: review.plan.digest.clone(), ..Confirmation::default() };
    let started = engine
        .start_apply(&shop.target, &review.plan.id, confirmation, ApplyOptions::default())
        .await
        .unwrap();
    while !shop.app.state().contains("POST /api/seed/flags") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let since = Instant::now();
    engine.cancel_run(&started.id).unwrap();
    let ended = engine.wait_run(&started.id, &mut |_| {}).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    assert_eq!(ended.status, RunStatus::Cancelled);
    let kept = ended.failure.unwrap().unchanged.unwrap();
    assert!(
        kept.starts_with("2 of 3 requests were answered.")
            && kept.contains("whether the app did it is not known"),
        "{kept}"
    );
}

#[tokio::test]
async fn on_production_it_must_be_repeatable_and_confirmed_in_full() {
    let mut shop = shop().await;
    shop.set_up().await;
    let url = text(&mut shop.connection, "SELECT current_database()").await;
    assert_eq!(url, "shop");
    shop.target.tier = Tier::Production;
    shop.target.rules = drydock_engine::domain::environment::GuardRules::for_tier(Tier::Production);
    let once = profile_of(&FLAGS.replace("repeatable = true\n", ""));
    let engine = &shop.bench.engine;
    let plan = |id: String| {
        let (engine, target) = (engine.clone(), shop.target.clone());
        async move { engine.seed_plan(&target, &id, note("x")).await.unwrap() }
    };
    let review = plan(once.path().display().to_string()).await;
    let gate = review.gates.iter().find(|gate| gate.kind == GateKind::Findings).unwrap();
    assert_eq!(
        (gate.outcome, gate.evidence.as_str()),
        (Outcome::Block, "The profile does not say that a second time changes nothing.")
    );
    let profile = profile_of(FLAGS);
    let review = plan(profile.path().display().to_string()).await;
    let tick = review.plan.findings.iter().position(|finding| finding.destructive).unwrap();
    let whole = Confirmation {
        digest: review.plan.digest.clone(),
        typed_name: Some("shop".to_owned()),
        ticked_findings: vec![u32::try_from(tick).unwrap()],
        override_reason: Some("a dump was taken by hand".to_owned()),
    };
    for lacking in [
        Confirmation { typed_name: None, ..whole.clone() },
        Confirmation { ticked_findings: Vec::new(), ..whole.clone() },
        Confirmation { override_reason: None, ..whole.clone() },
    ] {
        engine
            .start_apply(&shop.target, &review.plan.id, lacking, ApplyOptions::default())
            .await
            .unwrap_err();
    }
    assert!(!shop.app.state().contains("api/login"), "nothing was sent");
    let run =
        engine.start_apply(&shop.target, &review.plan.id, whole, ApplyOptions::default()).await.unwrap();
    assert_eq!(engine.wait_run(&run.id, &mut |_| {}).await.unwrap().status, RunStatus::Succeeded);
}
