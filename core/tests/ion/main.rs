//! The ION format: against the package's recorded answers, against `serde_json`, and against itself.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod bounds;
mod properties;
mod types;
mod vectors;
