//! Why a call was refused, in words.

use crate::cloudtrail::{Cause, PolicyType};

/// What follows "because" in a sentence.
pub(super) fn clause(cause: Cause) -> String {
    match cause {
        Cause::Implicit(policy) => format!("no {} allows it", policy.name()),
        Cause::Explicit(Some(policy)) => {
            let article = if policy == PolicyType::IdentityBased { "an" } else { "a" };
            format!("{article} {} denies it", policy.name())
        }
        Cause::Explicit(None) => "a policy denies it".to_owned(),
        Cause::Kms => "its KMS key may not be used".to_owned(),
        Cause::Unknown => "of something unknown".to_owned(),
    }
}
