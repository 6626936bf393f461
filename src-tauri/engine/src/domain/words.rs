//! Numbers as every screen writes them.

use std::fmt::Display;

/// A number with its thousands apart, as the UI writes it: `18,412,907`; what stands behind a point stays.
pub fn whole(amount: impl Display) -> String {
    let text = amount.to_string();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.as_str()),
    };
    let (front, rest) = digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
    let mut grouped = String::from(sign);
    for (place, digit) in front.chars().enumerate() {
        if place > 0 && (front.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

/// So many of something: `1 row`, `21,750 rows`. `more` is the word for any number but one.
pub fn count(amount: impl Display, one: &str, more: &str) -> String {
    let amount = whole(amount);
    let word = if amount == "1" { one } else { more };
    format!("{amount} {word}")
}

#[cfg(test)]
mod tests {
    use super::{count, whole};

    #[test]
    fn thousands_stand_apart_and_nothing_else_changes() {
        let words = [0.0, 999.0, 1000.0, 21_750.0, 18_412_907.0, -1234.0, 1234.5].map(whole);
        assert_eq!(words, ["0", "999", "1,000", "21,750", "18,412,907", "-1,234", "1,234.5"]);
        assert_eq!(whole(f64::NAN), "NaN");
    }

    #[test]
    fn one_of_something_is_said_as_one() {
        assert_eq!([0, 1, 2000].map(|many| count(many, "row", "rows")), ["0 rows", "1 row", "2,000 rows"]);
    }
}
