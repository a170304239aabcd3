//! Clients and a server in bad weather: see `chanson_tests::simulation`.
//!
//! `CHANSON_SEED=7` runs that seed and tells what happens; `CHANSON_SEEDS=100000` so many, `CHANSON_SEEDS=500..600` those.

mod mischief;
mod seeds;
