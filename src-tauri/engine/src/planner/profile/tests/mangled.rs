//! Damaged files: whatever they hold, reading them ends with an answer.

use super::super::*;
use super::good;

/// How often each file is damaged; the seed is fixed, so that a failure comes back.
const TIMES: u64 = 2_000;

/// A small generator of numbers (SplitMix64); tests need no better one.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Cuts, flips, doubles or exchanges some bytes.
fn damage(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const TELLING: &[u8] = b"\"'{}[]=,.#\n\r\0|:-+_ \xff0ex";
    let at = numbers.below(bytes.len());
    let length = numbers.below(40).min(bytes.len() - at);
    match numbers.below(6) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << numbers.below(8),
        2 => bytes[at] = TELLING[numbers.below(TELLING.len())],
        3 => drop(bytes.drain(at..at + length)),
        4 => {
            let piece = bytes[at..at + length].to_vec();
            let to = numbers.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        _ => bytes.insert(at, TELLING[numbers.below(TELLING.len())]),
    }
}

#[test]
fn damaged_profiles_are_answered_and_never_panic() {
    let good = good();
    let mut refused = 0;
    for seed in 0..TIMES {
        let mut numbers = Numbers(seed);
        for file in good.files.keys() {
            let mut files = good.clone();
            let bytes = files.files.get_mut(file).unwrap();
            for _ in 0..=numbers.below(3) {
                if !bytes.is_empty() {
                    damage(bytes, &mut numbers);
                }
            }
            files_named(&String::from_utf8_lossy(bytes));
            if let Err(problems) = parse(&files) {
                refused += 1;
                assert!(!problems.is_empty(), "a refusal says why (seed {seed}, {file})");
                assert!(problems.iter().all(|problem| problem.at.line > 0), "every problem has a line");
                assert!(problems.is_sorted_by_key(|problem| &problem.at), "problems are sorted");
            }
        }
    }
    assert!(refused > TIMES, "most of the damage is noticed: {refused}");
}

#[test]
fn deep_nesting_is_refused_instead_of_overflowing() {
    let mut files = good();
    let deep = "[".repeat(200_000);
    files.files.insert("limits.json".to_owned(), deep.clone().into_bytes());
    assert!(parse(&files).is_err());
    files.files.insert(
        "limits.json".to_owned(),
        format!("[{{\"name\": {deep}{}}}]", "]".repeat(200_000)).into_bytes(),
    );
    files.files.insert("profile.toml".to_owned(), format!("a = {deep}").into_bytes());
    assert!(parse(&files).is_err());
}
