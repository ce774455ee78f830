//! What is usual: exponentially weighted sums of completed windows.

use super::negative_binomial::tail_sigma;
use super::policy::{MIN_DISPERSION, Policy};
use super::window::Axis;

/// Discounted sums over the completed windows of one signal on one scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Baseline {
    /// Of the counts `x`.
    pub sum: f64,
    /// Of `x²`.
    pub sum_of_squares: f64,
}

/// What a baseline expects in one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    pub mean: f64,
    /// Variance over mean, at least [`MIN_DISPERSION`].
    pub dispersion: f64,
    /// Discounted windows behind it, the imagined day included.
    pub weight: f64,
}

impl Prediction {
    /// Standard deviation.
    pub fn sd(&self) -> f64 {
        (self.mean * self.dispersion).sqrt()
    }

    /// How unusual a count of `observed` or more is, in sigma-equivalents, 0 to 37.
    pub fn sigma(&self, observed: u32) -> f64 {
        tail_sigma(f64::from(observed), self.mean, self.dispersion)
    }
}

impl Baseline {
    /// The expectation after `completed` windows since the principal was first
    /// seen, silent ones included.
    ///
    /// The prior is one imagined day over which `prior_events` are spread evenly, with the
    /// prior's dispersion.
    pub fn predict(&self, axis: Axis, completed: i64, policy: &Policy) -> Prediction {
        let signal = policy.of(axis.signal);
        let ln_decay = policy.ln_decay(axis.scale);
        let prior_windows = axis.scale.per_day() as f64;
        let prior_mean = signal.prior_events / prior_windows;
        let prior_dispersion = signal.prior_dispersion[axis.scale];

        // (1 - δ^K) / (1 - δ), written so that no digits are lost while δ is near 1
        let seen = libm::expm1(completed.max(0) as f64 * ln_decay) / libm::expm1(ln_decay);
        let weight = prior_windows + seen;
        let mean = (signal.prior_events + self.sum) / weight;
        let second_moment =
            (signal.prior_events * (prior_dispersion + prior_mean) + self.sum_of_squares) / weight;
        let variance = second_moment - mean * mean;
        let dispersion = (variance / mean * (1.0 + 1.0 / weight)).max(MIN_DISPERSION);
        Prediction { mean, dispersion, weight }
    }

    /// Learns one completed window with `count`, then `silent` windows without any.
    ///
    /// `completed` is the number of windows before that one. A count that is itself
    /// unusual is learned clipped, so that an attack teaches the baseline little.
    pub fn fold(&mut self, axis: Axis, completed: i64, count: u32, silent: i64, policy: &Policy) {
        let decay = libm::exp(policy.ln_decay(axis.scale));
        let learned = self.clip(axis, completed, count, policy);
        self.sum = decay * self.sum + learned;
        self.sum_of_squares = decay * self.sum_of_squares + learned * learned;
        if silent > 0 {
            let faded = libm::exp(silent as f64 * policy.ln_decay(axis.scale));
            self.sum *= faded;
            self.sum_of_squares *= faded;
        }
    }

    fn clip(&self, axis: Axis, completed: i64, count: u32, policy: &Policy) -> f64 {
        if count == 0 {
            return 0.0;
        }
        let signal = policy.of(axis.signal);
        let prediction = self.predict(axis, completed, policy);
        if prediction.sigma(count) < signal.clip_sigma {
            return f64::from(count);
        }
        // The score rises with the count: bisect for the smallest that reaches the clip.
        let (mut below, mut reaches) = (0, count);
        while reaches - below > 1 {
            let middle = below + (reaches - below) / 2;
            if prediction.sigma(middle) < signal.clip_sigma {
                below = middle;
            } else {
                reaches = middle;
            }
        }
        signal.clip_share * f64::from(reaches)
    }
}
