//! Seeding again from scratch: the tables of a profile end with the profile's rows and no others.

use crate::domain::profile::{Mode, TableBlock, Work};
use crate::domain::{Failure, FailureCode};

/// The same work with every table replaced.
///
/// # Errors
/// [`FailureCode::SeedForbidden`] where it is not known which rows would be the profile's.
pub fn reseeded(work: Work) -> Result<Work, Failure> {
    let refused = |why: &str| {
        Failure::new(FailureCode::SeedForbidden, "This profile cannot be seeded again from scratch.")
            .why(why)
            .unchanged("Nothing was written.")
            .next("Seed it as it is, undo its run, or restore a backup.")
    };
    match work {
        Work::Tables(blocks) => {
            if let Some(block) = blocks.iter().find(|block| matches!(block.mode, Mode::TopUp { .. })) {
                return Err(refused(&format!(
                    "{} is only filled up to a number of rows, so no row there is the profile's alone.",
                    block.label()
                )));
            }
            Ok(Work::Tables(
                blocks.into_iter().map(|block| TableBlock { mode: Mode::Replace, ..block }).collect(),
            ))
        }
        Work::Sql(_) => Err(refused("Its rows are written by scripts; which ones they are is not known.")),
        Work::Http(_) => Err(refused("Its rows are written by the app; which ones they are is not known.")),
    }
}
