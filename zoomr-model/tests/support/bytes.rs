//! A tokenizer whose tokens are the bytes of a text.

use serde_json::{Map, Value, json};

/// Its `tokenizer.json`: ids 0 to 255 are the bytes.
pub(crate) fn byte_tokenizer() -> Value {
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {"type": "BPE", "vocab": characters(), "merges": []},
    })
}

/// GPT-2's characters for the bytes, in the order of the bytes.
fn characters() -> Map<String, Value> {
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut others = 256..;
    let character = |byte| if printable(byte) { Some(byte) } else { others.next() };
    let characters: Vec<char> = (0..256).filter_map(character).filter_map(char::from_u32).collect();
    characters.into_iter().zip(0..).map(|(c, id)| (c.to_string(), json!(id))).collect()
}
