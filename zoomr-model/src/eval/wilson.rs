//! How sure an accuracy is: the score interval of E. B. Wilson, "Probable inference, the law of succession, and
//! statistical inference", Journal of the American Statistical Association 22 (1927), 209-212.
//!
//! Unlike the interval of a normal distribution it is right for few problems, and where all or none are right.

/// The 97.5% quantile of the normal distribution: 2.5% are left on either side.
const Z: f64 = 1.959_963_984_540_054;

/// The 95% interval of a rate of which `hits` out of `count` were seen; everything, 0 to 1, where nothing was.
pub fn interval(hits: usize, count: usize) -> (f64, f64) {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (n, rate) = (count as f64, hits as f64 / count as f64);
    let scale = 1.0 + Z * Z / n;
    let middle = (rate + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the very ends rounding may leave a trace.
    let low = if hits == 0 { 0.0 } else { middle - half };
    let high = if hits == count { 1.0 } else { middle + half };
    (low, high)
}
