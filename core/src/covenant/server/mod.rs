//! The server: answers the requests of clients and of the Sidekick.
