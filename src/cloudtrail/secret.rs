//! The secrets that a call named, whatever the spelling.

use crate::cloudtrail::secret_set::{Bucket, SecretSet};
use crate::text::Text;

/// Longest secret name kept for display, in bytes. A longer one loses its middle.
pub const MAX_NAME_BYTES: usize = 64;

/// Letters and digits that Secrets Manager puts behind a name in its ARN.
const SUFFIX_BYTES: usize = 6;

/// One secret. All of its spellings fold to one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    bucket: Bucket,
    name: Text,
    suffix: Option<[u8; SUFFIX_BYTES]>,
}

impl Secret {
    /// Reads a secret id: a name, a path, a full ARN with its random suffix or one
    /// without. An empty id names no secret.
    pub fn from_id(id: &str) -> Option<Self> {
        let (folded, suffix) = fold(id);
        (!folded.is_empty()).then(|| Self {
            bucket: Bucket::of(folded),
            name: Text::new(folded, MAX_NAME_BYTES),
            suffix,
        })
    }

    /// A secret from its parts as they were read before: the name printable and bounded.
    pub fn kept(bucket: Bucket, name: Text, suffix: Option<&str>) -> Self {
        Self { bucket, name, suffix: suffix.and_then(|s| s.as_bytes().try_into().ok()) }
    }

    /// The bucket of its whole folded name.
    pub fn bucket(&self) -> Bucket {
        self.bucket
    }

    /// The folded name, printable and bounded.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The six letters and digits that its ARN ends in, if the call named its whole ARN.
    pub fn suffix(&self) -> Option<&str> {
        self.suffix.as_ref().and_then(|suffix| std::str::from_utf8(suffix).ok())
    }
}

/// The secrets of one call: one, several in a batch call, or none if it named none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(Box<[Secret]>);

impl Secrets {
    /// Reads several ids. One secret of each bucket is kept, so that the list is
    /// bounded whatever a caller names.
    pub fn from_ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Self {
        let mut seen = SecretSet::EMPTY;
        let mut secrets = Vec::new();
        for secret in ids.into_iter().filter_map(Secret::from_id) {
            if !seen.contains(secret.bucket) {
                seen.insert(secret.bucket);
                secrets.push(secret);
            }
        }
        Self(secrets.into())
    }

    /// In the order in which the call named them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Secret> {
        self.0.iter()
    }

    pub fn buckets(&self) -> SecretSet {
        self.0.iter().map(|secret| secret.bucket).collect()
    }

    pub fn first(&self) -> Option<&Secret> {
        self.0.first()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Secret> for Secrets {
    fn from_iter<I: IntoIterator<Item = Secret>>(secrets: I) -> Self {
        Self(secrets.into_iter().collect())
    }
}

/// The evidence slot of a call is that of its first secret.
pub(crate) fn slot(secrets: &Secrets, slots: usize) -> usize {
    secrets.first().map_or(0, |secret| usize::from(secret.bucket.number()) % slots)
}

/// The name in an id, and the random suffix of its ARN.
fn fold(id: &str) -> (&str, Option<[u8; SUFFIX_BYTES]>) {
    const MARK: &str = ":secret:";
    let id = id.trim();
    if !id.starts_with("arn:") {
        return (id, None);
    }
    let Some((_, name)) = id.split_once(MARK) else {
        return (id, None);
    };
    let suffix = |suffix: &str| {
        <[u8; SUFFIX_BYTES]>::try_from(suffix.as_bytes())
            .ok()
            .filter(|suffix| suffix.iter().all(u8::is_ascii_alphanumeric))
    };
    match name.rsplit_once('-') {
        Some((stem, rest)) if suffix(rest).is_some() => (stem, suffix(rest)),
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(id: &str) -> &str {
        fold(id).0
    }

    #[test]
    fn all_spellings_of_a_secret_are_one() {
        for spelling in [
            "prod/db",
            "  prod/db\n",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCd12",
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db",
            "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:prod/db-AbCd12",
        ] {
            assert_eq!(folded(spelling), "prod/db", "{spelling:?}");
        }
    }

    #[test]
    fn only_a_final_suffix_of_an_arn_goes() {
        assert_eq!(folded("prod/db-AbCd12"), "prod/db-AbCd12");
        assert_eq!(folded("arn:aws:x:secret:a:secret:b-123456-AbCd12"), "a:secret:b-123456");
        assert_eq!(folded("arn:aws:x:secret:a-AbCd1"), "a-AbCd1");
        assert_eq!(folded("arn:aws:x:secret:a-AbCd1\u{e9}"), "a-AbCd1\u{e9}");
        assert_eq!(folded("arn:aws:kms:x"), "arn:aws:kms:x");
        assert_eq!(Secret::from_id("arn:aws:x:secret:-AbCd12"), None);
        assert_eq!(Secret::from_id(" \t"), None);
    }

    #[test]
    fn a_whole_arn_tells_its_suffix() {
        let suffix = |id| Secret::from_id(id).unwrap().suffix().map(str::to_owned);
        assert_eq!(suffix("arn:aws:x:secret:prod/db-AbCd12").as_deref(), Some("AbCd12"));
        assert_eq!(suffix("arn:aws:x:secret:prod/db"), None);
        assert_eq!(suffix("prod/db-AbCd12"), None);
    }

    #[test]
    fn a_call_with_a_hundred_thousand_ids_keeps_one_of_each_bucket() {
        let ids: Vec<String> = (0..100_000).map(|i| format!("s{i}")).collect();
        let secrets = Secrets::from_ids(ids.iter().map(String::as_str));
        assert_eq!(secrets.len(), 512);
    }
}
