//! What each layer attends to, and whether it rotates: from the file's lists, or the family's rule.

use std::num::NonZeroUsize;

use super::{
    LayerConfig, check,
    error::ConfigError,
    family::{Traits, Windows},
    raw::{LayerType, RawConfig},
    rope,
};

/// More layers than any model has; a config that asks for more is wrong, not large.
const MAX_LAYERS: usize = 4096;

/// Every layer, in order.
pub(super) fn resolve(
    raw: &RawConfig,
    traits: &Traits,
    head_dim: usize,
) -> Result<Vec<LayerConfig>, ConfigError> {
    let count = check::size("num_hidden_layers", raw.num_hidden_layers, MAX_LAYERS)?;
    let window = sliding_window(raw, traits)?;
    let rotates = rotates(raw, traits, count)?;
    let types = layer_types(raw, traits, window, &rotates)?;
    let layer = |(layer_type, rotates): (LayerType, bool)| {
        Ok(LayerConfig {
            rope: rotates.then(|| rope::resolve(raw, traits, head_dim, layer_type)).transpose()?,
            sliding_window: window.filter(|_| layer_type == LayerType::Sliding),
        })
    };
    types.into_iter().zip(rotates).map(layer).collect()
}

/// The window of the layers that slide; none where no layer may.
fn sliding_window(raw: &RawConfig, traits: &Traits) -> Result<Option<NonZeroUsize>, ConfigError> {
    let on = match traits.windows {
        Windows::Never => false,
        Windows::Every | Windows::ByPattern => true,
        Windows::FromLayer | Windows::WhereRopeIsSkipped => raw.use_sliding_window.unwrap_or(false),
    };
    let Some(tokens) = raw.sliding_window.unwrap_or(traits.default_window).filter(|_| on) else {
        return Ok(None);
    };
    NonZeroUsize::new(tokens).map(Some).ok_or_else(|| {
        ConfigError::invalid("sliding_window", "is 0; it must be at least 1, or null for none")
    })
}

/// Whether each layer has RoPE.
fn rotates(raw: &RawConfig, traits: &Traits, count: usize) -> Result<Vec<bool>, ConfigError> {
    if !traits.skips_rope {
        return Ok(vec![true; count]);
    }
    if let Some(flags) = &raw.no_rope_layers {
        check_count("no_rope_layers", flags.len(), count)?;
        return Ok(flags.iter().map(|flag| *flag != 0).collect());
    }
    let interval =
        check::size("no_rope_layer_interval", raw.no_rope_layer_interval.unwrap_or(4), MAX_LAYERS)?;
    Ok((1..=count).map(|nth| !nth.is_multiple_of(interval)).collect())
}

/// Whether each layer slides; without a window none can.
fn layer_types(
    raw: &RawConfig,
    traits: &Traits,
    window: Option<NonZeroUsize>,
    rotates: &[bool],
) -> Result<Vec<LayerType>, ConfigError> {
    let count = rotates.len();
    let consults = !matches!(traits.windows, Windows::Never | Windows::Every);
    if let Some(types) = raw.layer_types.as_ref().filter(|_| consults) {
        check_count("layer_types", types.len(), count)?;
        if window.is_none() && types.contains(&LayerType::Sliding) {
            return Err(ConfigError::invalid(
                "layer_types",
                "has sliding layers, but no window is set; set sliding_window (and use_sliding_window)",
            ));
        }
        return Ok(types.clone());
    }
    let pattern = raw.sliding_window_pattern.or(raw.kept_sliding_window_pattern).unwrap_or(6);
    let pattern = check::size("sliding_window_pattern", pattern, MAX_LAYERS)?;
    let slides = |layer: usize| match traits.windows {
        Windows::Never => false,
        Windows::Every => true,
        Windows::FromLayer => layer >= raw.max_window_layers.unwrap_or(28),
        Windows::WhereRopeIsSkipped => !rotates[layer],
        Windows::ByPattern => !(layer + 1).is_multiple_of(pattern),
    };
    let layer_type = |layer| match window.is_some() && slides(layer) {
        true => LayerType::Sliding,
        false => LayerType::Full,
    };
    Ok((0..count).map(layer_type).collect())
}

fn check_count(field: &'static str, found: usize, layers: usize) -> Result<(), ConfigError> {
    if found == layers {
        return Ok(());
    }
    Err(ConfigError::invalid(
        field,
        format!("has {found} entries for num_hidden_layers = {layers}; one per layer is needed"),
    ))
}
