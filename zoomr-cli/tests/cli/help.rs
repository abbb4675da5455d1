//! What people read first: help and version, as they are.

use std::process::Command;
#[cfg(target_os = "linux")]
use std::process::Stdio;

use crate::support::Ran;

fn zoomr(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(args).env_remove("COLUMNS").output().unwrap().into()
}

/// A command's help; clap indents empty lines, too.
fn help(command: &[&str]) -> String {
    let help = zoomr(&[command, &["--help"]].concat()).succeeded();
    help.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn help_reads_like_this() {
    insta::assert_snapshot!(help(&["generate"]));
}

#[test]
fn scoring_help_reads_like_this() {
    insta::assert_snapshot!(help(&["score"]));
}

#[test]
fn help_on_needles_reads_like_this() {
    insta::assert_snapshot!(help(&["needle"]));
}

#[test]
fn help_on_data_reads_like_this() {
    insta::assert_snapshot!(help(&["data", "synth"]));
}

/// As any other output: it may be cut short, and a full medium is said.
#[cfg(target_os = "linux")]
#[test]
fn help_that_nobody_can_read() {
    let run = |args: &[&str], to: Stdio| -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
        command.args(args).stdout(to).stderr(Stdio::piped()).output().unwrap().into()
    };
    for args in [&["--help"][..], &["eval", "--help"], &["help", "eval"], &["--version"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        run(args, full.into()).refused(&["cannot write to standard output", "No space left"]);
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = run(args, writer.into());
        assert_eq!((ran.code, &*ran.stderr), (Some(141), ""), "{args:?}");
    }
}

#[test]
fn version_and_help_are_no_errors() {
    assert!(zoomr(&["--version"]).succeeded().starts_with("zoomr "));
    assert!(zoomr(&["--help"]).succeeded().contains("generate"));
    let bare = zoomr(&[]);
    assert_eq!(bare.code, Some(1));
    assert!(bare.stderr.contains("Usage"), "{}", bare.stderr);
}
