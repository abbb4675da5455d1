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
