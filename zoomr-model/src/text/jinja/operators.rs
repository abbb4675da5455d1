//! Operators that can make something large, as Python has them: see `metered`.

use std::sync::Arc;

use minijinja::{
    Environment, Error, Value,
    value::{Tuple, ValueKind},
};

use super::{
    arguments::integer,
    failed,
    formats::printf,
    meter::{Cost, ITEM, Meter, items},
    metered::names,
    repr,
};

/// Adds the operators.
pub(super) fn register(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    let m = Arc::clone(meter);
    environment.add_filter(names::CONCATENATE, move |a: &Value, b: &Value| concatenate(&m, a, b));
    let m = Arc::clone(meter);
    environment.add_filter(names::MULTIPLY, move |a: &Value, b: &Value| multiply(&m, a, b));
    let m = Arc::clone(meter);
    environment.add_filter(names::REMAINDER, move |a: &Value, b: &Value| remainder(&m, a, b));
    let m = Arc::clone(meter);
    let slicing =
        move |value: &Value, start: &Value, stop: &Value, step: &Value| slice(&m, value, [start, stop, step]);
    environment.add_filter(names::SLICE, slicing);
    let m = Arc::clone(meter);
    environment.add_filter(names::MADE, move |value: Value| m.made(value));
    let costs = [
        (names::EACH, Cost::Each),
        (names::PEEK, Cost::Peek),
        (names::WALK, Cost::Walk),
        (names::TEXT, Cost::Text),
    ];
    for (name, cost) in costs {
        let m = Arc::clone(meter);
        environment.add_filter(name, move |value: Value| m.pay(cost, &value).map(|()| value));
    }
}

fn concatenate(meter: &Meter, a: &Value, b: &Value) -> Result<String, Error> {
    meter.text(a)?;
    meter.text(b)?;
    Ok(repr::text(a) + &repr::text(b))
}

/// A product of numbers, or a text or list several times.
fn multiply(meter: &Meter, a: &Value, b: &Value) -> Result<Value, Error> {
    let repeats = |value: &Value| matches!(value.kind(), ValueKind::String | ValueKind::Seq);
    match (repeats(a), repeats(b)) {
        (true, false) => repeat(meter, a, b),
        (false, true) => repeat(meter, b, a),
        (true, true) => Err(failed("a text or list can only be multiplied by a whole number")),
        (false, false) => arithmetic(a, b, i128::checked_mul, |a, b| a * b),
    }
}

fn repeat(meter: &Meter, value: &Value, times: &Value) -> Result<Value, Error> {
    let times = usize::try_from(integer(times)?).unwrap_or(0);
    if let Some(text) = value.as_str() {
        meter.spend(text.len().saturating_mul(times))?;
        return Ok(Value::from(text.repeat(times)));
    }
    let items = items(value)?;
    meter.spend(items.len().saturating_mul(ITEM).saturating_mul(times))?;
    let repeated = std::iter::repeat_n(items, times).flatten().collect();
    Ok(like(value, repeated))
}

/// Python's `%`: the remainder with the sign of the divisor, or a text with its places filled in.
fn remainder(meter: &Meter, a: &Value, b: &Value) -> Result<Value, Error> {
    if let Some(pattern) = a.as_str() {
        let values = if b.is_tuple() { items(b)? } else { vec![b.clone()] };
        return printf(meter, pattern, &values).map(Value::from);
    }
    let floor = |a: i128, b: i128| {
        let rest = a.checked_rem(b)?;
        Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
    };
    arithmetic(a, b, floor, |a, b| a - b * (a / b).floor())
}

fn arithmetic(
    a: &Value,
    b: &Value,
    whole: impl Fn(i128, i128) -> Option<i128>,
    real: impl Fn(f64, f64) -> f64,
) -> Result<Value, Error> {
    let is_whole = |value: &Value| value.is_integer() || value.kind() == ValueKind::Bool;
    if is_whole(a) && is_whole(b) {
        let value = whole(i128::try_from(a.clone())?, i128::try_from(b.clone())?);
        let value = value.ok_or_else(|| failed("division by zero, or a number too large"))?;
        return Ok(i64::try_from(value).map_or_else(|_| Value::from(value), Value::from));
    }
    let number = |value: &Value| match value.kind() {
        ValueKind::Number => f64::try_from(value.clone()),
        kind => Err(failed(format!("a number is expected, not a value of type {kind}"))),
    };
    Ok(Value::from(real(number(a)?, number(b)?)))
}

/// A part of a text or list, by Python's rules for bounds that are negative or beyond the end.
fn slice(meter: &Meter, value: &Value, bounds: [&Value; 3]) -> Result<Value, Error> {
    let bound = |value: &Value| {
        let given = !value.is_none() && !value.is_undefined();
        given.then(|| integer(value)).transpose()
    };
    let [start, stop, step] = bounds.map(bound);
    let (start, stop, step) = (start?, stop?, step?.unwrap_or(1));
    if step == 0 {
        return Err(failed("a slice's step cannot be 0"));
    }
    if let Some(text) = value.as_str() {
        meter.spend(text.len())?;
        if start.is_none() && stop.is_none() && step == 1 {
            return Ok(value.clone());
        }
        let chars: Vec<char> = text.chars().collect();
        return Ok(indices(chars.len(), start, stop, step).map(|at| chars[at]).collect::<String>().into());
    }
    if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return Err(failed(format!("a value of type {} cannot be sliced", value.kind())));
    }
    meter.pay(Cost::Items, value)?;
    let items = items(value)?;
    let part = indices(items.len(), start, stop, step).map(|at| items[at].clone()).collect();
    Ok(like(value, part))
}

/// The places that a slice of `len` items takes.
fn indices(len: usize, start: Option<i64>, stop: Option<i64>, step: i64) -> impl Iterator<Item = usize> {
    let len = i128::try_from(len).unwrap_or(i128::MAX);
    let (lowest, highest) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let clamp = |bound: Option<i64>, default: i128| match bound.map(i128::from) {
        Some(bound) => (if bound < 0 { bound + len } else { bound }).clamp(lowest, highest),
        None => default,
    };
    let first = clamp(start, if step > 0 { lowest } else { highest });
    let end = clamp(stop, if step > 0 { highest } else { lowest });
    let step = i128::from(step);
    let inside = move |at: &i128| if step > 0 { *at < end } else { *at > end };
    std::iter::successors(Some(first), move |at| Some(at + step))
        .take_while(inside)
        .filter_map(|at| usize::try_from(at).ok())
}

/// Items as what they came from: a tuple stays one.
fn like(value: &Value, items: Vec<Value>) -> Value {
    if value.is_tuple() { Value::from(Tuple::from(items)) } else { Value::from(items) }
}
