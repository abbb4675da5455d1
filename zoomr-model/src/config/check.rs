//! Range checks of single fields.

use super::error::ConfigError;

/// A size from 1 to `limit`; the limits lie far above any model's and keep products of sizes from overflowing.
pub(super) fn size(field: &'static str, value: usize, limit: usize) -> Result<usize, ConfigError> {
    if (1..=limit).contains(&value) {
        return Ok(value);
    }
    Err(ConfigError::invalid(field, format!("is {value}; it must be from 1 to {limit}")))
}

/// A finite number above zero.
pub(super) fn positive(field: &'static str, value: f64) -> Result<f64, ConfigError> {
    if value.is_finite() && value > 0.0 {
        return Ok(value);
    }
    Err(ConfigError::invalid(field, format!("is {value}; it must be finite and above zero")))
}

/// A number that others are multiplied or divided by: beyond these bounds, what comes out is zero or infinite in f32,
/// and the model would say anything. Models that people use have factors from 0.005 to 100.
pub(super) fn factor(field: &'static str, value: f64) -> Result<f64, ConfigError> {
    within(field, value, 1e-9, 1e9)
}

/// What is added to a mean of squares before its root is taken: 1e-12 to 1e-5 in models that people use. Below f32's
/// smallest number it is zero, and a row of zeros divided by it NaN; much above one, it is all that is left of a norm.
pub(super) fn epsilon(field: &'static str, value: f64) -> Result<f64, ConfigError> {
    within(field, value, f32::MIN_POSITIVE.into(), 1.0)
}

fn within(field: &'static str, value: f64, least: f64, most: f64) -> Result<f64, ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let reason = format!("is {value}; it must be from {least:e} to {most:e}, or the model's numbers vanish");
    Err(ConfigError::invalid(field, reason))
}
