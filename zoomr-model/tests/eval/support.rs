//! A model that has learnt nothing, over the words of synthetic problems, and problems to try it on.

use std::{num::NonZeroUsize, ops::ControlFlow};

use burn::tensor::Tensor;
use burn_ndarray::NdArray;
use tempfile::TempDir;
use zoomr_core::{
    config::{Options, Scope, Settings},
    portable::Portable,
    segment::Budget,
    trigger::Trigger,
};
use zoomr_model::{
    Model,
    atomic_file::Existing,
    config::ModelConfig,
    data::synth::{Kind, Series, vocabulary},
    engine::{Engine, EngineOptions, Limits, SummaryText},
    eval::{
        Around, Bench, Ended, Length, Outcome, Plan, Pose, Problem, Progress, Prompt, Record, Replay,
        Replayed,
    },
    recording::Recording,
    setting::Setting,
    text::{
        sample::Sampler,
        stop::{StopStrings, StopTokens},
        tokenizer::Tokenizer,
    },
    train::{Parameters, SavedDtype, save},
    weights::Weights,
};

pub(crate) type Cpu = NdArray;

/// What a bench borrows.
pub(crate) struct Place {
    pub(crate) dir: TempDir,
    pub(crate) model: Model<Cpu, Portable>,
    pub(crate) tokenizer: Tokenizer,
}

fn config() -> ModelConfig {
    let json = serde_json::json!({
        "model_type": "smollm3", "vocab_size": vocabulary::words().len(), "hidden_size": 16,
        "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1,
        "head_dim": 8, "max_position_embeddings": 400, "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
        "hidden_act": "silu", "rope_theta": 10000.0, "no_rope_layers": [1, 0, 1], "eos_token_id": 1,
        "use_sliding_window": true, "sliding_window": 12,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
    });
    ModelConfig::from_json(&json.to_string()).unwrap()
}

impl Place {
    /// With random weights, of which those whose name contains `zeroed` are zero.
    pub(crate) fn new(zeroed: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        vocabulary::write_tokenizer(dir.path(), Existing::Refuse).unwrap();
        let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
        let (config, device) = (config(), Default::default());
        let random = Parameters::<Cpu>::random(&config, 7, &device);
        let value = |(name, tensor): (&String, &Tensor<Cpu, 2>)| {
            let zero = zeroed.is_some_and(|zeroed| name.contains(zeroed));
            (name.clone(), if zero { tensor.zeros_like() } else { tensor.clone() })
        };
        let parameters = random.iter().map(value).collect();
        save(&config, &parameters, SavedDtype::F32, &dir.path().join("model.safetensors")).unwrap();
        let weights = Weights::open(dir.path(), &config.tensors()).unwrap();
        let model = Model::load(config, &weights, Portable, &device).unwrap();
        Self { dir, model, tokenizer }
    }

    /// Thoughts of 8 tokens, indexed by their own keys: a model that has learnt nothing writes no markers.
    pub(crate) fn bench(&self) -> Bench<'_, Cpu, Portable> {
        let three = NonZeroUsize::new(3).unwrap();
        let settings = Settings::try_from(Options::default()).unwrap();
        let summary =
            SummaryText { open: Vec::new(), close: Vec::new(), limit: three, end: StopTokens::default() };
        Bench {
            model: &self.model,
            tokenizer: &self.tokenizer,
            kernels: Portable,
            device: Default::default(),
            segmenter: Box::new(Budget::new(NonZeroUsize::new(8).unwrap())),
            options: EngineOptions {
                settings,
                trigger: Trigger::Pooled,
                summary,
                chunk: NonZeroUsize::new(50).unwrap(),
            },
            markers: None,
            end: [1].into_iter().collect(),
            sampler: Sampler::default(),
            alone: |work| work(),
        }
    }

    pub(crate) fn problems(&self, count: u64) -> Vec<Problem> {
        let series = Series::new(&[Kind::LaggedSums, Kind::Ledger], None, 200..=250, 3).unwrap();
        let around = Around::Prompt(Prompt::default());
        let pose = Pose { tokenizer: &self.tokenizer, chat: None, around, length: Length::Times(0.25) };
        (0..count).map(|index| pose.problem(&series.example(index).unwrap().into()).unwrap()).collect()
    }
}

/// Settings over a short window, few votes and pages that do not divide anything.
pub(crate) fn settings(lines: &[&str]) -> Vec<Setting> {
    let base = Options { scope: Scope::Layer, votes: 1, window: 9, page_size: 3, ..Options::default() };
    lines.iter().map(|line| Setting::parse(line, &base).unwrap()).collect()
}

pub(crate) fn plan<'a>(problems: &'a [Problem], settings: &'a [Setting], workers: usize) -> Plan<'a> {
    let (samples, workers) = (NonZeroUsize::MIN, NonZeroUsize::new(workers).unwrap());
    Plan { problems, settings, samples, mass: 0, workers }
}

/// Goes through with a plan; without times, which differ from run to run.
pub(crate) fn done(
    plan: &Plan<'_>,
    bench: &Bench<'_, Cpu, Portable>,
    known: Vec<Outcome>,
    record: Option<Record>,
) -> Vec<Outcome> {
    let mut go_on = |_: Progress<'_>| ControlFlow::Continue(());
    match plan.run(bench, known, record, &mut go_on).unwrap() {
        Ended::Done(outcomes) => outcomes.into_iter().map(timeless).collect(),
        ended @ Ended::Stopped { .. } => panic!("{ended:?}"),
    }
}

/// An outcome without times, and with sums of fractions rounded: JSON may lose their last bit.
pub(crate) fn timeless(mut outcome: Outcome) -> Outcome {
    (outcome.prompt_seconds, outcome.output_seconds) = (0.0, 0.0);
    outcome.run.attended = (outcome.run.attended * 1e6).round();
    outcome
}

/// The recording of a run of so many tokens after the problem's, under a setting.
pub(crate) fn recorded(
    bench: &Bench<'_, Cpu, Portable>,
    problem: &Problem,
    setting: &Setting,
    max_tokens: usize,
) -> Recording {
    let options = EngineOptions { settings: setting.settings().clone(), ..bench.options.clone() };
    let thoughts = bench.segmenter.fresh();
    let mut engine =
        Engine::new(bench.model, Some(bench.tokenizer), Portable, &bench.device, thoughts, options).unwrap();
    engine.record().unwrap();
    let limits = Limits { max_tokens, tokens: bench.end.clone(), strings: StopStrings::default() };
    let greedy = Sampler::default();
    engine.generate(&problem.prompt, greedy, limits, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(engine.record().is_err(), "too late");
    engine.recording().unwrap().clone()
}

pub(crate) fn replay<'a>(
    bench: &'a Bench<'_, Cpu, Portable>,
    recording: &'a Recording,
    settings: &'a [Setting],
) -> Replay<'a, Cpu, Portable> {
    Replay {
        recording,
        settings,
        tokenizer: Some(bench.tokenizer),
        kernels: Portable,
        device: Default::default(),
        segmenter: bench.segmenter.fresh(),
        trigger: bench.options.trigger,
        chunk: bench.options.chunk,
        workers: NonZeroUsize::new(2).unwrap(),
        alone: bench.alone,
    }
}

/// What the settings come to on a recording.
pub(crate) fn replayed(
    bench: &Bench<'_, Cpu, Portable>,
    recording: &Recording,
    settings: &[Setting],
) -> Vec<Replayed> {
    replay(bench, recording, settings).run(&mut |_| ControlFlow::Continue(())).unwrap().unwrap()
}
