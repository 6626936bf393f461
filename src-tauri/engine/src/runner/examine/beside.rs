//! What became of a database that a restore made beside the target. Its number was journalled before it got its name,
//! so the server's list of databases tells.

use crate::adapters::postgres::databases::Named;
use crate::adapters::postgres::words::identifier;
use crate::domain::backup::{Beside, SwapBackStep};
use crate::domain::run::{NextButton, RunStep, StepStatus};
use crate::runner::apply::beside::number;

/// What the list of databases says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// The new database bears the name.
    Named,
    /// It is there under its drawn name.
    Unnamed,
    /// It is not there, and what was there is as it was.
    Nothing,
    /// The name is another database's than the one before and the one that was made.
    Strange,
}

fn found(beside: &Beside, note: Option<&str>, before: u32, databases: &[Named]) -> Found {
    let bearer = databases.iter().find(|found| found.name == beside.name).map(|found| found.oid);
    let made = number(note);
    if made.is_some() && bearer == made {
        return Found::Named;
    }
    if beside.kept_as.is_some() && bearer != Some(before) {
        return Found::Strange;
    }
    if databases.iter().any(|found| found.name == beside.making) { Found::Unnamed } else { Found::Nothing }
}

/// The step in words, and how it ended.
pub(super) fn on_server(
    beside: &Beside,
    step: &RunStep,
    before: u32,
    databases: &[Named],
    at_work: bool,
) -> (String, StepStatus) {
    let name = &beside.name;
    match found(beside, step.note.as_deref(), before, databases) {
        Found::Named => (format!("the new database bears the name {name}"), StepStatus::Done),
        _ if at_work => ("a session is at work".to_owned(), StepStatus::Started),
        Found::Strange => {
            (format!("{name} is neither the database before nor the one that was made"), StepStatus::Started)
        }
        Found::Unnamed => {
            let untouched = if beside.kept_as.is_some() { "the names were not exchanged; " } else { "" };
            let words = format!(
                "{untouched}{making} was left and is not to be used: DROP DATABASE {}",
                identifier(&beside.making),
                making = beside.making
            );
            (words, StepStatus::Failed)
        }
        Found::Nothing => ("there is no new database".to_owned(), StepStatus::TakenBack),
    }
}

/// A swap back in words, and how it ended: whose number has the name.
pub(super) fn swapped_back(
    back: &SwapBackStep,
    before: u32,
    databases: &[Named],
    at_work: bool,
) -> (String, StepStatus) {
    let name = &back.name;
    match databases.iter().find(|found| found.name == *name).map(|found| found.oid) {
        Some(bearer) if bearer == back.kept_oid => {
            (format!("the database from before is {name} again"), StepStatus::Done)
        }
        _ if at_work => ("a session is at work".to_owned(), StepStatus::Started),
        Some(bearer) if bearer == before => {
            ("the names were not exchanged".to_owned(), StepStatus::TakenBack)
        }
        _ => (format!("{name} is neither of the two databases"), StepStatus::Started),
    }
}

/// A swap back in one sentence, and what to do next.
pub(super) fn back_headline(back: &SwapBackStep, outcome: Option<StepStatus>) -> (String, NextButton) {
    let name = &back.name;
    match outcome {
        Some(StepStatus::Done) => (
            format!(
                "The databases were exchanged: {name} is the one from before, the other one is {}.",
                back.away
            ),
            NextButton::Nothing,
        ),
        Some(StepStatus::Started) => (
            format!("Which database {name} is cannot be told: it is neither of the two."),
            NextButton::ExamineAgain,
        ),
        _ => (format!("The databases were not exchanged; {name} is as it was."), NextButton::NewPlan),
    }
}

