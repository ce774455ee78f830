//! Random numbers that are reproducible from a seed.

use rand::distr::uniform::{SampleRange, SampleUniform};
use rand::seq::index;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp, Gamma, Poisson};

/// A stream of random numbers. The generator gives the same numbers on every machine.
#[derive(Clone, Debug)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream with this name. Streams with different names are independent.
    pub fn of(seed: u64, name: &str, number: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&number.to_le_bytes());
        for (place, byte) in key[16..].iter_mut().zip(name.bytes()) {
            *place = byte;
        }
        Self(ChaCha8Rng::from_seed(key))
    }

    /// A uniform number of this range.
    pub fn within<T: SampleUniform>(&mut self, range: impl SampleRange<T>) -> T {
        self.0.random_range(range)
    }

    /// A number between the two whose logarithm is uniform.
    pub fn magnitude(&mut self, low: f64, high: f64) -> f64 {
        let (low, high) = (libm::log(low), libm::log(high));
        libm::exp(self.within(low..=high))
    }

    /// A whole number between the two whose logarithm is uniform.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small and positive"
    )]
    pub fn whole_magnitude(&mut self, low: u32, high: u32) -> u32 {
        let drawn = self.magnitude(f64::from(low), f64::from(high) + 1.0) as u32;
        drawn.clamp(low, high)
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    /// A Poisson count with that mean.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of minutes"
    )]
    pub fn count(&mut self, mean: f64) -> u32 {
        Poisson::new(mean).map_or(0, |poisson| poisson.sample(&mut self.0) as u32)
    }

    /// A factor with mean 1 and variance `1 / shape`.
    pub fn unevenness(&mut self, shape: f64) -> f64 {
        Gamma::new(shape, 1.0 / shape).map_or(1.0, |gamma| gamma.sample(&mut self.0))
    }

    /// An exponential waiting time with that mean, in seconds, at least one.
    #[expect(clippy::cast_possible_truncation, reason = "seconds of weeks")]
    pub fn wait(&mut self, mean_seconds: f64) -> i64 {
        let wait = Exp::new(1.0 / mean_seconds).map_or(mean_seconds, |exp| exp.sample(&mut self.0));
        (wait as i64).max(1)
    }

    /// This many different numbers below `below`, in random order.
    pub fn choose(&mut self, below: u32, how_many: u32) -> Vec<u32> {
        let chosen = index::sample(&mut self.0, below as usize, how_many.min(below) as usize);
        chosen.iter().filter_map(|number| u32::try_from(number).ok()).collect()
    }

    /// 128 random bits.
    pub fn bits(&mut self) -> u128 {
        u128::from(self.0.next_u64()) << 64 | u128::from(self.0.next_u64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_name_and_number_and_on_nothing_else() {
        let first = |seed, name, number| Chance::of(seed, name, number).bits();
        assert_eq!(first(1, "drip", 0), first(1, "drip", 0));
        for other in [first(2, "drip", 0), first(1, "steady", 0), first(1, "drip", 1)] {
            assert_ne!(first(1, "drip", 0), other);
        }
    }

    #[test]
    fn the_numbers_of_a_seed_stay_those_of_the_published_scoreboard() {
        let mut chance = Chance::of(1, "pinned", 0);
        let drawn = (chance.within(0..1_000_000), chance.count(50.0), chance.wait(1000.0));
        assert_eq!(drawn, (530_268, 52, 317));
    }
}
