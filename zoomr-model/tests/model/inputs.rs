//! Tokens that a model cannot take.

use zoomr_model::{Error, config::ModelConfig};

use crate::support::{Cpu, DenseCache, golden, load};

#[test]
fn tokens_outside_of_the_vocabulary_or_the_step_are_refused() {
    let dir = golden("llama");
    let model = load(&dir, ModelConfig::from_dir(&dir).unwrap());
    let mut cache = DenseCache::<Cpu>::new(model.config().layer_specs());
    let error = model.forward(&[1, 307], cache.step(2)).unwrap_err();
    assert!(matches!(error, Error::TokenId { id: 307, row: 1, vocab_size: 307 }), "{error}");
    let error = model.forward(&[1, 2], cache.step(3)).unwrap_err();
    assert!(matches!(error, Error::Rows { ids: 2, rows: 3 }), "{error}");
    let error = model.forward(&[], cache.step(0)).unwrap_err();
    assert!(matches!(error, Error::Rows { ids: 0, rows: 0 }), "{error}");
}
