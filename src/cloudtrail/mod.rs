//! From bytes to events: reads leniently what CloudTrail really writes.
//!
//! A record about something else is ignored. One that should be a denial and cannot be
//! understood is [`Malformed`], and never skipped silently.

pub mod call;
pub mod cause;
pub mod envelope;
pub mod error;
mod identity;
mod lenient;
pub mod message;
pub mod principal;
pub mod record;
mod repair;
pub mod secret;
pub mod secret_set;

pub use call::{Delivery, Denial, SecretRead};
pub use cause::{Cause, PolicyType};

pub use envelope::Event;
pub use error::Malformed;
pub use principal::Principal;
pub use record::Record;
pub use secret_set::SecretSet;
