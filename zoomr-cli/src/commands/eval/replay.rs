//! `zoomr eval --replay`: settings applied to a recorded run, without the model's weights.

use std::{ops::ControlFlow, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use zoomr_model::{
    eval::{Replay, Replayed, plot_missed},
    recording::Recording,
};

use super::{
    EvalArgs,
    report::{Line, kib, optional, quoted, share},
};
use crate::{
    args::text::Given,
    interrupt::Interrupt,
    load::ModelFiles,
    output::{counter::Counter, note, places::Places, status::Status},
    provider::{Job, Provider},
};

/// The command, ready to run on a backend.
pub(super) struct Replaying {
    pub(super) args: EvalArgs,
    /// The recording.
    pub(super) path: PathBuf,
}

impl Job for Replaying {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let Self { args, path } = self;
        let mut places = Places::default();
        places.input("--replay", &path)?;
        let report = args.report.begin(&mut places)?;
        let interrupt = Interrupt::listen()?;
        let status = Status::new();
        status.say("reading the recording");
        let recording = Recording::read(&path).context("--replay")?;
        // There is no text to make tokens of, so that a model without a tokenizer will do.
        let files = ModelFiles::open(&args.model, &Given::Tokens(Vec::new()), places, &status)?;
        let known = |&id: &u32| (id as usize) < files.config().vocab_size();
        if recording.layers() != files.config().layer_specs() || !recording.tokens().iter().all(known) {
            let (path, model) = (path.display(), args.model.name());
            bail!("--replay: {path} is of another model than {model}; give --model as it was recorded with");
        }
        let tokenizer = files.tokenizer();
        let (segmenter, options) = args.method.resolve(&files, P::USUAL)?;
        let settings = args.settings(files.reasoning_format(), P::USUAL)?;
        let (kernels, device) = P::open()?;
        let replay = Replay {
            recording: &recording,
            settings: &settings,
            tokenizer,
            kernels,
            device,
            segmenter,
            trigger: options.trigger,
            chunk: options.chunk,
            workers: args.workers(),
            alone: P::alone,
        };
        replay.check().context("--replay")?;
        status.clear();

        interrupt.begin_steps();
        let counter = Counter::new("settings", 0, settings.len());
        let replayed = replay.run(&mut |done| {
            counter.at(done, "");
            if interrupt.stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        counter.clear();
        match replayed? {
            Some(rows) => {
                report.finish(&rows)?;
                Ok(ExitCode::SUCCESS)
            }
            None => {
                note("interrupted; nothing was kept");
                Ok(Interrupt::code())
            }
        }
    }
}

impl Line for Replayed {
    fn headings(_: &[Self]) -> Vec<&'static str> {
        vec![
            "setting",
            "tokens",
            "attended",
            "times fewer",
            "KV peak, KiB",
            "reduction",
            "offloaded",
            "hits",
            "missed mass",
        ]
    }

    const SPARE: &[&str] = &["tokens", "hits", "offloaded", "attended", "KV peak, KiB"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.setting.clone(),
            (self.prompt_tokens + self.output_tokens).to_string(),
            format!("{:.0}", self.attended_tokens),
            format!("{:.2}x", self.attended_times_fewer),
            kib(self.resident_peak as f64),
            format!("{:.2}x", self.reduction_of_device),
            format!("{:.2}x", self.reduction_of_total),
            share(self.hit_rate),
            share(Some(self.missed_mass)),
        ]
    }

    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("setting", quoted(&self.setting)),
            ("policy", self.policy.to_owned()),
            ("prompt_tokens", self.prompt_tokens.to_string()),
            ("output_tokens", self.output_tokens.to_string()),
            ("attended_tokens", self.attended_tokens.to_string()),
            ("attended_times_fewer", self.attended_times_fewer.to_string()),
            ("resident_peak", self.resident_peak.to_string()),
            ("resident_area", self.resident_area.to_string()),
            ("full_bytes", self.full_bytes.to_string()),
            ("resident_bytes", self.bytes.resident().to_string()),
            ("cold_bytes", self.bytes.cold.to_string()),
            ("reduction_of_device", self.reduction_of_device.to_string()),
            ("reduction_of_total", self.reduction_of_total.to_string()),
            ("hits", self.hits.to_string()),
            ("misses", self.misses.to_string()),
            ("hit_rate", optional(self.hit_rate)),
            ("missed_mass", self.missed_mass.to_string()),
        ]
    }

    fn picture(rows: &[Self]) -> Result<Option<String>, String> {
        plot_missed(rows)
    }
}

#[cfg(test)]
mod tests {
    use zoomr_core::stats::TierBytes;

    use super::*;
    use crate::commands::eval::report::{csv, table};

    fn rows() -> Vec<Replayed> {
        let row = Replayed {
            setting: "zoomr:zoom=3,window=64".into(),
            policy: "zoomr",
            prompt_tokens: 203,
            output_tokens: 1800,
            attended_tokens: 301.4,
            attended_times_fewer: 3.66,
            resident_peak: 262_144,
            resident_area: 500_000_000,
            full_bytes: 2_621_440,
            bytes: TierBytes { window: 200_000, cold: 2_500_000, ..TierBytes::default() },
            reduction_of_device: 10.0,
            reduction_of_total: 0.971,
            hits: 900,
            misses: 100,
            hit_rate: Some(0.9),
            missed_mass: 0.125,
        };
        let full = Replayed { setting: "full".into(), hit_rate: None, missed_mass: 0.0, ..row.clone() };
        vec![row, full]
    }

    #[test]
    fn reads_like_this() {
        insta::assert_snapshot!(table(&rows(), None));
    }

    #[test]
    fn spreadsheets_read_this() {
        let csv = csv(&rows());
        let lines: Vec<&str> = csv.split("\r\n").collect();
        assert!(lines[0].starts_with("setting,policy,prompt_tokens,output_tokens,attended_tokens,"), "{csv}");
        assert!(
            lines[1].starts_with("\"zoomr:zoom=3,window=64\",zoomr,203,1800,301.4,3.66,262144,"),
            "{csv}"
        );
        assert!(lines[2].starts_with("full,") && lines[2].ends_with(",900,100,,0"), "{csv}");
    }
}
