//! How the parties reach each other: requests described, and performed by drivers.
