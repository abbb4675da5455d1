//! What sessions hold, destroy, refuse and undo.

mod budgets;
mod memory;
mod support;
mod undone;
