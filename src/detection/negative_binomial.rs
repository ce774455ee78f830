//! How surprising a count is, under a negative binomial law of given mean and spread.
//!
//! With mean `m` and variance `m·D` the law has the size `r = m / (D - 1)` and
//! `q = (D - 1) / D`, and its upper tail is a regularised incomplete beta function:
//!
//! ```text
//! P(X >= x) = I_q(x, r)
//! ```
//!
//! The score is the `z` at which the standard normal has the same upper tail.
//!
//! Only counts above the mean are scored. There `q < x / (x + r)`, the side on which the
//! continued fraction of `I_q(x, r)` converges fast and without cancellation, so the
//! complement `1 - I_p(r, x)`, which would lose a small tail in rounding, is never needed.
//!
//! Every transcendental function comes from the `libm` crate. Those of the standard library
//! are the platform's, whose last bit depends on its version and on the processor; an alert
//! must not.
//!
//! Sources:
//! - continued fraction: A. R. `DiDonato` and A. H. Morris, "Significant digit computation of
//!   the incomplete beta function ratios", ACM TOMS 18 (1992); it is the even part of DLMF
//!   8.17.22, and takes half the steps;
//! - its evaluation: W. J. Lentz's method as modified by Thompson and Barnett, Numerical
//!   Recipes 5.2;
//! - first term of the tail for large counts: C. Loader, "Fast and accurate computation of
//!   binomial probabilities" (2000);
//! - inverse of the normal tail: Abramowitz and Stegun 26.2.23, then one step of Halley.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// The score, in standard deviations, of seeing `observed` or more.
///
/// `observed` is a whole count, `mean` is positive and `dispersion`, the ratio of variance to
/// mean, at least 1.1. The result lies between 0 and [`MAX_SIGMA`]; it is 0 for a count that
/// is not above the mean, or not in the upper half of the law.
///
/// The absolute error is below 1e-9 for counts and means up to 80,000 and dispersions up to
/// 100,000. Beyond, the result stays in its range but may be less exact.
#[must_use]
pub fn tail_sigma(observed: f64, mean: f64, dispersion: f64) -> f64 {
    if observed <= mean {
        return 0.0;
    }
    let law = Law::new(mean, dispersion);
    // P(X >= x) <= P(X >= 1) = 1 - D^-r <= r ln D. Beyond being quick, this keeps sizes so
    // small that they have lost digits out of what follows.
    if law.size * law.ln_dispersion <= TAIL_AT_MAX_SIGMA {
        return MAX_SIGMA;
    }
    normal_quantile(law.upper_tail(observed))
}

/// A negative binomial law in the terms its tail is computed from.
struct Law {
    mean: f64,
    dispersion: f64,
    ln_dispersion: f64,
    /// `r`
    size: f64,
    /// `q`
    step: f64,
}

impl Law {
    fn new(mean: f64, dispersion: f64) -> Self {
        let excess = dispersion - 1.0;
        Self {
            mean,
            dispersion,
            ln_dispersion: libm::log(dispersion),
            size: mean / excess,
            step: excess / dispersion,
        }
    }

    /// `P(X >= x)` for `x` above the mean.
    fn upper_tail(&self, x: f64) -> f64 {
        // Written this way, and not as x - (x + r)q, what is small when x is just above the
        // mean keeps all its digits.
        let drift = (x - self.mean) / self.dispersion;
        let first = if x <= SMALL {
            self.probability_of_small(x)
        } else {
            self.probability_of_large(x, drift)
        };
        first * x / self.fraction(x, drift)
    }

    /// `P(X = x)` as the product that defines it. Nothing overflows: `x` exceeds the mean, and
    /// with it `r ln D`, so the power is at least `e^-x`, and the product at most `e^x`.
    fn probability_of_small(&self, x: f64) -> f64 {
        let mut product = libm::exp(-self.size * self.ln_dispersion);
        let mut k = 0.0;
        while k < x {
            product *= self.step * (self.size + k) / (k + 1.0);
            k += 1.0;
        }
        product
    }

    /// `P(X = x)` with Stirling's formula put in for the factorials. Its large parts cancel
    /// on paper; a difference of log-gammas would lose digits in them.
    fn probability_of_large(&self, x: f64, drift: f64) -> f64 {
        let (r, n) = (self.size, x + self.size);
        let of_x = x * libm::log1p(-drift / x) + stirling_rest(n) - stirling_rest(x);
        if r > SMALL {
            let of_r = r * libm::log1p(drift / r) - stirling_rest(r);
            (r / (2.0 * PI * x * n)).sqrt() * libm::exp(of_x + of_r)
        } else {
            // Stirling's formula is poor here, and the ratio drift / r may overflow.
            let of_r = r * (libm::log(r + drift) - 1.0);
            r / libm::tgamma(1.0 + r) / (x * n).sqrt() * libm::exp(of_x + of_r)
        }
    }

    /// `x P(X = x) / P(X >= x)`
    fn fraction(&self, x: f64, drift: f64) -> f64 {
        let (r, q) = (self.size, self.step);
        // 2 - q
        let growth = 1.0 + 1.0 / self.dispersion;
        let mut value = x * (drift + 1.0) / (x + 1.0);
        let mut upper_ratio = value;
        let mut lower_ratio = 0.0;
        let mut i = 1.0;
        while i <= MAX_STEPS {
            let below = x + 2.0 * i - 1.0;
            let shared = i * (r - i) * q / below;
            let numerator = (x + i - 1.0) * (x + r + i - 1.0) * q / below * shared;
            let denominator = i + shared + (x + i) * (drift + 1.0 + i * growth) / (below + 2.0);
            lower_ratio = 1.0 / (denominator + numerator * lower_ratio);
            upper_ratio = denominator + numerator / upper_ratio;
            let change = upper_ratio * lower_ratio;
            value *= change;
            if (change - 1.0).abs() < CONVERGED {
                break;
            }
            i += 1.0;
        }
        value
    }
}

