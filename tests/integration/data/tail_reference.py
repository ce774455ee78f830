"""Reference values for the negative-binomial tail score.

    python3 tail_reference.py > tail_reference.json      (a minute or two)

Needs mpmath 1.3 or newer; the seed is fixed, so the same file comes out.

Each value is computed twice, by ways that share nothing but the definition:

* `tail_by_sum`: one minus the sum of all probabilities below the count. Plain,
  but what is left of the 1 may be 1e-300, so it carries that many extra digits.
* `tail_by_fraction`: the continued fraction DLMF 8.17.22 of the regularised
  incomplete beta function. No cancellation, but it rests on a formula.

mpmath's own betainc is not used: it gives up on, or takes minutes for, the
large arguments that matter here.
"""

import json
import random
import sys

from mpmath import erfc, exp, log, loggamma, log1p, mp, mpf, pi, sqrt

DIGITS = 60
AGREEMENT = mpf(10) ** -40
CAP = 37


def law(mean, dispersion):
    """Size and success probability; the doubles are taken as exact numbers."""
    excess = mpf(dispersion) - 1
    return mpf(mean) / excess, excess / mpf(dispersion)


def tail_by_sum(observed, mean, dispersion, lost_digits):
    with mp.workdps(DIGITS + lost_digits + 10):
        size, q = law(mean, dispersion)
        term = exp(size * log1p(-q))
        below = term
        for k in range(observed - 1):
            term = term * ((size + k) * q) / (k + 1)
            below += term
        return 1 - below


def tail_by_fraction(observed, mean, dispersion):
    with mp.workdps(DIGITS + 15):
        size, q = law(mean, dispersion)
        a, b = mpf(observed), size
        front = exp(a * log(q) + b * log1p(-q)
                    + loggamma(a + b) - loggamma(b) - loggamma(a + 1))
        # Modified Lentz. No guard against zero denominators: with q below
        # a / (a + b), which every count above the mean satisfies, there are none.
        c = mpf(1)
        d = 1 / (1 - (a + b) * q / (a + 1))
        value = d
        m = 0
        while True:
            m += 1
            even = m * (b - m) * q / ((a + 2 * m - 1) * (a + 2 * m))
            d = 1 / (1 + even * d)
            c = 1 + even / c
            value *= c * d
            odd = -(a + m) * (a + b + m) * q / ((a + 2 * m) * (a + 2 * m + 1))
            d = 1 / (1 + odd * d)
            c = 1 + odd / c
            step = c * d
            value *= step
            # The steps shrink no slower than by 1 - 4 / sqrt(dispersion) each,
            # so this leaves the 40 digits that are compared.
            if abs(step - 1) < mpf(10) ** -(DIGITS - 10):
                return front * value


def normal_tail(z):
    return erfc(z / sqrt(mpf(2))) / 2


def sigma_of(tail):
    """Inverse of the normal tail, by Newton on its logarithm (nearly a parabola)."""
    with mp.workdps(DIGITS):
        if tail >= mpf(1) / 2:
            return mpf(0)
        if tail <= normal_tail(mpf(CAP)):
            return mpf(CAP)
        z = sqrt(-2 * log(2 * tail))
        for _ in range(60):
            upper = normal_tail(z)
            hazard = exp(-z * z / 2) / sqrt(2 * pi) / upper
            step = log(upper / tail) / hazard
            z += step
            if abs(step) < mpf(10) ** -(DIGITS - 12):
                return z
        raise ArithmeticError("the inverse did not settle")


def score(observed, mean, dispersion):
    if observed <= mean:
        return 0.0
    tail = tail_by_fraction(observed, mean, dispersion)
    if tail > mpf(10) ** -310:
        lost = max(0, int(-mp.log10(tail)) + 1)
        other = tail_by_sum(observed, mean, dispersion, lost)
        if abs(other / tail - 1) > AGREEMENT:
            raise ArithmeticError(f"no agreement at {observed} {mean} {dispersion}")
    return float(sigma_of(tail))


def log_uniform(rng, low, high):
    return low * (high / low) ** rng.random()


