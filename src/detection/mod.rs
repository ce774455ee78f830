//! The detector: counts of denied calls against exponentially weighted
//! baselines, scored by the tail of a negative binomial distribution.
//!
//! Pure: the same state and the same denial give the same result on every run,
//! thread and machine. `docs/detection.md` explains the equations.
//!
//! The files build on each other in this order, and none imports one that stands after it:
//! window, policy, `negative_binomial`, baseline, evidence, alerting, state, assessment,
//! severity, decision, cadence, finding, resolution.

pub mod alerting;
pub mod assessment;
pub mod baseline;
pub mod cadence;
pub mod decision;
pub mod evidence;
pub mod finding;
pub mod negative_binomial;
pub mod policy;
pub mod resolution;
pub mod severity;
pub mod state;
pub mod window;

pub use assessment::{Assessment, Row};
pub use decision::{Decision, Report, decide, decide_at_close};
pub use finding::Finding;
pub use policy::Policy;
pub use state::{Outcome, PrincipalState};
pub use window::{Axis, Scale, Signal, Window};
