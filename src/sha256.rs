//! SHA-256 of a text, shortened.

use sha2::{Digest, Sha256};

/// The first `N` bytes, at most 32.
pub(crate) fn sha256_start<const N: usize>(text: &str) -> [u8; N] {
    let digest = Sha256::digest(text.as_bytes());
    std::array::from_fn(|i| digest[i])
}
