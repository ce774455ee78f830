//! Intervals and quantiles, which show how much a sample of this size can prove.

/// The 97.5th percentile of the standard normal distribution.
const Z: f64 = 1.959_964;

/// The 95 % interval of the mean of a Poisson count: Byar's approximation of the exact limits, as
/// in N. E. Breslow and N. E. Day, *Statistical Methods in Cancer Research* II (1987), 2.3.
pub fn poisson_interval(count: u32) -> (f64, f64) {
    let limit = |n: f64, sign: f64| {
        let root = 1.0 - 1.0 / (9.0 * n) + sign * Z / (3.0 * n.sqrt());
        n * root * root * root
    };
    let count = f64::from(count);
    let lower = if count > 0.0 { limit(count, -1.0) } else { 0.0 };
    (lower, limit(count + 1.0, 1.0))
}

/// The 95 % interval of a share: E. B. Wilson, *Probable inference* (1927).
pub fn share_interval(of: u32, all: u32) -> (f64, f64) {
    if all == 0 {
        return (0.0, 1.0);
    }
    let n = f64::from(all);
    let share = f64::from(of) / n;
    let middle = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0))
}

/// The value that this share of the values does not exceed, or `None` without values.
pub fn quantile<T: Copy + Ord>(values: &[T], share: f64) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let place = (share * last as f64).round() as usize;
    sorted.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_count_is_that_of_the_tables() {
        // Exact limits: 0 has 0 to 3.69, 10 has 4.80 to 18.39, 100 has 81.36 to 121.63.
        for (count, lower, upper) in [(0, 0.0, 3.69), (10, 4.80, 18.39), (100, 81.36, 121.63)] {
            let (low, high) = poisson_interval(count);
            assert!(
                (low - lower).abs() < 0.05 && (high - upper).abs() < 0.08,
                "{count}: {low} {high}"
            );
        }
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_wilson() {
        // Computed by hand: 9 of 10 has 0.5958 to 0.9821, 0 of 10 has 0 to 0.2775.
        for (of, lower, upper) in [(9, 0.5958, 0.9821), (0, 0.0, 0.2775)] {
            let (low, high) = share_interval(of, 10);
            assert!((low - lower).abs() < 1e-3 && (high - upper).abs() < 1e-3, "{low} {high}");
        }
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        assert_eq!(quantile(&[5, 1, 3], 0.5), Some(3));
        assert_eq!(quantile(&[5, 1, 3], 0.9), Some(5));
        assert_eq!(quantile::<u32>(&[], 0.5), None);
    }
}
