//! The schema of a restored database against the one that was stored with the backup.

use crate::adapters::backups::CATALOGUE;
use crate::adapters::postgres::{catalogue, scratch};
use crate::checks::drift::{Attribution, compare};
use crate::domain::backup::Manifest;
use crate::domain::catalogue::Catalogue;
use crate::domain::drift::DriftSide;
use crate::domain::{Failure, FailureCode};
use crate::runner::backup::load::Opened;
use crate::runner::rendering::render_live;
use sqlx::postgres::PgConnection;

/// What a comparison of schemas found.
pub struct SchemaFound {
    /// Objects that were looked at.
    pub objects: usize,
    /// What differs, a line each.
    pub differences: Vec<String>,
    /// Both sides are of different majors: how, in words.
    pub gap: Option<String>,
    /// What could not be compared, with the reason.
    pub not_comparable: Vec<String>,
}

/// The catalogue that lies in a backup.
///
/// # Errors
/// [`FailureCode::BackupDamaged`].
pub async fn catalogue_of(opened: &Opened) -> Result<Catalogue, Failure> {
    let bytes = opened.stored.read_all(CATALOGUE, &opened.key).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(FailureCode::BackupDamaged, "The backup's catalogue cannot be read.")
            .why(error.to_string())
    })
}

/// Compares what is there now with what was stored. Draws on the database and takes that back, so no transaction may
/// be open; `there` names the server in words.
///
/// # Errors
/// The server's error.
pub async fn compared(
    work: &mut PgConnection,
    manifest: &Manifest,
    mut stored: Catalogue,
    there: &str,
) -> Result<SchemaFound, sqlx::Error> {
    let restored = catalogue::read(work, &manifest.schemas).await?;
    let here = scratch::version(work).await?;
    let then = manifest.identity.version_words().replace("PostgreSQL ", "");
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    let gap = (major(&here) != major(&then))
        .then(|| format!("the backup is of PostgreSQL {then}, {there} is PostgreSQL {here}"));
    let not_comparable = render_live(work, &restored, &mut stored, gap.as_deref()).await?;
    let attribution = Attribution {
        culprit: &|_| None,
        settled_by: &|_| None,
        not_comparable: &not_comparable,
        same_major: gap.is_none(),
    };
    let mut differences = Vec::new();
    for difference in compare(&restored, &stored, &attribution) {
        let object = &difference.object;
        match difference.side {
            DriftSide::MissingLive => differences.push(format!("{object} was not there when it was stored.")),
            DriftSide::ExtraLive => differences.push(format!("{object} is missing.")),
            DriftSide::Different => differences.push(format!("{object} is not as it was.")),
            DriftSide::NotCompared => {}
        }
    }
    Ok(SchemaFound {
        objects: restored.count().max(stored.count()),
        differences,
        gap,
        not_comparable: not_comparable.into_iter().map(|each| each.reason).collect(),
    })
}
