//! The answers of a form: checked, passwords hashed at once and held no longer.

use crate::adapters::postgres::capture;
use crate::domain::plan::{PlannedAnswer, PlannedHash};
use crate::domain::profile::{Argon2Cost, Form, InputKind, Profile, Rows, TableBlock};
use crate::domain::secret::Secret;
use crate::domain::seed::{AnswerValue, SeedAnswers};
use crate::domain::staging::Staging;
use crate::domain::{Failure, FailureCode, Finding, Outcome};
use crate::engine::Engine;
use crate::planner::seed::answers::{AnswerProblem, check};
use crate::planner::seed::values::RowMaker;
use crate::planner::seed::{Answers, policy};
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use sqlx::postgres::PgConnection;
use std::collections::BTreeMap;

/// Most rows whose stored hash is compared with a password.
const MOST_COMPARED: usize = 20;

/// Passwords of a form, by input.
pub struct Typed {
    /// Answers without passwords.
    pub answers: Vec<PlannedAnswer>,
    /// Passwords with how they are hashed.
    pub passwords: Vec<(String, Secret, Argon2Cost)>,
}

fn invalid(problems: &[AnswerProblem]) -> Failure {
    let lines: Vec<&str> = problems.iter().map(|problem| problem.what.as_str()).collect();
    Failure::new(
        FailureCode::ProfileInvalid,
        if problems.len() == 1 { "An answer does not fit." } else { "Some answers do not fit." },
    )
    .why(lines.join("\n"))
    .unchanged("Nothing was written.")
    .next("Correct the answers.")
}

impl Engine {
    /// Checks a form against the inputs of a profile.
    pub(super) fn typed(&self, profile: &Profile, form: &SeedAnswers) -> Result<Typed, Failure> {
        let mut texts = BTreeMap::new();
        let mut passwords = Vec::new();
        let mut problems = Vec::new();
        for answer in &form.answers {
            match &answer.value {
                AnswerValue::Text { text } => {
                    texts.insert(answer.name.clone(), Some(text.clone()));
                }
                AnswerValue::Empty => {
                    texts.insert(answer.name.clone(), None);
                }
                AnswerValue::Secret { handle } => {
                    let input = profile.inputs.iter().find(|input| input.name == answer.name);
                    match input.map(|input| &input.kind) {
                        Some(InputKind::Password { hash }) => {
                            passwords.push((answer.name.clone(), self.secrets().pending_get(handle)?, *hash));
                        }
                        _ => problems.push(AnswerProblem {
                            input: answer.name.clone(),
                            what: format!("`{}` is not a password of the profile.", answer.name),
                        }),
                    }
                }
            }
        }
        for input in profile.inputs.iter().filter(|input| matches!(input.kind, InputKind::Password { .. })) {
            if !passwords.iter().any(|(name, _, _)| *name == input.name) {
                if texts.remove(&input.name).flatten().is_some() {
                    problems.push(AnswerProblem {
                        input: input.name.clone(),
                        what: format!("\"{}\" is a password; it is handed in apart.", input.label),
                    });
                } else if !input.optional {
                    problems.push(AnswerProblem {
                        input: input.name.clone(),
                        what: format!("\"{}\" is needed.", input.label),
                    });
                }
            }
        }
        match check(profile, &texts) {
            Ok(answers) if problems.is_empty() => Ok(Typed { answers, passwords }),
            Ok(_) => Err(invalid(&problems)),
            Err(found) => {
                problems.extend(found);
                Err(invalid(&problems))
            }
        }
    }
}

/// What is to be said of the passwords: weak ones stop a plan on production.
pub fn weak(typed: &Typed, production: bool) -> Vec<Finding> {
    let about: Vec<&str> = typed.answers.iter().filter_map(|answer| answer.value.as_deref()).collect();
    typed
        .passwords
        .iter()
        .filter_map(|(input, password, _)| {
            let verdict = policy::judge(password, &about);
            let outcome = match (verdict.outcome, production) {
                (Outcome::Pass, _) => return None,
                (Outcome::Block, true) => Outcome::Block,
                _ => Outcome::Warn,
            };
            Some(
                Finding::new("weak-password", outcome, format!("The password of `{input}` is weak."))
                    .detail(verdict.words),
            )
        })
        .collect()
}

