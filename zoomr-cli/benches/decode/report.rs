//! What was measured, as a table.

use std::{fmt, fs, path::PathBuf, time::Duration};

use zoomr_model::config::ModelConfig;

use super::{
    correct::Check,
    measure::{Row, SHORT, STEPS, Short},
};

/// The share of the limit that decoding at a short context must reach.
const TARGET: f64 = 0.35;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) model: PathBuf,
    pub(crate) config: ModelConfig,
    pub(crate) check: Check,
    /// Bytes of weights that a step reads.
    pub(crate) read: u64,
    pub(crate) short: Short,
    pub(crate) rows: Vec<Row>,
    pub(crate) took: Duration,
}

impl Report {
    /// Tokens per second that memory allows.
    fn limit(&self) -> f64 {
        self.short.bandwidth / self.read as f64
    }

    /// Whether decoding is as fast as it must be.
    pub(crate) fn reaches_target(&self) -> bool {
        self.short.speed >= TARGET * self.limit()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, config, check, read, short, rows, took } = self;
        let limit = self.limit();
        let verdict = if self.reaches_target() { "reached" } else { "MISSED" };
        let (share, target) = (100.0 * short.speed / limit, 100.0 * TARGET);
        writeln!(f, "model      {}, {} parameters", model.display(), config.parameter_count())?;
        writeln!(f, "machine    {}, {} threads", processor(), rayon::current_num_threads())?;
        writeln!(f, "kernels    {check}")?;
        writeln!(f, "bandwidth  {:.2} GB/s read", short.bandwidth / 1e9)?;
        writeln!(f, "weights    {:.2} MB read per token", *read as f64 / 1e6)?;
        writeln!(f, "limit      {limit:.2} tokens/s")?;
        writeln!(
            f,
            "decode     {:.2} tokens/s at {SHORT} to {} tokens: {share:.1}% of the limit; {target:.0}% {verdict}",
            short.speed,
            SHORT + STEPS
        )?;
        writeln!(
            f,
            "\n         |     tokens/s     | zoomr  |  % of the limit  |     KV resident, MiB     | KV cold"
        )?;
        writeln!(
            f,
            " context |    full    zoomr | / full |    full    zoomr |    full    zoomr    less |     MiB"
        )?;
        rows.iter().try_for_each(|row| write_row(f, row, limit))?;
        writeln!(f, "\nmedians of steps taken in turn; {:.0} s in all", took.as_secs_f64())
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, row: &Row, limit: f64) -> fmt::Result {
    let Row { context, full, zoomr } = row;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (held, resident) = (mib(full.bytes.resident()), mib(zoomr.bytes.resident()));
    writeln!(
        f,
        "{context:8} | {:7.2}  {:7.2} | {:5.2}x | {:7.1}  {:7.1} | {held:7.2}  {resident:7.2}  {:5.1}x | {:7.2}",
        full.speed,
        zoomr.speed,
        zoomr.speed / full.speed,
        100.0 * full.speed / limit,
        100.0 * zoomr.speed / limit,
        held / resident,
        mib(zoomr.bytes.cold),
    )
}

/// The processor's name, where Linux tells it.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("an unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}
