//! A labelled corpus of denied `GetSecretValue` calls, and what each detector makes of it.
//!
//! Every principal has a chance of its own, drawn from the seed, its kind and its number. So
//! nothing depends on threads or on the order in which principals are looked at.

pub mod attack;
pub mod attacker;
pub mod chance;
pub mod corpus;
pub mod delivery;
pub mod flood;
pub mod life;
pub mod measure;
pub mod principal;
pub mod report;
pub mod scoreboard;
pub mod statistics;
pub mod watch;
