//! `docs/cli.md`: the help of all commands on one page.

#![cfg(all(feature = "cpu", feature = "train", feature = "hub", not(feature = "cuda")))]

use std::{fs, path::Path};

use clap::{Command, CommandFactory};
use zoomr_model::atomic_file::{self, Existing};

use super::Cli;

/// Columns of a line.
const WIDTH: usize = 100;

fn page() -> String {
    let mut page =
        "# All commands and flags\n\nAs `--help` prints them; a test keeps this page up to date.\n"
            .to_owned();
    let mut cli = Cli::command().term_width(WIDTH);
    cli.build();
    section(&mut cli, &mut page);
    page
}

fn section(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.clone().term_width(WIDTH).render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    *page += &format!("\n## {name}\n\n```text\n{}\n```\n", help.join("\n").trim_end());
    let described = |command: &&mut Command| command.get_name() != "help";
    command.get_subcommands_mut().filter(described).for_each(|command| section(command, page));
}

#[test]
fn the_page_of_all_commands_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (path, now) = (root.join("docs/cli.md"), page());
    if fs::read_to_string(&path).is_ok_and(|page| page == now) {
        return;
    }
    let fresh = root.join("target/cli.md");
    atomic_file::write(&fresh, now.as_bytes(), Existing::Replace).unwrap();
    panic!("copy {} to {}", fresh.display(), path.display());
}
