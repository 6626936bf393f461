//! The answer in one sentence, and how it was found.

use super::words;
use crate::domain::{
    drift::{Difference, DriftClass, DriftSide},
    statement::ObjectKind,
};

/// The answer in one sentence.
pub fn headline(differences: &[Difference], replayed: u32) -> String {
    let of = |class: DriftClass| differences.iter().filter(|each| each.class == class).collect::<Vec<_>>();
    let (dangerous, unknown) = (of(DriftClass::Dangerous), of(DriftClass::Unknown));
    if !dangerous.is_empty() {
        return dangerous_headline(&dangerous);
    }
    let migrations = count(replayed as usize, "applied migration");
    let alike = match differences.len() - unknown.len() {
        0 => format!("The database is what its {migrations} make"),
        1 => "The app works the same, with 1 difference".to_owned(),
        several => format!("The app works the same, with {several} differences"),
    };
    match unknown.len() {
        0 => format!("{alike}."),
        1 => "1 object could not be compared; nothing dangerous was found in the others.".to_owned(),
        several => {
            format!("{several} objects could not be compared; nothing dangerous was found in the others.")
        }
    }
}

fn dangerous_headline(dangerous: &[&Difference]) -> String {
    let missing = |kind: ObjectKind| {
        dangerous.iter().filter(|each| each.kind == kind && each.side == DriftSide::MissingLive).count()
    };
    let tables = missing(ObjectKind::Table);
    if tables > 0 {
        return format!("The database has {} fewer than its migrations make.", count(tables, "table"));
    }
    if let [only] = dangerous {
        return only.sentence.replace('`', "");
    }
    let kinds: Vec<ObjectKind> = dangerous.iter().map(|each| each.kind).collect();
    match kinds.split_first() {
        Some((first, rest)) if rest.iter().all(|kind| kind == first) => format!(
            "{} differ from what the migrations make.",
            count(dangerous.len(), &words::kind(*first).to_lowercase())
        ),
        _ => format!(
            "The database differs from its migrations in {} ways the app may fail on.",
            dangerous.len()
        ),
    }
}

/// How it was found: `26 migrations replayed on a scratch copy, PostgreSQL 18.4, in 3 s.`
pub fn lead(replayed: u32, not_replayed: usize, scratch_version: &str, seconds: f64) -> String {
    let time = if seconds < 1.0 { "under a second".to_owned() } else { format!("{seconds:.0} s") };
    let but = match not_replayed {
        0 => String::new(),
        1 => " 1 could not be replayed whole.".to_owned(),
        several => format!(" {several} could not be replayed whole."),
    };
    format!(
        "{} replayed on a scratch copy, PostgreSQL {scratch_version}, in {time}.{but}",
        count(replayed as usize, "migration")
    )
}

fn count(number: usize, singular: &str) -> String {
    match (number, singular) {
        (1, word) => format!("1 {word}"),
        (number, "index") => format!("{number} indexes"),
        (number, "policy") => format!("{number} policies"),
        (number, word) => format!("{number} {word}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(class: DriftClass, side: DriftSide, kind: ObjectKind) -> Difference {
        Difference {
            class,
            side,
            kind,
            object: "public.x".into(),
            sentence: "`x` may be empty; its migration says it must not.".into(),
            expected: None,
            live: None,
            culprit: None,
            settled_by: None,
        }
    }

    #[test]
    fn the_headline_answers_the_question() {
        use {DriftClass::*, DriftSide::*, ObjectKind::*};
        let cases = [
            (vec![], "The database is what its 26 applied migrations make."),
            (vec![(Harmless, ExtraLive, Index)], "The app works the same, with 1 difference."),
            (
                vec![(Harmless, ExtraLive, Index), (Unknown, NotCompared, Index)],
                "1 object could not be compared; nothing dangerous was found in the others.",
            ),
            (vec![(Dangerous, Different, Column)], "x may be empty; its migration says it must not."),
            (
                vec![
                    (Dangerous, MissingLive, Table),
                    (Dangerous, MissingLive, Table),
                    (Dangerous, Different, Column),
                ],
                "The database has 2 tables fewer than its migrations make.",
            ),
            (vec![(Dangerous, Different, Index); 2], "2 indexes differ from what the migrations make."),
            (
                vec![(Dangerous, Different, Index), (Dangerous, Different, Column)],
                "The database differs from its migrations in 2 ways the app may fail on.",
            ),
        ];
        for (differences, words) in cases {
            let differences: Vec<_> =
                differences.into_iter().map(|(class, side, kind)| difference(class, side, kind)).collect();
            assert_eq!(headline(&differences, 26), words);
        }
    }

    #[test]
    fn the_lead_says_how_it_was_found() {
        assert_eq!(
            lead(26, 0, "18.4", 3.2),
            "26 migrations replayed on a scratch copy, PostgreSQL 18.4, in 3 s."
        );
        assert_eq!(
            lead(1, 1, "15.18", 0.3),
            "1 migration replayed on a scratch copy, PostgreSQL 15.18, in under a second. 1 could not be replayed whole."
        );
    }
}
