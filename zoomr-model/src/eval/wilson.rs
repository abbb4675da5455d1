//! How sure an accuracy is: the score interval of E. B. Wilson, "Probable inference, the law of succession, and
//! statistical inference", Journal of the American Statistical Association 22 (1927), 209-212.
//!
//! Unlike the interval of a normal distribution it is right for few problems, and where all or none are right.

/// The 97.5% quantile of the normal distribution: 2.5% are left on either side.
const Z: f64 = 1.959_963_984_540_054;

/// The 95% interval of a rate of which `hits` out of `count` were seen; everything, 0 to 1, where nothing was.
pub fn interval(hits: usize, count: usize) -> (f64, f64) {
    if count == 0 { (0.0, 1.0) } else { score(hits as f64 / count as f64, count as f64) }
}

/// The 95% interval of a rate of which in each of some `clusters` so many hits out of so many were seen: of texts to
/// one problem, say, which tell less about other problems than as many texts to as many problems would.
///
/// It is the interval of as many independent observations as would vary as much: of the number that follows from
/// the variance between clusters, but no fewer than there are clusters and no more than there are observations (N. Dean
/// and M. Pagano, "Evaluating confidence interval methods for binomial proportions in clustered surveys", Journal of
/// Survey Statistics and Methodology 3 (2015), 484-503). With one observation in each, it is [`interval`].
pub fn clustered(clusters: &[(usize, usize)]) -> (f64, f64) {
    let hits: usize = clusters.iter().map(|(hits, _)| hits).sum();
    let count: usize = clusters.iter().map(|(_, count)| count).sum();
    if count == 0 {
        return (0.0, 1.0);
    }
    let (all, k) = (count as f64, clusters.len() as f64);
    let rate = hits as f64 / all;
    let apart = |&(hits, count): &(usize, usize)| (hits as f64 - rate * count as f64).powi(2);
    let variance = k / (k - 1.0) * clusters.iter().map(apart).sum::<f64>() / (all * all);
    let independent = rate * (1.0 - rate) / variance;
    // One cluster, or clusters of which nobody knows whether they could be otherwise, do not say how much they vary.
    let unknown = clusters.len() == 1 || hits == 0 || hits == count;
    let n = if unknown { k } else { independent.clamp(k, all) };
    score(rate, n)
}

/// The interval of a `rate` among `n` independent observations.
fn score(rate: f64, n: f64) -> (f64, f64) {
    let scale = 1.0 + Z * Z / n;
    let middle = (rate + Z * Z / (2.0 * n)) / scale;
    let half = Z / scale * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    // At the very ends rounding may leave a trace.
    let low = if rate == 0.0 { 0.0 } else { middle - half };
    let high = if rate == 1.0 { 1.0 } else { middle + half };
    (low, high)
}