/// Hashes every password, apart from the thread that answers.
pub async fn hashes(typed: Typed) -> Result<(Vec<PlannedHash>, Vec<(String, Secret)>), Failure> {
    let failed = |why: String| {
        Failure::new(FailureCode::ProfileInvalid, "The password could not be hashed.")
            .why(why)
            .unchanged("Nothing was written.")
            .next("Correct the cost under `argon2` in the profile.")
    };
    let passwords = typed.passwords;
    let work = move || {
        let mut hashes = Vec::new();
        for (input, password, cost) in &passwords {
            let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
                .map_err(|error| error.to_string())?;
            let salt = SaltString::generate(&mut OsRng);
            let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                .hash_password(password.reveal().as_bytes(), &salt)
                .map_err(|error| error.to_string())?
                .to_string();
            hashes.push(PlannedHash { input: input.clone(), kept_for: None, hash });
        }
        let passwords = passwords.into_iter().map(|(input, password, _)| (input, password)).collect();
        Ok::<_, String>((hashes, passwords))
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(error.to_string()))?.map_err(failed)
}

/// Stored hashes that fit the typed passwords already: those rows keep theirs, so that nothing changes.
pub async fn kept(
    connection: &mut PgConnection,
    blocks: &[TableBlock],
    staging: &[Staging],
    schema: &str,
    answers: &Answers,
    passwords: &[(String, Secret)],
) -> Result<Vec<PlannedHash>, sqlx::Error> {
    let maker = RowMaker::new(blocks, staging, schema, answers);
    let mut kept = Vec::new();
    for (position, block) in staging.iter().enumerate() {
        let written = &blocks[block.block];
        let Rows::Given(rows) = &written.rows else { continue };
        for (number, row) in rows.iter().enumerate() {
            let cells = row
                .cells
                .iter()
                .map(|(name, cell)| (name, cell))
                .chain(written.columns.iter().map(|named| (&named.name, &named.cell)));
            for (column, cell) in cells {
                let Form::Input(input) = &cell.form else { continue };
                let Some((_, password)) = passwords.iter().find(|(name, _)| name == input) else { continue };
                if kept.len() >= MOST_COMPARED {
                    return Ok(kept);
                }
                let Some(key) = maker.rows(position).key(number as u64) else { continue };
                let found = capture::by_key(connection, &block.table, &block.key, &[key]).await?;
                let at = block.table.columns.iter().position(|known| known.name == *column);
                let stored = found
                    .into_iter()
                    .flatten()
                    .next()
                    .and_then(|row| at.and_then(|at| row.get(at).cloned().flatten()));
                let Some(hash) = stored else { continue };
                let (password, candidate) = (password.clone(), hash.clone());
                let fits =
                    tokio::task::spawn_blocking(move || verify(&candidate, &password)).await.unwrap_or(false);
                if fits {
                    kept.push(PlannedHash {
                        input: input.clone(),
                        kept_for: Some((
                            u32::try_from(block.block).unwrap_or(u32::MAX),
                            u32::try_from(number).unwrap_or(u32::MAX),
                        )),
                        hash,
                    });
                }
            }
        }
    }
    Ok(kept)
}

fn verify(hash: &str, password: &Secret) -> bool {
    PasswordHash::new(hash).is_ok_and(|parsed| {
        // A hash that would take gigabytes is not of this profile.
        let memory = parsed.params.get_decimal("m").unwrap_or(0);
        memory <= 1_048_576
            && Argon2::default().verify_password(password.reveal().as_bytes(), &parsed).is_ok()
    })
}
