//! Values: rational numbers as long as they fit, else floating point.

/// A finite number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// Numerator and denominator: the latter positive, the two without a common factor.
    Ratio(i128, i128),
    /// What is irrational, or does not fit.
    Real(f64),
}

/// How far apart numbers may be that are not both rational.
const TOLERANCE: f64 = 1e-6;

/// Exponents up to it are multiplied out; all but 0, 1 and -1 leave 128 bits long before.
const EXPONENTS: i128 = 127;

impl Value {
    /// An integer.
    pub(super) fn integer(value: i128) -> Self {
        Self::Ratio(value, 1)
    }

    /// π.
    pub(super) fn pi() -> Self {
        Self::Real(std::f64::consts::PI)
    }

    /// `numerator / denominator`; `None` for a division by zero, and for numbers at the very edge of 128 bits.
    fn ratio(numerator: i128, denominator: i128) -> Option<Self> {
        let divisor = i128::try_from(gcd(numerator.unsigned_abs(), denominator.unsigned_abs())).ok()?;
        let (numerator, denominator) = (numerator.checked_div(divisor)?, denominator.checked_div(divisor)?);
        let sign = denominator.signum();
        match sign {
            0 => None,
            _ => Some(Self::Ratio(numerator.checked_mul(sign)?, denominator.checked_mul(sign)?)),
        }
    }

    /// A floating-point number, if it is finite.
    pub(super) fn real(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self::Real(value))
    }

    fn approximate(self) -> f64 {
        match self {
            Self::Ratio(numerator, denominator) => numerator as f64 / denominator as f64,
            Self::Real(value) => value,
        }
    }

    /// Exactly where that can be done, approximately else.
    fn either(
        self,
        other: Self,
        exact: impl Fn([i128; 2], [i128; 2]) -> Option<(i128, i128)>,
        approximate: impl Fn(f64, f64) -> f64,
    ) -> Option<Self> {
        if let (Self::Ratio(a, b), Self::Ratio(c, d)) = (self, other)
            && let Some(exact) = exact([a, b], [c, d]).and_then(|(n, d)| Self::ratio(n, d))
        {
            return Some(exact);
        }
        Self::real(approximate(self.approximate(), other.approximate()))
    }

    /// The sum.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let exact = |[a, b]: [i128; 2], [c, d]: [i128; 2]| {
            Some((a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?, b.checked_mul(d)?))
        };
        self.either(other, exact, |a, b| a + b)
    }

    /// The product.
    pub(super) fn times(self, other: Self) -> Option<Self> {
        let exact = |[a, b]: [i128; 2], [c, d]: [i128; 2]| Some((a.checked_mul(c)?, b.checked_mul(d)?));
        self.either(other, exact, |a, b| a * b)
    }

    /// The quotient; `None` for a division by zero.
    pub(super) fn over(self, other: Self) -> Option<Self> {
        let exact = |[a, b]: [i128; 2], [c, d]: [i128; 2]| Some((a.checked_mul(d)?, b.checked_mul(c)?));
        self.either(other, exact, |a, b| a / b)
    }

    /// The number with its sign changed.
    pub(super) fn negated(self) -> Option<Self> {
        self.times(Self::integer(-1))
    }

    /// The power; `None` where it is no real number, or too large.
    pub(super) fn to_the(self, exponent: Self) -> Option<Self> {
        match exponent {
            Self::Ratio(n, 1) if (0..=EXPONENTS).contains(&n) => {
                (0..n).try_fold(Self::integer(1), |power, _| power.times(self))
            }
            Self::Ratio(n, 1) if (-EXPONENTS..0).contains(&n) => {
                Self::integer(1).over(self.to_the(Self::integer(-n))?)
            }
            _ => Self::real(libm::pow(self.approximate(), exponent.approximate())),
        }
    }

    /// The square root; exact for squares. `None` for negative numbers.
    pub(super) fn root(self) -> Option<Self> {
        if let Self::Ratio(a, b) = self
            && let (Some(a), Some(b)) = (exact_root(a), exact_root(b))
        {
            return Some(Self::Ratio(a, b));
        }
        Self::real(libm::sqrt(self.approximate()))
    }

    /// Whether two values are the same, as nearly as can be known.
    pub(super) fn is(self, other: Self) -> bool {
        if let (Self::Ratio(..), Self::Ratio(..)) = (self, other) {
            return self == other;
        }
        let (a, b) = (self.approximate(), other.approximate());
        (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
    }
}

/// The greatest common divisor; at least 1.
fn gcd(a: u128, b: u128) -> u128 {
    let (mut a, mut b) = (a, b);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

/// The integer whose square this is.
fn exact_root(square: i128) -> Option<i128> {
    let root = u128::try_from(square).ok()?.isqrt();
    let root = i128::try_from(root).ok()?;
    (root.checked_mul(root) == Some(square)).then_some(root)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ratio(a: i128, b: i128) -> Value {
        Value::ratio(a, b).unwrap()
    }

    #[test]
    fn ratios_are_reduced() {
        assert_eq!(ratio(6, -4), Value::Ratio(-3, 2));
        assert_eq!(ratio(0, -4), Value::Ratio(0, 1));
        assert_eq!(Value::ratio(1, 0), None);
        assert_eq!(Value::integer(1).over(Value::integer(0)), None);
    }

    #[test]
    fn what_does_not_fit_is_approximate_and_what_is_infinite_is_nothing() {
        let ten = Value::integer(10);
        assert_eq!(ten.to_the(Value::integer(30)), Some(Value::Ratio(10i128.pow(30), 1)));
        assert!(ten.to_the(Value::integer(60)).unwrap().is(Value::Real(1e60)));
        assert_eq!(ten.to_the(Value::integer(400)), None);
        assert_eq!(ten.to_the(ten.to_the(Value::integer(30)).unwrap()), None);
        assert_eq!(Value::integer(-2).root(), None);
        assert_eq!(ratio(9, 4).root(), Some(Value::Ratio(3, 2)));
        assert_eq!(Value::integer(0).to_the(Value::integer(-1)), None);
    }

    proptest! {
        #[test]
        fn nothing_panics_at_the_edges(a: i128, b: i128, c: i128, d: i128) {
            if let (Some(x), Some(y)) = (Value::ratio(a, b), Value::ratio(c, d)) {
                for value in [x.plus(y), x.times(y), x.over(y), x.to_the(y), x.root(), x.negated()] {
                    prop_assert!(value.is_none_or(|value| value.is(value)));
                }
            }
        }

        #[test]
        fn small_sums_are_exact(a in -99i128..100, b in 1i128..100, c in -99i128..100, d in 1i128..100) {
            prop_assert_eq!(ratio(a, b).plus(ratio(c, d)), Some(ratio(a * d + b * c, b * d)));
        }
    }
}
