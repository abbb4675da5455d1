//! What was measured, as a table.

use std::{fmt, fs, path::PathBuf, time::Duration};

use zoomr_model::config::ModelConfig;

use super::{
    correct::Check,
    measure::{Cost, Row, SHORT, STEPS, Short, Side},
    timed::{Spent, Watch},
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
        writeln!(f, "\n         |          |                  | % of the | tokens   |  KV memory, MiB")?;
        writeln!(f, " context |          | tokens/s  / full |    limit | attended | resident     cold")?;
        rows.iter().try_for_each(|row| write_row(f, row, limit))?;
        write_costs(f, rows, config.layer_specs().len())?;
        writeln!(f, "\nmedians of steps taken in turn; {:.0} s in all", took.as_secs_f64())
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, row: &Row, limit: f64) -> fmt::Result {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let full = row.sides.first().map_or(f64::NAN, |side| side.speed);
    for Side { name, speed, attended, bytes, .. } in &row.sides {
        writeln!(
            f,
            "{:8} | {name:8} | {speed:8.2}  {:5.2}x | {:8.1} | {attended:8.0} | {:8.2} {:8.2}",
            row.context,
            speed / full,
            100.0 * speed / limit,
            mib(bytes.resident()),
            mib(bytes.cold),
        )?;
    }
    Ok(())
}

/// Where steps' time and heap requests go, and what they leave behind.
fn write_costs(f: &mut fmt::Formatter<'_>, rows: &[Row], layers: usize) -> fmt::Result {
    writeln!(
        f,
        "\n         |          |         % of a step's time          |    heap requests per layer and step"
    )?;
    let parts = "session  kernels  products  model";
    writeln!(f, " context |          |  {parts}  |    all  {parts}")?;
    for row in rows {
        for Side { name, cost, .. } in &row.sides {
            let (time, requests) = (cost.time, cost.requests);
            let share = |part: u64| 100.0 * part as f64 / time.of(Watch::Step) as f64;
            let each = |part: u64| part as f64 / (cost.steps * layers) as f64;
            let [session, kernels, products, model] = parts_of(time).map(share);
            write!(
                f,
                "{:8} | {name:8} | {session:8.2}  {kernels:7.2}  {products:8.2}  {model:5.2}  |",
                row.context
            )?;
            let all = each(requests.of(Watch::Step));
            let [session, kernels, products, model] = parts_of(requests).map(each);
            writeln!(f, " {all:6.1}  {session:7.1}  {kernels:7.1}  {products:8.1}  {model:5.1}")?;
        }
    }
    writeln!(f, "\nwhat the heap gains per step, in the first and in the second half of the steps")?;
    writeln!(f, " context |          |  bytes but KV |  bytes of KV  | blocks, KV's included")?;
    for row in rows {
        row.sides.iter().try_for_each(|side| write_gains(f, row.context, side.name, &side.cost))?;
    }
    Ok(())
}

fn write_gains(f: &mut fmt::Formatter<'_>, context: usize, name: &str, cost: &Cost) -> fmt::Result {
    let per_step = |value: i64| 2.0 * value as f64 / cost.steps as f64;
    let ([first, second], kv) = (cost.gained, cost.gained_kv);
    let other = [first.bytes - kv[0], second.bytes - kv[1]].map(per_step);
    let (kv, blocks) = (kv.map(per_step), [first.blocks, second.blocks].map(per_step));
    writeln!(
        f,
        "{context:8} | {name:8} | {:6.0} {:6.0} | {:6.0} {:6.0} | {:6.1} {:6.1}",
        other[0], other[1], kv[0], kv[1], blocks[0], blocks[1]
    )
}

/// What session, kernels, products and the rest of the model spent.
fn parts_of(spent: Spent) -> [u64; 4] {
    [spent.session(), spent.of(Watch::Kernels), spent.of(Watch::Products), spent.model()]
}

/// The processor's name, where Linux tells it.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or("an unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}
