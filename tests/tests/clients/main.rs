//! Programs that other people wrote, against our servers: clients from npm and PyPI, and a browser.

mod chat_page;
mod phoenix_js;
mod python;
mod supabase_js;
