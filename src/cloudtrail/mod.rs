//! From bytes to denials: what CloudTrail really writes, read leniently.
//!
//! A record that is not a denial we watch is ignored; a record that should be one
//! but cannot be understood is [`Malformed`], never skipped silently.

pub mod cause;
pub mod denial;
pub mod evidence;
mod lenient;
pub mod message;
pub mod principal;
pub mod read;
pub mod record;
mod repair;
pub mod secret;

pub use cause::{Cause, PolicyType};
pub use denial::Denial;
pub use principal::Principal;
pub use read::SecretRead;
pub use record::{Malformed, Record};
