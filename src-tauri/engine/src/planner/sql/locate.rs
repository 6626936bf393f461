//! From a position in a server's error to a place a person can find.

use crate::domain::statement::Script;

/// Statement number, line and column of a character in the script.
///
/// `char_position` is what PostgreSQL reports: 1-based, in characters, counted from the start of the text that was
/// sent, here the whole script. Line and column are 1-based, the column in characters. The statement is the last one
/// that starts at or before the position; 0 if there is none.
pub fn locate(script: &str, analysed: &Script, char_position: usize) -> (u32, u32, u32) {
    let target = char_position.saturating_sub(1);
    let byte = script.char_indices().nth(target).map_or(script.len(), |(byte, _)| byte);
    let before = script.get(..byte).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    let column = 1 + before.get(line_start..).unwrap_or_default().chars().count();
    let after = analysed.statements.partition_point(|statement| statement.start as usize <= byte);
    let number =
        after.checked_sub(1).and_then(|index| analysed.statements.get(index)).map_or(0, |found| found.number);
    (number, small(line), small(column))
}

fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
