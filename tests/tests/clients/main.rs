//! Programs that other people wrote, against our servers: the npm `phoenix` client, and a browser.

mod chat_page;
mod phoenix_js;
