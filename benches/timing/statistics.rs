//! Whether two samples, each sorted, come from one distribution. Both tests hold for hundreds of
//! values and more.

/// Mann and Whitney's U: how often a value of the second is the larger one (0.5: as often as not),
/// and the two-sided p by the normal approximation.
pub(crate) fn mann_whitney(one: &[f64], other: &[f64]) -> (f64, f64) {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let mut below = 0.0;
    for value in other {
        let (smaller, up_to) = (one.partition_point(|v| v < value), one.partition_point(|v| v <= value));
        below += (smaller + up_to) as f64 / 2.0;
    }
    let z = (below - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    (below / (n * m), 2.0 * upper_tail(z.abs()))
}

/// Kolmogorov and Smirnov's largest distance between the two distributions, as the asymptotic p.
pub(crate) fn kolmogorov_smirnov(one: &[f64], other: &[f64]) -> f64 {
    let (n, m) = (one.len() as f64, other.len() as f64);
    let share = |values: &[f64], up_to: f64| values.partition_point(|v| *v <= up_to) as f64;
    let distance = |at: &f64| (share(one, *at) / n - share(other, *at) / m).abs();
    let largest = one.iter().chain(other).map(distance).fold(0.0, f64::max);
    let scale = (n * m / (n + m)).sqrt();
    let lambda = (scale + 0.12 + 0.11 / scale) * largest;
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |k: i32| f64::from(1 - 2 * ((k + 1) % 2)) * (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    (2.0 * (1..=100).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

/// The tail of the standard normal distribution, by the integral itself: Simpson's rule up to eight
/// deviations.
fn upper_tail(z: f64) -> f64 {
    const STEPS: u32 = 2_000;
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let end = z.max(8.0);
    let width = (end - z) / f64::from(STEPS);
    let weight = |step: u32| if step == 0 || step == STEPS { 1.0 } else { f64::from(2 + 2 * (step % 2)) };
    let sum: f64 = (0..=STEPS)
        .map(|step| weight(step) * density(z + width * f64::from(step)))
        .sum();
    sum * width / 3.0
}
