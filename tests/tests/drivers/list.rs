//! The tests that all drivers pass. They know the driver as `driver`.

use super::driver;

mod crowds;
mod ending;
mod http;
mod serving;
mod sidekick;
