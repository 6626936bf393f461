//! What is drawn, not written: ids and times out of a plan's own randomness, invented data out of the
//! profile's place in it. Drawn by position, so that any row can be drawn again without the others.

use crate::domain::profile::{Fake, Generator};
use chrono::{DateTime, SecondsFormat, Utc};
use fake::Fake as _;
use fake::faker::{address, company, internet, lorem, name, phone_number};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Words of the key stream that one row may use before it meets the next one's.
const WINDOW: u128 = 1024;
const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const NANOID: &[u8; 64] = b"useandom-26T198340PX75pxJACKVERYMINDBUSHWOLF_GQZbfghjklqvwyzrict";

/// A column's source of randomness.
#[derive(Debug, Clone)]
pub struct Draw {
    stream: ChaCha8Rng,
}

impl Draw {
    /// The source of a column: the same for the same parts.
    pub fn new(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self { stream: ChaCha8Rng::from_seed(hash.finalize().into()) }
    }

    /// The source at a row.
    fn at(&self, row: u64) -> ChaCha8Rng {
        let mut stream = self.stream.clone();
        stream.set_word_pos(u128::from(row) * WINDOW);
        stream
    }

    /// A number below `limit`, which must not be 0.
    pub fn below(&self, row: u64, limit: u64) -> u64 {
        // The high half of a product is as even as 64 random bits allow.
        let product = u128::from(self.at(row).next_u64()) * u128::from(limit.max(1));
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// An id or the time.
    pub fn generate(&self, generator: Generator, row: u64, now: DateTime<Utc>) -> String {
        let mut stream = self.at(row);
        match generator {
            Generator::Now => now.to_rfc3339_opts(SecondsFormat::Micros, true),
            Generator::UuidV4 => {
                let mut bytes = [0; 16];
                stream.fill_bytes(&mut bytes);
                uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
            }
            Generator::UuidV7 => {
                let mut bytes = [0; 10];
                stream.fill_bytes(&mut bytes);
                let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
                // The rows of a plan keep their order.
                let counter = u16::try_from(row % 4096).unwrap_or(0);
                bytes[0] = bytes[0] & 0xf0 | u8::try_from(counter >> 8).unwrap_or(0);
                bytes[1] = u8::try_from(counter & 0xff).unwrap_or(0);
                uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().to_string()
            }
            Generator::Cuid => {
                let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
                let mut text = format!("c{}{}", base36(millis, 8), base36(row % 1_679_616, 4));
                while text.len() < 25 {
                    text.push(char::from(DIGITS[(stream.next_u32() % 36) as usize]));
                }
                text
            }
            Generator::Nanoid => {
                (0..21).map(|_| char::from(NANOID[(stream.next_u32() % 64) as usize])).collect()
            }
        }
    }

    /// Invented data.
    pub fn fake(&self, what: &Fake, row: u64) -> String {
        let stream = &mut self.at(row);
        match what {
            Fake::FirstName => name::en::FirstName().fake_with_rng(stream),
            Fake::LastName => name::en::LastName().fake_with_rng(stream),
            Fake::Name => name::en::Name().fake_with_rng(stream),
            Fake::Company => company::en::CompanyName().fake_with_rng(stream),
            Fake::Email => internet::en::SafeEmail().fake_with_rng(stream),
            Fake::Phone => phone_number::en::PhoneNumber().fake_with_rng(stream),
            Fake::Street => format!(
                "{} {}",
                stream.next_u32() % 190 + 1,
                address::en::StreetName().fake_with_rng::<String, _>(stream)
            ),
            Fake::City => address::en::CityName().fake_with_rng(stream),
            Fake::Postcode => address::en::PostCode().fake_with_rng(stream),
            Fake::Country => address::en::CountryName().fake_with_rng(stream),
            Fake::Word => lorem::en::Word().fake_with_rng(stream),
            Fake::Sentence => lorem::en::Sentence(4..12).fake_with_rng(stream),
            Fake::Paragraph => lorem::en::Paragraph(2..5).fake_with_rng(stream),
            Fake::Integer { min, max } => self.between(row, *min, *max).to_string(),
            Fake::Decimal { min, max, scale } => decimal(self.between(row, *min, *max), *scale),
            Fake::Date { from, to } => {
                let days = self.between(row, 0, (*to - *from).num_days());
                from.checked_add_signed(chrono::TimeDelta::days(days)).unwrap_or(*from).to_string()
            }
        }
    }

    /// A whole number from `min` to `max`, both included.
    fn between(&self, row: u64, min: i64, max: i64) -> i64 {
        let span = u64::try_from(i128::from(max) - i128::from(min)).unwrap_or(0).saturating_add(1);
        let drawn = i128::from(min) + i128::from(self.below(row, span));
        i64::try_from(drawn).unwrap_or(min)
    }
}

/// `value` in units of the last of `scale` decimals.
fn decimal(value: i64, scale: u8) -> String {
    let (sign, digits) = if value < 0 { ("-", value.unsigned_abs()) } else { ("", value.unsigned_abs()) };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let width = usize::from(scale) + 1;
    let padded = format!("{digits:0>width$}");
    let (whole, part) = padded.split_at(padded.len() - usize::from(scale));
    format!("{sign}{whole}.{part}")
}

fn base36(mut value: u64, width: usize) -> String {
    let mut digits = vec![b'0'; width];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(value % 36) as usize];
        value /= 36;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn any_row_is_drawn_again_without_the_others() {
        let now = DateTime::UNIX_EPOCH;
        let draw = Draw::new(&["seed", "users", "id"]);
        for generator in [Generator::UuidV4, Generator::UuidV7, Generator::Cuid, Generator::Nanoid] {
            let all: std::collections::BTreeSet<String> =
                (0..5_000).map(|row| draw.generate(generator, row, now)).collect();
            assert_eq!(all.len(), 5_000, "{generator:?} draws no id twice");
            assert!(all.contains(&draw.generate(generator, 4_321, now)));
            let other = Draw::new(&["another seed", "users", "id"]);
            assert!(!all.contains(&other.generate(generator, 4_321, now)), "another plan draws other ids");
        }
    }