/// What Stirling's formula leaves out of `ln Γ(z)`, for `z` above [`SMALL`].
fn stirling_rest(z: f64) -> f64 {
    let square = z * z;
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / z
}

/// The `z` in 0..=[`MAX_SIGMA`] at which the upper tail of the standard normal is `tail`.
fn normal_quantile(tail: f64) -> f64 {
    if tail >= 0.5 {
        return 0.0;
    }
    if tail <= TAIL_AT_MAX_SIGMA {
        return MAX_SIGMA;
    }
    let t = (-2.0 * libm::log(tail)).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let guess = t - numerator / denominator;

    // The guess is within 4.5e-4. On the logarithm of the tail, which is close to a parabola,
    // one step of third order brings that below 1e-11.
    let at_guess = 0.5 * libm::erfc(guess * FRAC_1_SQRT_2);
    let hazard = libm::exp(-0.5 * guess * guess) / (2.0 * PI).sqrt() / at_guess;
    let excess = libm::log(at_guess / tail);
    let newton = excess / hazard;
    let sigma = guess + newton / (1.0 + 0.5 * newton * (hazard - guess));
    sigma.clamp(0.0, MAX_SIGMA)
}

/// The highest score. Tails beyond it come close to the smallest numbers there are.
pub const MAX_SIGMA: f64 = 37.0;

/// The normal tail at [`MAX_SIGMA`].
const TAIL_AT_MAX_SIGMA: f64 = 5.725_571_222_524_577e-300;

/// Up to here a product of factors is as quick as logarithms; above, three terms of
/// Stirling's series are exact to the last digit.
const SMALL: f64 = 64.0;

/// Steps shrink no slower than by `1 - 4 / √D`, so the steps not taken add up to less than
/// 1e-12 for dispersions up to 100,000.
const CONVERGED: f64 = 1e-14;

/// Four times what a dispersion of 100,000 takes. It ends the loop for absurd ones only.
const MAX_STEPS: f64 = 10_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn normal_tail(z: f64) -> f64 {
        0.5 * libm::erfc(z * FRAC_1_SQRT_2)
    }

    #[track_caller]
    fn assert_tail(observed: f64, mean: f64, dispersion: f64, tail: f64) {
        let scored = normal_tail(tail_sigma(observed, mean, dispersion));
        assert!(
            (scored / tail - 1.0).abs() < 1e-9,
            "P(X >= {observed}) is {tail:e}, scored as {scored:e}"
        );
    }

    #[test]
    fn one_or_more_has_a_closed_form() {
        for (mean, dispersion) in [(0.3, 1.1), (0.001, 4.0), (1e-8, 1e5), (1e-200, 2.0)] {
            let size = mean / (dispersion - 1.0);
            let tail = -libm::expm1(-size * libm::log(dispersion));
            assert_tail(1.0, mean, dispersion, tail);
        }
    }

    #[test]
    fn size_one_is_the_geometric_law() {
        for (observed, dispersion) in [(3.0, 1.5), (40.0, 3.0), (65.0, 3.0), (2_000.0, 100.0)] {
            let step = (dispersion - 1.0) / dispersion;
            let tail = libm::exp(observed * libm::log(step));
            assert_tail(observed, dispersion - 1.0, dispersion, tail);
        }
    }

    #[test]
    fn both_ways_to_the_first_term_meet() {
        for (mean, dispersion) in [(1e-6, 3.0), (10.0, 1.1), (60.0, 1.1), (50.0, 900.0)] {
            let law = Law::new(mean, dispersion);
            let drift = (SMALL - mean) / dispersion;
            let ratio = law.probability_of_large(SMALL, drift) / law.probability_of_small(SMALL);
            assert!((ratio - 1.0).abs() < 1e-12, "{mean} {dispersion}: {ratio}");
        }
    }

    #[test]
    fn the_quantile_inverts_the_normal_tail() {
        for i in 0..=3_700 {
            let z = f64::from(i) / 100.0;
            assert!((normal_quantile(normal_tail(z)) - z).abs() < 1e-11, "{z}");
        }
    }

    #[test]
    fn a_count_in_the_lower_half_scores_nothing() {
        for (observed, mean) in [(0.0, 1.0), (3.0, 12.5), (5.0, 5.0), (80_000.0, 79_999.999)] {
            assert_eq!(tail_sigma(observed, mean, 1.1).to_bits(), 0, "{observed} {mean}");
        }
    }

    #[test]
    fn the_score_ends_at_its_maximum() {
        for (observed, mean, dispersion) in [
            (80_000.0, 1.0, 1.1),
            (1.0, 1e-300, 1e12),
            (1.0, f64::MIN_POSITIVE, 1e300),
            (1e9, 1e-3, 1.1),
        ] {
            let sigma = tail_sigma(observed, mean, dispersion);
            assert_eq!(sigma.to_bits(), MAX_SIGMA.to_bits(), "{observed} {mean} {dispersion}");
        }
    }

    #[test]
    fn more_never_scores_less() {
        for (mean, dispersion) in [(0.000_87, 1.5), (12.5, 1.1), (3.7, 40.0), (80.0, 4.0)] {
            let mut last = 0.0;
            for count in 1..600 {
                let sigma = tail_sigma(f64::from(count), mean, dispersion);
                assert!(sigma >= last, "{count} {mean} {dispersion}");
                last = sigma;
            }
        }
    }
}
