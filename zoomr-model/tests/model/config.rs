//! `config.json`: what is refused and in which words, what the rules make of layers, and no panic on anything.

use proptest::prelude::*;
use serde_json::{Value, json};
use zoomr_core::weight::WeightFormat;
use zoomr_model::config::ModelConfig;

use crate::support::golden;

const SLIDING: [&str; 4] = ["sliding_attention"; 4];

/// A valid configuration of `model_type` with some fields set; a null removes a field.
fn config(model_type: &str, fields: Value) -> Value {
    let mut config = json!({
        "model_type": model_type, "vocab_size": 100, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 64,
    });
    if let (Some(config), Value::Object(fields)) = (config.as_object_mut(), fields) {
        config.extend(fields);
    }
    config
}

fn parse(config: &Value) -> ModelConfig {
    ModelConfig::from_json(&config.to_string()).expect("a valid configuration")
}

/// The sliding window of each layer, 0 where it has none.
fn windows(config: &Value) -> Vec<usize> {
    let specs = parse(config).layer_specs();
    specs.iter().map(|spec| spec.sliding_window.map_or(0, usize::from)).collect()
}

#[test]
fn the_dtype_of_weights_is_read_in_both_spellings() {
    let dtype = |fields| parse(&config("llama", fields)).weight_dtype();
    assert_eq!(dtype(json!({"dtype": "bfloat16", "torch_dtype": "float32"})), WeightFormat::Bf16);
    assert_eq!(dtype(json!({"dtype": null, "torch_dtype": "float16"})), WeightFormat::F16);
    for other in
        [json!("float32"), json!("auto"), json!("float8_e4m3fn"), json!({"": "bfloat16"}), json!(null)]
    {
        assert_eq!(dtype(json!({"dtype": other})), WeightFormat::F32, "no reason to refuse the model");
    }
    assert_eq!(dtype(json!({})), WeightFormat::F32);
}

