//! `drydockctl freeze`: Drydock writes nothing, said and lifted by a script.

use crate::commands::Answer;
use crate::exit;
use drydock_engine::Engine;
use drydock_engine::domain::desk::Freezes;
use drydock_engine::domain::{Failure, FailureCode};
use serde_json::json;

/// What is asked for.
pub(crate) struct Wish<'a> {
    pub(crate) environment: Option<&'a str>,
    pub(crate) everywhere: bool,
    pub(crate) why: Option<&'a str>,
    pub(crate) lift: bool,
    pub(crate) confirm: Option<&'a str>,
}

/// Freezes, lifts, or lists.
pub(crate) async fn freeze(engine: &Engine, wish: Wish<'_>) -> Result<Answer, Failure> {
    let known = engine.environments().await?;
    let id = match wish.environment {
        None => None,
        Some(name) => {
            let found = known.iter().find(|known| known.name.eq_ignore_ascii_case(name));
            Some(found.map(|found| found.id.clone()).ok_or_else(|| {
                Failure::new(
                    FailureCode::EnvironmentUnknown,
                    format!("There is no environment named `{name}`."),
                )
                .unchanged("Nothing was frozen or lifted.")
                .next("Use the name that Drydock shows.")
            })?)
        }
    };
    let freezes = match (id.is_some() || wish.everywhere, wish.lift, wish.why) {
        (true, true, _) => engine.lift_freeze(id.as_deref(), wish.confirm).await?,
        (true, false, why) => engine.freeze(id.as_deref(), why.unwrap_or_default()).await?,
        (false, ..) => engine.freezes().await?,
    };
    let name = |id: &str| {
        known.iter().find(|known| known.id == id).map_or_else(|| id.to_owned(), |known| known.name.clone())
    };
    Ok(Answer {
        code: exit::DONE,
        json: json!({ "outcome": "done", "freezes": freezes }),
        text: words(&freezes, &name),
    })
}

fn words(freezes: &Freezes, name: &dyn Fn(&str) -> String) -> String {
    let mut lines = Vec::new();
    let everywhere = freezes.everywhere.iter().map(|freeze| ("all environments".to_owned(), freeze));
    let single = freezes.environments.iter().map(|own| (name(&own.environment_id), &own.freeze));
    for (place, freeze) in everywhere.chain(single) {
        let at = freeze.at.format("%Y-%m-%d %H:%M UTC");
        lines.push(format!("Writes on {place} are frozen since {at} by {}: {}", freeze.by, freeze.why));
    }
    if lines.is_empty() { "Nothing is frozen.".to_owned() } else { lines.join("\n") }
}
