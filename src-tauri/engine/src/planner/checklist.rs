//! Reading checklists. Strict: an unknown key, a check that does not exist or an item without anybody to tick it is
//! a problem with its line, and a file with a problem is not read at all.

use crate::domain::checklist::{Bound, Checklist, ChecklistItem};
use crate::domain::desk::{DeskCheck, ReleaseKind, Stage};
use crate::domain::environment::Tier;
use serde::Deserialize;
use std::collections::BTreeSet;
use toml::Spanned;

/// Most items of a list.
const MOST_ITEMS: usize = 200;
/// Longest time that an item may wait after the apply, minutes: a week.
const LONGEST_WAIT: u32 = 7 * 24 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: Spanned<String>,
    #[serde(rename = "for")]
    kinds: Vec<ReleaseKind>,
    #[serde(default)]
    items: Vec<Spanned<Item>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    id: String,
    stage: WrittenStage,
    title: String,
    check: Option<DeskCheck>,
    person: Option<String>,
    after_minutes: Option<u32>,
    tiers: Option<Vec<Tier>>,
}

/// Stages as files write them, with hyphens as the checks have.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WrittenStage {
    Prepare,
    Plan,
    DryRun,
    BackUp,
    Apply,
    Verify,
    Watch,
}

impl From<WrittenStage> for Stage {
    fn from(stage: WrittenStage) -> Self {
        match stage {
            WrittenStage::Prepare => Self::Prepare,
            WrittenStage::Plan => Self::Plan,
            WrittenStage::DryRun => Self::DryRun,
            WrittenStage::BackUp => Self::BackUp,
            WrittenStage::Apply => Self::Apply,
            WrittenStage::Verify => Self::Verify,
            WrittenStage::Watch => Self::Watch,
        }
    }
}

/// Reads a checklist; `id` is its file's name without the ending.
///
/// # Errors
/// What is wrong, with the line, as a sentence.
pub fn read(id: &str, text: &str) -> Result<Checklist, String> {
    let at = |offset: usize, what: &str| format!("Line {}: {what}", line(text, offset));
    let file: File = toml::from_str(text).map_err(|error| {
        let what = error.message().trim_end_matches('.').replace('\n', " ");
        at(error.span().map_or(0, |span| span.start), &format!("{what}."))
    })?;
    if file.title.get_ref().trim().is_empty() {
        return Err(at(file.title.span().start, "the title is empty."));
    }
    if file.kinds.is_empty() {
        return Err(at(0, "`for` names no release: write \"migrations\", \"seed\" or both."));
    }
    if file.items.len() > MOST_ITEMS {
        return Err(at(0, &format!("there are {} items; at most {MOST_ITEMS} are read.", file.items.len())));
    }
    let mut known = BTreeSet::new();
    let mut items = Vec::new();
    for spanned in file.items {
        let start = spanned.span().start;
        let item = spanned.into_inner();
        if item.id.trim().is_empty() || item.title.trim().is_empty() {
            return Err(at(start, "an item needs an id and a title."));
        }
        if !known.insert(item.id.clone()) {
            return Err(at(start, &format!("there are two items `{}`.", item.id)));
        }
        if item.tiers.as_ref().is_some_and(Vec::is_empty) {
            return Err(at(start, &format!("item `{}` is for no tier.", item.id)));
        }
        items.push(ChecklistItem {
            bound: bound(&item).map_err(|what| at(start, &format!("item `{}` {what}", item.id)))?,
            stage: item.stage.into(),
            id: item.id,
            title: item.title,
            tiers: item.tiers.unwrap_or_else(|| vec![Tier::Production, Tier::Staging, Tier::Development]),
        });
    }
    Ok(Checklist { id: id.to_owned(), title: file.title.into_inner(), kinds: file.kinds, items })
}

fn bound(item: &Item) -> Result<Bound, String> {
    match (&item.check, &item.person, item.after_minutes) {
        (Some(_), Some(_), _) => Err("has both `check` and `person`: one of them ticks it.".to_owned()),
        (None, None, _) => Err("has neither `check` nor `person`: nothing could tick it.".to_owned()),
        (Some(_), None, Some(_)) => {
            Err("waits with `after_minutes`, which is for a person's item.".to_owned())
        }
        (Some(check), None, None) if fits(*check, &item.stage) => Ok(Bound::Check(*check)),
        (Some(_), None, None) => Err("has a check that can never tick in that stage.".to_owned()),
        (None, Some(_), _) if matches!(item.stage, WrittenStage::Apply) => {
            Err("is for a person in the stage apply, which holds nothing but the apply itself.".to_owned())
        }
        (None, Some(_), Some(minutes)) if minutes > LONGEST_WAIT => {
            Err(format!("waits {minutes} minutes; at most {LONGEST_WAIT} are possible."))
        }
        (None, Some(todo), after_minutes) => {
            if after_minutes.is_some() && !matches!(item.stage, WrittenStage::Verify | WrittenStage::Watch) {
                return Err("waits with `after_minutes`, but its stage is before the apply.".to_owned());
            }
            Ok(Bound::Person { todo: todo.clone(), after_minutes })
        }
    }
}

