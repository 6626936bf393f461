//! Keeping secrets.
