//! Programs against our servers: other people's clients from npm and PyPI, a browser, and our terminal client.

mod chat_page;
#[expect(clippy::unwrap_used, reason = "these are tests")]
mod cli;
mod covenant;
mod deflate;
mod many_on_one_loop;
mod phoenix_js;
mod python;
mod supabase_js;