def short(value, digits=6):
    """Few digits keep the file small; the double they denote is what is scored."""
    return float(f"{value:.{digits}g}")


def everyday(rng):
    return (rng.randint(1, 300), log_uniform(rng, 1e-3, 50), log_uniform(rng, 1.1, 40))


def anywhere(rng):
    observed = round(log_uniform(rng, 1, 80_000))
    return (observed, log_uniform(rng, 1e-8, observed), log_uniform(rng, 1.1, 1e5))


def just_above_the_mean(rng):
    mean = log_uniform(rng, 0.5, 79_990)
    return (int(mean) + rng.randint(1, 3), mean, log_uniform(rng, 1.1, 1e3))


def huge_and_nearly_poisson(rng):
    observed = round(log_uniform(rng, 2_000, 80_000))
    dispersion = rng.choice([1.1, 1.1, 1.1001, 1.2, 1.5, 2.0])
    # Fluctuations grow like the root, so these means give scores up to the cap.
    mean = observed - rng.uniform(0, 40) * (observed * dispersion) ** 0.5
    return (observed, max(mean, 1.0), dispersion)


def tiny_size(rng):
    observed = round(log_uniform(rng, 1, 80_000))
    return (observed, log_uniform(rng, 1e-8, 1e-2), log_uniform(rng, 100, 1e5))


def bursty(rng):
    observed = round(log_uniform(rng, 1_000, 80_000))
    return (observed, log_uniform(rng, 1, observed), log_uniform(rng, 100, 1e5))


def near_the_cap(rng):
    dispersion = log_uniform(rng, 1.1, 50)
    observed = round(log_uniform(rng, 60 * dispersion, 20_000))
    # A tail of 1e-300 is 690 e-foldings down; this aims about there.
    return (observed, observed * rng.uniform(1e-4, 0.7), dispersion)


# (family, how many, which scores to keep). The draws that miss are thrown away,
# or most of the file would say 37.
PLAN = [
    (everyday, 100, lambda s: 0 < s < CAP),
    (anywhere, 80, lambda s: 0 < s < CAP),
    (just_above_the_mean, 45, lambda s: s < CAP),
    (huge_and_nearly_poisson, 65, lambda s: 0 < s < CAP),
    (tiny_size, 40, lambda s: 0 < s < CAP),
    (bursty, 30, lambda s: 0 < s < CAP),
    (near_the_cap, 20, lambda s: 33 < s < CAP),
    (anywhere, 10, lambda s: s == CAP),
]

CORNERS = [
    (1, 1e-8, 1.1), (1, 1e-8, 1e5), (2, 1e-8, 1e5), (1, 0.9999999, 1.1),
    (1, 0.5, 1e5), (2, 1.9999999, 1e5), (80_000, 79_999.999, 1.1),
    (80_000, 79_999.999, 1e5), (80_000, 1.0, 1e5), (80_000, 1e-8, 1e5),
    (80_000, 70_000.0, 1.1), (80_000, 1.0, 1.1), (64, 10.0, 1.1), (65, 10.0, 1.1),
    (64, 60.0, 1e3), (65, 60.0, 1e3), (5, 5.0, 2.0), (5, 6.0, 2.0),
]


def main():
    mp.dps = DIGITS
    rng = random.Random(20)
    rows = [(x, m, d, score(x, m, d)) for x, m, d in CORNERS]
    for family, wanted, keep in PLAN:
        kept = 0
        while kept < wanted:
            observed, mean, dispersion = family(rng)
            mean, dispersion = short(mean), max(1.1, short(dispersion, 5))
            sigma = score(observed, mean, dispersion)
            if keep(sigma):
                rows.append((observed, mean, dispersion, sigma))
                kept += 1
        print(family.__name__, "done", file=sys.stderr)
    # One point a line, so that a change shows as such in a diff.
    lines = [
        json.dumps(
            {"observed": x, "mean": m, "dispersion": d, "sigma": s},
            separators=(",", ":"),
        )
        for x, m, d, s in rows
    ]
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main()