    #[test]
    fn ids_have_their_form() {
        let now = DateTime::from_timestamp_millis(1_800_000_000_000).unwrap();
        let draw = Draw::new(&["forms"]);
        let uuid = |generator| uuid::Uuid::parse_str(&draw.generate(generator, 7, now)).unwrap();
        assert_eq!(uuid(Generator::UuidV4).get_version_num(), 4);
        let seven = uuid(Generator::UuidV7);
        assert_eq!(seven.get_version_num(), 7);
        assert_eq!(seven.get_timestamp().unwrap().to_unix().0, 1_800_000_000);
        assert!(draw.generate(Generator::UuidV7, 8, now) > seven.to_string(), "rows keep their order");
        let cuid = draw.generate(Generator::Cuid, 7, now);
        assert!(
            cuid.len() == 25
                && cuid.starts_with('c')
                && cuid.bytes().all(|byte| byte.is_ascii_alphanumeric())
        );
        assert_eq!(draw.generate(Generator::Nanoid, 7, now).len(), 21);
        assert_eq!(draw.generate(Generator::Now, 7, now), "2027-01-15T08:00:00.000000Z");
    }

    #[test]
    fn invented_data_stays_in_its_range_and_never_leads_to_a_real_address() {
        let draw = Draw::new(&["fake"]);
        for row in 0..2_000 {
            let email = draw.fake(&Fake::Email, row);
            assert!(email.contains("@example."), "{email}");
            let number: i64 = draw.fake(&Fake::Integer { min: -3, max: 4 }, row).parse().unwrap();
            assert!((-3..=4).contains(&number));
            let date = Fake::Date { from: "2026-02-27".parse().unwrap(), to: "2026-03-01".parse().unwrap() };
            assert!(["2026-02-27", "2026-02-28", "2026-03-01"].contains(&draw.fake(&date, row).as_str()));
        }
        assert_eq!(draw.between(1, i64::MIN, i64::MAX), draw.between(1, i64::MIN, i64::MAX));
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1234, 2), "12.34");
        assert_eq!(decimal(7, 0), "7");
    }
}
