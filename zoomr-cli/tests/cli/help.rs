//! What people read first: help and version, as they are.

use std::process::Command;

use crate::support::Ran;

fn zoomr(args: &[&str]) -> Ran {
    Command::new(env!("CARGO_BIN_EXE_zoomr")).args(args).output().unwrap().into()
}

#[test]
fn help_reads_like_this() {
    insta::assert_snapshot!(zoomr(&["generate", "--help"]).succeeded());
}

#[test]
fn scoring_help_reads_like_this() {
    insta::assert_snapshot!(zoomr(&["score", "--help"]).succeeded());
}

#[test]
fn version_and_help_are_no_errors() {
    assert!(zoomr(&["--version"]).succeeded().starts_with("zoomr "));
    assert!(zoomr(&["--help"]).succeeded().contains("generate"));
    let bare = zoomr(&[]);
    assert_eq!(bare.code, Some(1));
    assert!(bare.stderr.contains("Usage"), "{}", bare.stderr);
}
