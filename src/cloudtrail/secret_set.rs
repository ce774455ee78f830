//! Secrets as buckets in a map of 512 bits.
//!
//! A principal may be refused any number of secrets; a fixed map keeps its
//! state small whatever an attacker tries. Two secrets share a bucket in one of
//! 512 cases, and then count as one.

use std::fmt;

use crate::sha256::sha256_start;

pub const BUCKETS: u16 = 512;

/// Bytes of a stored map.
pub const BYTES: usize = BUCKETS as usize / 8;

const WORDS: usize = BUCKETS as usize / 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of a folded secret name: the first two bytes of its SHA-256,
    /// big-endian, modulo 512.
    pub fn of(folded_name: &str) -> Self {
        Self(u16::from_be_bytes(sha256_start(folded_name)) % BUCKETS)
    }

    pub fn from_number(number: u16) -> Option<Self> {
        (number < BUCKETS).then_some(Self(number))
    }

    /// From 0 to 511.
    pub const fn number(self) -> u16 {
        self.0
    }

    fn word(self) -> usize {
        usize::from(self.0 / 64)
    }

    fn bit(self) -> u64 {
        1 << (self.0 % 64)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct SecretSet([u64; WORDS]);

impl SecretSet {
    pub const EMPTY: Self = Self([0; WORDS]);

    pub fn insert(&mut self, bucket: Bucket) {
        self.0[bucket.word()] |= bucket.bit();
    }

    pub fn contains(&self, bucket: Bucket) -> bool {
        self.0[bucket.word()] & bucket.bit() != 0
    }

    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    /// In rising order.
    pub fn iter(&self) -> impl Iterator<Item = Bucket> + '_ {
        (0..BUCKETS).map(Bucket).filter(|bucket| self.contains(*bucket))
    }

    /// The stored form: bucket `b` is bit `b % 8` (lowest first) of byte `b / 8`.
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let mut set = Self::EMPTY;
        for (word, chunk) in set.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        set
    }

    fn zip(&self, other: &Self, op: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|i| op(self.0[i], other.0[i])))
    }
}

impl FromIterator<Bucket> for SecretSet {
    fn from_iter<I: IntoIterator<Item = Bucket>>(buckets: I) -> Self {
        let mut set = Self::EMPTY;
        for bucket in buckets {
            set.insert(bucket);
        }
        set
    }
}

impl fmt::Debug for SecretSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Bucket::number)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_reads_back_from_its_bytes() {
        let set: SecretSet = [0, 7, 8, 63, 64, 511].into_iter().map(Bucket).collect();
        let bytes = set.to_bytes();
        assert_eq!(bytes[0], 0b1000_0001);
        assert_eq!(bytes[63], 0b1000_0000);
        assert_eq!(SecretSet::from_bytes(&bytes), set);
        assert_eq!(set.len(), 6);
    }

    #[test]
    fn there_is_no_bucket_past_the_last() {
        assert_eq!(Bucket::from_number(511).map(Bucket::number), Some(511));
        assert_eq!(Bucket::from_number(512), None);
    }
}
