//! Numbers as texts, so that every digit stays: what TOML wrote, and comparing without rounding.

use std::cmp::Ordering;
use toml::de::{DeFloat, DeInteger};

/// The decimal digits of a whole number; `None`: in another notation and larger than 128 bits.
pub(super) fn whole(integer: &DeInteger) -> Option<String> {
    let digits: String = integer.as_str().chars().filter(|c| *c != '_').collect();
    match integer.radix() {
        10 => Some(digits.strip_prefix('+').map(str::to_owned).unwrap_or(digits)),
        radix => u128::from_str_radix(&digits, radix).ok().map(|number| number.to_string()),
    }
}

/// The digits of a number with decimals, as PostgreSQL reads them.
pub(super) fn decimals(float: &DeFloat) -> String {
    let digits: String = float.as_str().chars().filter(|c| *c != '_').collect();
    match digits.strip_prefix('+').unwrap_or(&digits) {
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        "nan" | "-nan" => "NaN".to_owned(),
        digits => digits.to_owned(),
    }
}

/// A number of any length: `0.d1d2d3... * 10^point`, digits without zeros at the ends; zero has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact {
    negative: bool,
    digits: String,
    point: i64,
}

impl Exact {
    /// Takes digits with an optional sign, decimals and exponent.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, exponent) = match rest.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + decimals.len() == 0 || !all_digits(whole) || !all_digits(decimals) {
            return None;
        }
        let digits = format!("{whole}{decimals}");
        let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
        let stripped = digits.trim_start_matches('0');
        let point = point - i64::try_from(digits.len() - stripped.len()).ok()?;
        let stripped = stripped.trim_end_matches('0');
        if stripped.is_empty() {
            return Some(Self { negative: false, digits: String::new(), point: 0 });
        }
        Some(Self { negative, digits: stripped.to_owned(), point })
    }

    /// Whether it has no decimals.
    pub(super) fn is_whole(&self) -> bool {
        i64::try_from(self.digits.len()).is_ok_and(|length| length <= self.point.max(0))
    }

    /// Whether it is below zero.
    pub(super) fn is_negative(&self) -> bool {
        self.negative
    }

    /// It in units of the last of `scale` decimals; `None`: it has more decimals, or does not fit.
    pub(super) fn units(&self, scale: u8) -> Option<i64> {
        if self.digits.is_empty() {
            return Some(0);
        }
        let length = usize::try_from(self.point + i64::from(scale)).ok()?;
        if length < self.digits.len() || length > 19 {
            return None;
        }
        let sign = if self.negative { "-" } else { "" };
        format!("{sign}{:0<length$}", self.digits).parse().ok()
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let by_size = || self.point.cmp(&other.point).then_with(|| self.digits.cmp(&other.digits));
        match sign(self).cmp(&sign(other)) {
            Ordering::Equal if sign(self) < 0 => by_size().reverse(),
            Ordering::Equal => by_size(),
            unequal => unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may stop at the first surprise")]

    use super::Exact;

    fn exact(text: &str) -> Exact {
        Exact::parse(text).unwrap()
    }

    #[test]
    fn numbers_of_any_length_compare_without_rounding() {
        let rising = [
            "-1e30",
            "-10.5",
            "-10",
            "-0.001",
            "0",
            "0.0009",
            "0.001",
            "9.99",
            "10",
            "10.000000000000000000001",
            "1e30",
        ];
        for (index, smaller) in rising.iter().enumerate() {
            for larger in &rising[index + 1..] {
                assert!(exact(smaller) < exact(larger), "{smaller} < {larger}");
            }
        }
        assert_eq!(exact("1.50"), exact("+01.5"));
        assert_eq!(exact("-0"), exact("0.00"), "zero has no sign");
        assert_eq!(exact("12e-1"), exact("1.2"));
        for wrong in ["", ".", "-", "1e", "1.2.3", "0x10", "١", "1e99999999999"] {
            assert_eq!(Exact::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn units_are_exact_or_refused() {
        assert_eq!(exact("19.99").units(2), Some(1999));
        assert_eq!(exact("-0.5").units(2), Some(-50));
        assert_eq!(exact("100").units(0), Some(100));
        assert_eq!(exact("0.001").units(2), None, "it has more decimals than that");
        assert_eq!(exact("1e30").units(2), None, "it is too large");
        assert_eq!(exact("0.00").units(0), Some(0));
        assert!(exact("1.0").is_whole() && exact("120").is_whole() && exact("0").is_whole());
        assert!(!exact("1.5").is_whole() && !exact("0.5").is_whole());
    }
}