/// Of a field that is there twice, Python takes the last. Here only fields within fields are: of the others it cannot be
/// known which was meant, so that they are refused.
#[test]
fn a_field_that_is_there_twice() {
    let text = config("llama", json!({"rope_parameters": {"rope_theta": 5e5}})).to_string();
    let twice = |field: &str| text.replacen('{', &format!("{{{field}, "), 1);
    for (field, name) in [(r#""hidden_size": 16"#, "hidden_size"), (r#""model_type": "qwen3""#, "model_type")]
    {
        let error = ModelConfig::from_json(&twice(field)).unwrap_err().to_string();
        assert!(error.contains(&format!("duplicate field `{name}`")), "{error}");
    }
    let nested = text.replacen(r#"{"rope_theta""#, r#"{"rope_theta": 3.0, "rope_theta""#, 1);
    assert_ne!(text, nested);
    let layers = |text: &str| format!("{:?}", ModelConfig::from_json(text).unwrap());
    assert_eq!(layers(&nested), layers(&text));
}

#[test]
fn refusals_name_the_field() {
    let cases = [
        ("gpt2", json!({}), "unknown model_type `gpt2`; the known ones are llama, mistral, qwen2, "),
        ("gemma3", json!({}), "gemma3_text"),
        ("llama", json!({"hidden_size": 0}), "`hidden_size` is 0"),
        ("llama", json!({"hidden_size": "big"}), "expected usize"),
        ("llama", json!({"num_hidden_layers": 1_000_000_000_000_u64}), "`num_hidden_layers`"),
        ("llama", json!({"num_key_value_heads": 3}), "`num_key_value_heads` is 3"),
        ("llama", json!({"head_dim": 0}), "`head_dim` is 0"),
        ("llama", json!({"head_dim": null, "num_attention_heads": 6}), "`head_dim` is missing"),
        ("llama", json!({"head_dim": 7}), "`partial_rotary_factor`"),
        ("llama", json!({"hidden_act": "relu"}), "`hidden_act` = relu"),
        ("llama", json!({"rms_norm_eps": 0.0}), "`rms_norm_eps` is 0"),
        ("llama", json!({"rms_norm_eps": -1e-5}), "`rms_norm_eps` is -0.00001"),
        ("llama", json!({"rms_norm_eps": 1e30}), "`rms_norm_eps` is 1000000000000000000000000000000"),
        ("llama", json!({"rms_norm_eps": 1e-50}), "the model's numbers vanish"),
        ("llama", json!({"rope_theta": -1.0}), "`rope_theta` is -1"),
        ("llama", json!({"rope_theta": 1e300}), "`rope_theta` is 1"),
        ("llama", json!({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}), "`rope_type` = dynamic"),
        ("llama", json!({"rope_scaling": {"type": "linear"}}), "`factor` is missing"),
        ("llama", json!({"quantization_config": {"bits": 4}}), "`quantization_config` = {...}"),
        ("llama", json!({"quantization_config": {"quant_method": "awq"}}), "`quantization_config` = awq"),
        ("llama", json!({"quantization": {"group_size": 64, "bits": 4}}), "`quantization` = mlx"),
        ("phi3", json!({"rope_scaling": {"type": "longrope"}}), "`rope_type` = longrope"),
        ("mistral", json!({"sliding_window": 0}), "`sliding_window` is 0"),
        ("qwen2", json!({"layer_types": ["full_attention"]}), "`layer_types` has 1 entries"),
        ("qwen2", json!({"layer_types": SLIDING}), "`layer_types` has sliding layers"),
        ("qwen2", json!({"layer_types": ["chunked_attention"]}), "chunked_attention"),
        ("smollm3", json!({"no_rope_layers": [1, 0]}), "`no_rope_layers` has 2 entries"),
        ("granite", json!({"logits_scaling": 0.0}), "`logits_scaling` is 0"),
        ("granite", json!({"logits_scaling": 1e40}), "`logits_scaling` is 1"),
        ("granite", json!({"attention_multiplier": 1e300}), "`attention_multiplier` is 1"),
        ("gemma3_text", json!({"final_logit_softcapping": 1e-40}), "`final_logit_softcapping` is 0.0"),
        ("gemma3_text", json!({"attn_logit_softcapping": 50.0}), "`attn_logit_softcapping` = 50"),
        ("gemma3_text", json!({"use_bidirectional_attention": true}), "`use_bidirectional_attention`"),
    ];
    for (model_type, fields, says) in cases {
        let message = match ModelConfig::from_json(&config(model_type, fields.clone()).to_string()) {
            Ok(_) => panic!("{model_type} {fields} was accepted, and should have said {says:?}"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains(says), "{message:?} does not say {says:?}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let message = ModelConfig::from_dir(dir.path()).unwrap_err().to_string();
    assert!(message.contains("config.json"), "{message}");
    std::fs::write(dir.path().join("config.json"), "{").unwrap();
    let message = ModelConfig::from_dir(dir.path()).unwrap_err().to_string();
    assert!(message.contains("config.json: not a model configuration"), "{message}");
}

#[test]
fn mistral_slides_everywhere_or_nowhere() {
    assert_eq!(windows(&config("mistral", json!({"sliding_window": 16}))), [16; 4]);
    assert_eq!(windows(&config("mistral", json!({"sliding_window": null}))), [0; 4]);
    assert_eq!(windows(&config("mistral", json!({}))), [4096; 4]);
}

#[test]
fn qwen_slides_from_a_layer_on_if_switched_on() {
    let fields = json!({"sliding_window": 16, "max_window_layers": 3, "use_sliding_window": true});
    assert_eq!(windows(&config("qwen2", fields)), [0, 0, 0, 16]);
    let off = json!({"sliding_window": 16, "max_window_layers": 3});
    assert_eq!(windows(&config("qwen3", off)), [0; 4]);
}

#[test]
fn gemma_slides_but_in_every_nth_layer() {
    let fields = json!({"sliding_window": 16, "sliding_window_pattern": 2});
    assert_eq!(windows(&config("gemma3_text", fields)), [16, 0, 16, 0]);
    let types = ["full_attention", "sliding_attention", "full_attention", "full_attention"];
    let fields = json!({"sliding_window": 16, "layer_types": types});
    assert_eq!(windows(&config("gemma3_text", fields)), [0, 16, 0, 0]);
}

#[test]
fn llama_ignores_windows() {
    assert_eq!(windows(&config("llama", json!({"sliding_window": 16}))), [0; 4]);
}

#[test]
fn both_spellings_give_one_model() {
    for entry in std::fs::read_dir(golden("")).unwrap() {
        let dir = entry.unwrap().path();
        if !dir.is_dir() {
            continue;
        }
        let [new, old] = ["config.json", "config.v4.json"].map(|spelling| {
            let text = std::fs::read_to_string(dir.join(spelling)).expect("a fixture");
            ModelConfig::from_json(&text).expect("a supported architecture")
        });
        assert_eq!(new, old, "{}", dir.display());
    }
}

#[test]
fn a_field_that_holds_nothing_is_not_there() {
    let yarn = json!({"rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6});
    let named = |fields: Value| {
        let ropes = parse(&config("qwen3", fields));
        ropes.ropes().map(|rope| rope.unwrap().to_string()).next().unwrap()
    };
    for empty in [json!({}), json!(null), json!([]), json!("")] {
        let fields = json!({"rope_parameters": yarn, "rope_scaling": empty});
        assert_eq!(named(fields), "theta 1000000, yarn x4", "{empty}");
        let fields = json!({"rope_parameters": empty, "rope_scaling": yarn});
        assert_eq!(named(fields), "theta 1000000, yarn x4", "{empty}");
        let per_type =
            json!({"full_attention": empty, "rope_type": "yarn", "factor": 4.0, "rope_theta": 1e6});
        assert_eq!(named(json!({"rope_parameters": per_type})), "theta 1000000, yarn x4", "{empty}");
        let unnamed = json!({"rope_type": empty, "type": "linear", "factor": 2.0});
        assert_eq!(named(json!({"rope_scaling": unnamed})), "theta 10000, linear x2", "{empty}");
        for field in ["quantization_config", "quantization", "hidden_act", "layer_types", "eos_token_id"] {
            assert_eq!(
                parse(&config("qwen3", json!({field: empty}))),
                parse(&config("qwen3", json!({}))),
                "{field}"
            );
        }
        let skips = json!({"no_rope_layers": empty});
        assert_eq!(parse(&config("smollm3", skips)), parse(&config("smollm3", json!({}))), "{empty}");
    }
}

/// Models that people use, by the sizes in their files and the parameters that their publishers count.
#[test]
fn parameters_of_published_models() {
    // vocabulary, hidden, feed-forward, layers, query heads, KV heads, head size; tied; parameters
    let models = [
        ("llama", [49152, 576, 1536, 30, 9, 3, 64], true, 134_515_008), // SmolLM2-135M
        ("llama", [128_256, 2048, 8192, 16, 32, 8, 64], true, 1_235_814_400), // Llama 3.2 1B
        ("mistral", [32000, 4096, 14336, 32, 32, 8, 128], false, 7_241_732_096), // Mistral 7B v0.1
        ("qwen2", [151_936, 896, 4864, 24, 14, 2, 64], true, 494_032_768), // Qwen2.5 0.5B
        ("phi3", [32064, 3072, 8192, 32, 32, 32, 96], false, 3_821_079_552), // Phi-3-mini-4k
        ("gemma3_text", [262_144, 1152, 6912, 26, 4, 1, 256], true, 999_885_952), // Gemma 3 1B
    ];
    for (model_type, [vocab, hidden, inner, layers, heads, kv_heads, head_dim], tied, parameters) in models {
        let fields = json!({
            "vocab_size": vocab, "hidden_size": hidden, "intermediate_size": inner,
            "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": kv_heads,
            "head_dim": head_dim, "tie_word_embeddings": tied,
        });
        let config = parse(&config(model_type, fields));
        assert_eq!(config.parameter_count(), parameters, "{model_type}");
        assert_eq!(config.kv_bytes_per_token(2), layers * 2 * kv_heads * head_dim * 2, "{model_type}");
    }
}

#[test]
fn end_of_text_is_one_token_or_several() {
    assert_eq!(parse(&config("llama", json!({"eos_token_id": 2}))).eos_token_ids(), [2]);
    assert_eq!(parse(&config("llama", json!({"eos_token_id": [2, 7]}))).eos_token_ids(), [2, 7]);
    assert!(parse(&config("llama", json!({"eos_token_id": null}))).eos_token_ids().is_empty());
}

/// Values that a field might hold by mistake.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0u64..70).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z_]{0,12}".prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"rope_type": "yarn", "factor": 4.0})),
        Just(json!({"rope_type": "llama3", "factor": 0.0})),
    ]
}

proptest! {
    #[test]
    fn no_configuration_panics(
        folder in prop::sample::select(vec!["llama_yarn", "qwen2", "smollm3", "phi3", "granite", "gemma3"]),
        spelling in prop::sample::select(vec!["config.json", "config.v4.json"]),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), odd_value()), 1..4),
    ) {
        let text = std::fs::read_to_string(golden(folder).join(spelling)).expect("a fixture");
        let mut config: serde_json::Map<String, Value> = serde_json::from_str(&text).expect("a JSON object");
        let fields: Vec<String> = config.keys().cloned().collect();
        for (field, value) in mutations {
            config.insert(field.get(&fields).clone(), value);
        }
        // Whatever is accepted can be counted without overflow.
        if let Ok(config) = ModelConfig::from_json(&Value::Object(config).to_string()) {
            prop_assert!(config.parameter_count() > 0);
            prop_assert!(config.kv_bytes_per_token(4) > 0);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        prop_assert!(ModelConfig::from_json(&text).is_err());
    }
}