/// The run in one sentence, and what to do next.
pub(super) fn headline(beside: &Beside, outcome: Option<StepStatus>) -> (String, NextButton) {
    let name = &beside.name;
    match (outcome, &beside.kept_as) {
        (Some(StepStatus::Done), Some(kept)) => (
            format!("The databases were exchanged: {name} is the restored one, the one before is {kept}."),
            NextButton::Nothing,
        ),
        (Some(StepStatus::Done), None) => {
            (format!("The database {name} was made, whole and compared."), NextButton::Nothing)
        }
        (Some(StepStatus::Started), _) => (
            format!("What became of {name} is not known: the server has another database of this name."),
            NextButton::ExamineAgain,
        ),
        (Some(StepStatus::Failed), kept) => {
            let untouched = match kept {
                Some(_) => format!("The databases were not exchanged; {name} is as it was."),
                None => format!("The database {name} was not made."),
            };
            let left = format!(
                "{} was left on the server, not whole: DROP DATABASE {}.",
                beside.making,
                identifier(&beside.making)
            );
            (format!("{untouched} {left}"), NextButton::NewPlan)
        }
        (_, Some(_)) => (
            format!("The databases were not exchanged; {name} is as it was, and nothing is left beside it."),
            NextButton::NewPlan,
        ),
        (_, None) => {
            (format!("The database {name} was not made, and nothing of it is left."), NextButton::NewPlan)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::backup::DatabaseForm;

    fn beside(kept: Option<&str>) -> Beside {
        Beside {
            making: "shop_drydock_1a2b3c4d".to_owned(),
            name: "shop".to_owned(),
            kept_as: kept.map(str::to_owned),
            form: DatabaseForm {
                owner: None,
                encoding: "UTF8".to_owned(),
                collate: "C".to_owned(),
                ctype: "C".to_owned(),
                provider: "c".to_owned(),
                locale: None,
                rules: None,
                tablespace: None,
            },
            with_owners: true,
        }
    }

    #[test]
    fn names_and_numbers_tell_what_became_of_it() {
        let named = |name: &str, oid| Named { name: name.to_owned(), oid };
        let note = Some("naming shop_drydock_1a2b3c4d, number 20");
        let swap = beside(Some("shop_before"));
        let exchanged = [named("shop", 20), named("shop_before", 10)];
        assert_eq!(found(&swap, note, 10, &exchanged), Found::Named);
        let not_yet = [named("shop", 10), named("shop_drydock_1a2b3c4d", 20)];
        assert_eq!(found(&swap, note, 10, &not_yet), Found::Unnamed);
        assert_eq!(found(&swap, note, 10, &[named("shop", 10)]), Found::Nothing);
        assert_eq!(found(&swap, note, 10, &[named("shop", 30)]), Found::Strange);
        assert_eq!(found(&swap, note, 10, &[]), Found::Strange);
        // Made, and its number not journalled any more.
        let early = Some("making shop_drydock_1a2b3c4d");
        assert_eq!(found(&swap, early, 10, &not_yet), Found::Unnamed);
        let new = beside(None);
        assert_eq!(found(&new, note, 10, &[named("shop", 20)]), Found::Named);
        assert_eq!(found(&new, note, 10, &[named("shop", 30)]), Found::Nothing, "somebody else's");
    }

    #[test]
    fn whose_number_has_the_name_tells_whether_a_swap_was_taken_back() {
        let named = |name: &str, oid| Named { name: name.to_owned(), oid };
        let back = SwapBackStep {
            run_id: "r".to_owned(),
            run_number: 3,
            name: "shop".to_owned(),
            kept: "shop_before".to_owned(),
            kept_oid: 10,
            away: "shop_restored".to_owned(),
        };
        let not_yet = [named("shop", 20), named("shop_before", 10)];
        let taken_back = [named("shop", 10), named("shop_restored", 20)];
        let outcome = |there: &[Named], at_work| swapped_back(&back, 20, there, at_work).1;
        assert_eq!(outcome(&taken_back, false), StepStatus::Done);
        assert_eq!(outcome(&not_yet, false), StepStatus::TakenBack);
        assert_eq!(outcome(&not_yet, true), StepStatus::Started);
        assert_eq!(outcome(&[named("shop", 30)], false), StepStatus::Started, "nothing is claimed");
        assert_eq!(outcome(&[], false), StepStatus::Started);
    }
}
