//! A labelled corpus of denied `GetSecretValue` calls, and the results of each detector on it.
//!
//! Every principal draws its random numbers from the seed, its kind and its number. The results
//! therefore depend neither on threads nor on the order in which principals are processed.

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
