//! `zoomr man`: manual pages.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use zoomr_model::atomic_file::{Existing, Scratch, write};

use crate::{args::Cli, output::print};

/// Flags of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write a page for each command into this folder, instead of printing the one of zoomr.
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Where a page cannot be written.
pub(crate) fn run(args: &ManArgs) -> Result<ExitCode> {
    match &args.dir {
        Some(dir) => {
            let failed = || format!("cannot write manual pages into {}", dir.display());
            fs::create_dir_all(dir).with_context(failed)?;
            let made = Scratch::new().context("cannot make a temporary directory")?;
            clap_mangen::generate_to(Cli::command(), made.path()).with_context(failed)?;
            for page in fs::read_dir(made.path()).with_context(failed)? {
                let page = page.with_context(failed)?;
                let text = fs::read(page.path()).with_context(failed)?;
                write(&dir.join(page.file_name()), &text, Existing::Replace)?;
            }
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).context("cannot make the manual page")?;
            print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
