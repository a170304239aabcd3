//! The C interface as C and C++ programs have it: they are compiled strictly, installed for, linked, and run under sanitizers
//! and valgrind.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod clean;
mod packaging;
mod readme;
mod sizes;
mod strict;
