//! Rehearsing what could not be tried on the target: on a scratch copy of its schema, without data.

use super::{Engine, Target};
use crate::domain::change_set::{DryRunReport, Trial, Tried};
use crate::domain::plan::Plan;
use crate::runner::dry_run::Piece;
use crate::runner::events::Stream;

impl Engine {
    pub(super) async fn rehearse(
        &self,
        _target: &Target,
        _plan: &Plan,
        pieces: &[Piece],
        report: &mut DryRunReport,
        why: &str,
        _stream: &Stream,
    ) {
        for piece in &pieces[report.trials.len()..] {
            report.trials.push(Trial {
                migration: piece.name.clone(),
                tried: Tried::Not,
                worked: None,
                seconds: None,
                note: Some(why.to_owned()),
                failed_statement: None,
            });
        }
    }
}
