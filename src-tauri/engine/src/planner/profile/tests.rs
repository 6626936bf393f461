#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may stop at the first surprise"
)]

mod faults;
mod good;
mod http;
mod mangled;
mod schema;

use super::*;

/// The files of a profile by name.
fn files(files: &[(&str, &[u8])]) -> ProfileFiles {
    let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
    ProfileFiles { files, ..ProfileFiles::default() }
}

/// The profile that uses every form.
fn good() -> ProfileFiles {
    files(&[
        ("profile.toml", include_bytes!("tests/good.toml")),
        ("data/flags.csv", b"\xef\xbb\xbfname,enabled,note\r\n\"a, \"\"b\"\"\",true,\r\n\"two\nlines\",false,\"\"\r\nlast,1.10,x"),
        (
            "limits.json",
            b"[\n  {\"name\": \"a\", \"most\": 1.10, \"more\": 12345678901234567890123, \"on\": true},\n  {\n    \"name\": \"b\\u00e9\", \"nothing\": null, \"list\": [1, \"x\", null, 2.50], \"deep\": [[1], {\"a\": 1e5}]\n  },\n  {\"name\": \"c\", \"json\": { \"b\" : 1.0 }}\n]\n",
        ),
        ("events.ndjson", b"{\"name\":\"a\",\"at\":1}\n\n{\"name\":\"b\"}\r\n"),
    ])
}
