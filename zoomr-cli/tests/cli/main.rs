//! The `zoomr` binary as a shell meets it: exit codes, what goes to which stream, and what stays on disk.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod adapter;
mod annotate;
mod bad_files;
mod bad_flags;
mod builtin;
#[path = "../../../zoomr-model/tests/support/bytes.rs"]
mod bytes;
mod data;
mod device;
mod eval;
mod fingers;
mod gguf;
mod help;
mod hub;
mod inspect;
mod json;
mod kills;
mod law;
mod needle;
mod places;
mod plan;
mod problems;
mod real_model;
mod replay;
#[path = "../../../zoomr-model/tests/hub/server.rs"]
mod server;
#[path = "../../../zoomr-model/tests/support/mod.rs"]
mod shared;
mod streams;
mod support;
#[path = "../../../zoomr-model/tests/annotate/server.rs"]
mod teacher;
mod train;
mod verify;
