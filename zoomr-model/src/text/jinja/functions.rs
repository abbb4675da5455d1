//! Functions that templates call by name.

use std::sync::Arc;

use minijinja::{
    Environment, Error, ErrorKind, Value,
    functions::{dict, namespace},
};

use super::{
    arguments::Given,
    failed,
    meter::{ITEM, Meter},
    repr, strftime,
};

/// The most characters of a template's own message.
const MESSAGE: usize = 2_000;
/// The longest list of numbers, as in Jinja2's sandbox.
const RANGE: i128 = 100_000;

/// The message with which a template refused its input.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::text) struct Raised(pub(in crate::text) String);

/// Adds the functions.
pub(super) fn register(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    let m = Arc::clone(meter);
    environment.add_function("raise_exception", move |message: &Value| raise_exception(&m, message));
    let m = Arc::clone(meter);
    environment.add_function("strftime_now", move |format: &str| strftime_now(&m, format));
    let m = Arc::clone(meter);
    environment.add_function("range", move |first: i64, end: Option<i64>, step: Option<i64>| {
        range(&m, first, end, step.unwrap_or(1))
    });
    for (name, function) in
        [("dict", Value::from_function(dict)), ("namespace", Value::from_function(namespace))]
    {
        let m = Arc::clone(meter);
        environment.add_function(name, move |state: &mut minijinja::State, args: Given| {
            m.made(function.call(state, &args.into_values())?)
        });
    }
}

fn raise_exception(meter: &Meter, message: &Value) -> Result<Value, Error> {
    meter.text(message)?;
    let message = repr::text(message).chars().take(MESSAGE).collect();
    Err(Error::new(ErrorKind::InvalidOperation, "raised by the template").with_source(Raised(message)))
}

/// The time now, in UTC.
fn strftime_now(meter: &Meter, format: &str) -> Result<String, Error> {
    // No directive makes more than nine characters of its two.
    meter.spend(format.len().saturating_mul(8))?;
    strftime::strftime(format, strftime::now())
        .map_err(|directive| failed(format!("strftime_now: directive {directive:?} is not supported")))
}

fn range(meter: &Meter, first: i64, end: Option<i64>, step: i64) -> Result<Value, Error> {
    let (start, end) = end.map_or((0, first), |end| (first, end));
    let (start, end, step) = (i128::from(start), i128::from(end), i128::from(step));
    if step == 0 {
        return Err(failed("a range's step cannot be 0"));
    }
    let distance = if step > 0 { end - start } else { start - end };
    let length = (distance.max(0) + step.abs() - 1) / step.abs();
    if length > RANGE {
        return Err(failed(format!("a range has more than {RANGE} numbers")));
    }
    meter.spend(usize::try_from(length).unwrap_or(0) * ITEM)?;
    let number = |index| i64::try_from(start + index * step).map(Value::from).unwrap_or_default();
    Ok((0..length).map(number).collect())
}