/// Whether a check can tick in a stage: those of the plan come before the apply, those of its outcome after it.
fn fits(check: DeskCheck, stage: &WrittenStage) -> bool {
    use WrittenStage::{Apply, Prepare, Verify, Watch};
    match check {
        DeskCheck::Applied => matches!(stage, Apply),
        DeskCheck::LedgerAfter | DeskCheck::DriftAfter | DeskCheck::ChecksAfter => {
            matches!(stage, Verify | Watch)
        }
        DeskCheck::PlanFits
        | DeskCheck::Findings
        | DeskCheck::DryRun
        | DeskCheck::Locks
        | DeskCheck::BackupNewer
        | DeskCheck::BackupCovers
        | DeskCheck::BackupProven => !matches!(stage, Prepare | Apply | Verify | Watch),
        DeskCheck::Connection
        | DeskCheck::WritesOpen
        | DeskCheck::RunsSettled
        | DeskCheck::FilesAndLedger
        | DeskCheck::Drift
        | DeskCheck::Sessions => !matches!(stage, Apply),
    }
}

/// The 1-based line of a byte.
fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The schema that editors use names the same keys, stages and checks as the reader.
    #[test]
    fn the_schema_for_editors_knows_what_the_reader_knows() {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../../../../docs/checklists.schema.json")).unwrap();
        let words = |pointer: &str| -> Vec<String> {
            let found = schema.pointer(pointer).unwrap().as_array().unwrap();
            found.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let item = "/$defs/item/properties";
        let (stages, checks) = (words(&format!("{item}/stage/enum")), words(&format!("{item}/check/enum")));
        let reads = |stage: &str, check: &str| {
            let text = format!(
                "{HEAD}[[items]]\nid = \"a\"\nstage = \"{stage}\"\ntitle = \"A\"\ncheck = \"{check}\"\n"
            );
            match read("ours", &text) {
                Ok(_) => true,
                Err(error) => {
                    assert!(error.contains("can never tick"), "{error}");
                    false
                }
            }
        };
        for stage in &stages {
            assert!(checks.iter().any(|check| reads(stage, check)), "{stage}");
        }
        for check in &checks {
            assert!(stages.iter().any(|stage| reads(stage, check)), "{check}");
        }
        let error = read("ours", &format!("{HEAD}[[items]]\nid = \"a\"\nx = 1\n")).unwrap_err();
        for key in schema.pointer(item).unwrap().as_object().unwrap().keys() {
            assert!(error.contains(&format!("`{key}`")), "{key} in {error}");
        }
        let error = read("ours", &format!("{HEAD}[[items]]\ncheck = \"x\"\n")).unwrap_err();
        let known = error.matches('`').count() / 2 - 1;
        assert_eq!(known, words(&format!("{item}/check/enum")).len(), "{error}");
    }

    const HEAD: &str = "title = \"Ours\"\nfor = [\"migrations\"]\n";

    #[test]
    fn an_item_is_bound_to_a_check_or_to_a_person() {
        let text = format!(
            "{HEAD}\n[[items]]\nid = \"a\"\nstage = \"dry-run\"\ntitle = \"Tried\"\ncheck = \"dry-run\"\n\
             \n[[items]]\nid = \"b\"\nstage = \"watch\"\ntitle = \"Seen\"\nperson = \"Look.\"\nafter_minutes = 5\ntiers = [\"production\"]\n"
        );
        let list = read("ours", &text).unwrap();
        assert_eq!(list.items[0].bound, Bound::Check(DeskCheck::DryRun));
        assert_eq!(list.items[0].stage, Stage::DryRun);
        assert_eq!(list.items[0].tiers.len(), 3);
        assert_eq!(list.items[1].bound, Bound::Person { todo: "Look.".to_owned(), after_minutes: Some(5) });
        assert_eq!(list.items[1].tiers, [Tier::Production]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let item = "\n[[items]]\nid = \"a\"\nstage = \"plan\"\ntitle = \"A\"\n";
        for (text, says) in [
            (format!("{HEAD}colour = \"red\"\n"), "Line 3: unknown field `colour`"),
            (format!("{HEAD}{item}check = \"dry-runn\"\n"), "Line 8: unknown variant `dry-runn`"),
            (format!("{HEAD}{item}"), "neither `check` nor `person`"),
            (format!("{HEAD}{item}check = \"locks\"\nperson = \"x\"\n"), "both `check` and `person`"),
            (format!("{HEAD}{item}check = \"locks\"\n{item}check = \"drift\"\n"), "two items `a`"),
            (format!("{HEAD}{item}check = \"applied\"\n"), "can never tick"),
            (format!("{HEAD}{item}person = \"x\"\ntiers = []\n"), "for no tier"),
            (format!("{HEAD}{item}person = \"x\"\nafter_minutes = 5\n"), "before the apply"),
            ("title = \"Ours\"\nfor = []\n".to_owned(), "names no release"),
            ("title = \"\"\nfor = [\"seed\"]\n".to_owned(), "the title is empty"),
            ("title = ".to_owned(), "Line 1:"),
        ] {
            let error = read("ours", &text).unwrap_err();
            assert!(error.contains(says), "{error} should say {says}");
        }
    }
}
