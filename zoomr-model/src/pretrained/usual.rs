//! What is usual on a device, where neither a caller nor a model says anything.

use zoomr_core::{config::AtHand, kv::KvDtype};

/// What is usual on a device. By default, what holds on every one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// How much is at hand.
    pub at_hand: AtHand,
    /// What keys and values are stored as, with models that were not taught the method.
    pub kv: KvDtype,
}

#[cfg(test)]
mod tests {
    use zoomr_core::config::Options;

    use super::*;
    use crate::{
        pretrained::MethodOptions,
        reasoning_format::{self, ReasoningFormat},
        text::stop::StopTokens,
    };

    #[test]
    fn a_model_that_was_taught_the_method_keeps_what_it_was_taught_with() {
        let kv = |given: Option<KvDtype>, taught: Option<&ReasoningFormat>| {
            let usual = Usual { kv: KvDtype::F16, ..Usual::default() };
            let options = MethodOptions { kv: given, usual, ..MethodOptions::default() };
            options.resolve(None, StopTokens::default(), taught).unwrap().1.settings.kv
        };
        let taught = |method: Options| ReasoningFormat {
            markers: reasoning_format::Markers::on_lines("<end>"),
            method,
        };
        let (silent, bf16) =
            (taught(Options::default()), taught(Options { kv: KvDtype::Bf16, ..Options::default() }));
        assert_eq!(kv(None, None), KvDtype::F16);
        assert_eq!(kv(None, Some(&silent)), KvDtype::F32);
        assert_eq!(kv(None, Some(&bf16)), KvDtype::Bf16);
        for taught in [None, Some(&silent), Some(&bf16)] {
            assert_eq!(kv(Some(KvDtype::Q8), taught), KvDtype::Q8);
        }
    }
}
