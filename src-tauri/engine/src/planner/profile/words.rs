//! The words that a profile may choose from, and what each of them means.

use crate::domain::environment::Tier;
use crate::domain::http::HttpMethod;
use crate::domain::profile::{Fake, Generator, HashAlgorithm, Spread, WrittenOn};
use crate::domain::verification::CheckPart;

/// A choice of words: what they are called in a sentence, and each with its meaning.
pub(super) struct Words<T: 'static> {
    /// What one of them is, `a tier`.
    pub(super) called: &'static str,
    /// All of them.
    pub(super) all: &'static [(&'static str, T)],
}

impl<T: Clone> Words<T> {
    /// The meaning of a word.
    pub(super) fn meaning(&self, word: &str) -> Option<T> {
        self.all.iter().find(|(known, _)| *known == word).map(|(_, meaning)| meaning.clone())
    }

    /// The words alone.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(|(name, _)| *name).collect()
    }
}

/// Kinds of inputs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Email,
    Number,
    Choice,
    Boolean,
    File,
    Password,
}

/// Modes of a block, before its count is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ModeWord {
    InsertMissing,
    Upsert,
    TopUp,
    Replace,
}

/// Invented data, before its range is known.
#[derive(Clone)]
pub(super) enum FakeWord {
    Plain(Fake),
    Integer,
    Decimal,
    Date,
}

pub(super) const ENGINES: &Words<()> = &Words { called: "an engine", all: &[("postgresql", ())] };

pub(super) const TIERS: &Words<Tier> = &Words {
    called: "a tier",
    all: &[("development", Tier::Development), ("staging", Tier::Staging), ("production", Tier::Production)],
};

pub(super) const KINDS: &Words<Kind> = &Words {
    called: "a kind of input",
    all: &[
        ("text", Kind::Text),
        ("email", Kind::Email),
        ("number", Kind::Number),
        ("choice", Kind::Choice),
        ("boolean", Kind::Boolean),
        ("file", Kind::File),
        ("password", Kind::Password),
    ],
};

pub(super) const PASSWORD_HASHES: &Words<()> =
    &Words { called: "a hash of passwords", all: &[("argon2id", ())] };

pub(super) const MODES: &Words<ModeWord> = &Words {
    called: "a mode",
    all: &[
        ("insert-missing", ModeWord::InsertMissing),
        ("upsert", ModeWord::Upsert),
        ("top-up", ModeWord::TopUp),
        ("replace", ModeWord::Replace),
    ],
};

pub(super) const WRITTEN_ON: &Words<WrittenOn> = &Words {
    called: "a time at which a column is written",
    all: &[("insert", WrittenOn::Insert), ("change", WrittenOn::Change), ("always", WrittenOn::Always)],
};

pub(super) const GENERATORS: &Words<Generator> = &Words {
    called: "a generator",
    all: &[
        ("uuid_v4", Generator::UuidV4),
        ("uuid_v7", Generator::UuidV7),
        ("cuid", Generator::Cuid),
        ("nanoid", Generator::Nanoid),
        ("now", Generator::Now),
    ],
};

pub(super) const HASHES: &Words<HashAlgorithm> = &Words {
    called: "a hash",
    all: &[("sha256", HashAlgorithm::Sha256), ("sha512", HashAlgorithm::Sha512), ("md5", HashAlgorithm::Md5)],
};

pub(super) const FAKES: &Words<FakeWord> = &Words {
    called: "a kind of invented data",
    all: &[
        ("first_name", FakeWord::Plain(Fake::FirstName)),
        ("last_name", FakeWord::Plain(Fake::LastName)),
        ("name", FakeWord::Plain(Fake::Name)),
        ("company", FakeWord::Plain(Fake::Company)),
        ("email", FakeWord::Plain(Fake::Email)),
        ("phone", FakeWord::Plain(Fake::Phone)),
        ("street", FakeWord::Plain(Fake::Street)),
        ("city", FakeWord::Plain(Fake::City)),
        ("postcode", FakeWord::Plain(Fake::Postcode)),
        ("country", FakeWord::Plain(Fake::Country)),
        ("word", FakeWord::Plain(Fake::Word)),
        ("sentence", FakeWord::Plain(Fake::Sentence)),
        ("paragraph", FakeWord::Plain(Fake::Paragraph)),
        ("integer", FakeWord::Integer),
        ("decimal", FakeWord::Decimal),
        ("date", FakeWord::Date),
    ],
};

pub(super) const SPREADS: &Words<Spread> = &Words {
    called: "a way to choose a row",
    all: &[("cycle", Spread::Cycle), ("spread", Spread::Spread), ("random", Spread::Random)],
};

/// The keys of a step that send a request.
pub(super) const METHODS: &[(&str, HttpMethod)] = &[
    ("get", HttpMethod::Get),
    ("head", HttpMethod::Head),
    ("post", HttpMethod::Post),
    ("put", HttpMethod::Put),
    ("patch", HttpMethod::Patch),
    ("delete", HttpMethod::Delete),
];

pub(super) const PARTS: &Words<CheckPart> = &Words {
    called: "a part of the app",
    all: &[("api", CheckPart::Api), ("page", CheckPart::Page), ("functional", CheckPart::Functional)],
};
