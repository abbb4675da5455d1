//! Filters and tests that MiniJinja has, paid for, with the arguments that Jinja2 gives them.
//!
//! Only Jinja2's own are there: a template that transformers renders needs no other.

use std::sync::Arc;

use minijinja::{
    Environment, State, Value, filters, tests,
    value::{Kwargs, ValueKind},
};

use super::{
    arguments::{Given, bind},
    meter::{Cost, Meter},
};

/// How MiniJinja takes the arguments after the first.
#[derive(Clone, Copy)]
enum Takes {
    /// By their places, as they come.
    Any,
    /// By place, with these names in Jinja2.
    Places(&'static [&'static str]),
    /// By name, in this order in Jinja2.
    Names(&'static [&'static str]),
}

/// Adds the filters and tests.
pub(super) fn register(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    use Cost::{Items, Peek, Text};
    use Takes::{Any, Names, Places};
    let filters: [(&'static str, Value, Cost, Takes); 31] = [
        ("abs", Value::from_function(filters::abs), Peek, Any),
        ("attr", Value::from_function(filters::attr), Peek, Any),
        ("batch", Value::from_function(filters::batch), Items, Places(&["linecount", "fill_with"])),
        ("capitalize", Value::from_function(filters::capitalize), Text, Any),
        ("count", Value::from_function(filters::length), Peek, Any),
        (
            "dictsort",
            Value::from_function(filters::dictsort),
            Text,
            Names(&["case_sensitive", "by", "reverse"]),
        ),
        ("first", Value::from_function(filters::first), Peek, Any),
        (
            "groupby",
            Value::from_function(filters::groupby),
            Text,
            Names(&["attribute", "default", "case_sensitive"]),
        ),
        ("items", Value::from_function(filters::items), Items, Any),
        ("last", Value::from_function(filters::last), Peek, Any),
        ("length", Value::from_function(filters::length), Peek, Any),
        ("list", Value::from_function(filters::list), Items, Any),
        ("lower", Value::from_function(filters::lower), Text, Any),
        ("map", Value::from_function(filters::map), Items, Any),
        ("max", Value::from_function(filters::max), Text, Any),
        ("min", Value::from_function(filters::min), Text, Any),
        ("pprint", Value::from_function(filters::pprint), Text, Any),
        ("reject", Value::from_function(filters::reject), Items, Any),
        ("rejectattr", Value::from_function(filters::rejectattr), Items, Any),
        ("reverse", Value::from_function(filters::reverse), Items, Any),
        ("safe", Value::from_function(filters::safe), Text, Any),
        ("select", Value::from_function(filters::select), Items, Any),
        ("selectattr", Value::from_function(filters::selectattr), Items, Any),
        ("slice", Value::from_function(filters::slice), Items, Places(&["slices", "fill_with"])),
        (
            "sort",
            Value::from_function(filters::sort),
            Text,
            Names(&["reverse", "case_sensitive", "attribute"]),
        ),
        ("title", Value::from_function(filters::title), Text, Any),
        ("trim", Value::from_function(filters::trim), Text, Places(&["chars"])),
        ("unique", Value::from_function(filters::unique), Text, Names(&["case_sensitive", "attribute"])),
        ("upper", Value::from_function(filters::upper), Text, Any),
        ("default", Value::from_function(filters::default), Peek, Places(&["default_value", "boolean"])),
        ("d", Value::from_function(filters::default), Peek, Places(&["default_value", "boolean"])),
    ];
    for (name, filter, cost, takes) in filters {
        let meter = Arc::clone(meter);
        environment.add_filter(name, move |state: &mut State, args: Given| {
            let args = arranged(args.into_values(), takes)?;
            for arg in &args {
                meter.pay(cost, arg)?;
                // A number may be how many items there are to be.
                if let (Items, Some(count)) = (cost, arg.as_usize()) {
                    meter.spend(count)?;
                }
            }
            meter.made(filter.call(state, &args)?)
        });
    }
    register_tests(environment, meter);
}

fn register_tests(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    use Cost::{Peek, Text, Walk};
    let tests: [(&'static str, Value, Cost); 39] = [
        ("boolean", Value::from_function(tests::is_boolean), Peek),
        ("defined", Value::from_function(tests::is_defined), Peek),
        ("divisibleby", Value::from_function(tests::is_divisibleby), Peek),
        ("escaped", Value::from_function(tests::is_safe), Peek),
        ("even", Value::from_function(tests::is_even), Peek),
        ("false", Value::from_function(tests::is_false), Peek),
        ("filter", Value::from_function(tests::is_filter), Peek),
        ("float", Value::from_function(tests::is_float), Peek),
        ("integer", Value::from_function(tests::is_integer), Peek),
        ("mapping", Value::from_function(tests::is_mapping), Peek),
        ("none", Value::from_function(tests::is_none), Peek),
        ("odd", Value::from_function(tests::is_odd), Peek),
        ("sameas", Value::from_function(tests::is_sameas), Walk),
        ("string", Value::from_function(tests::is_string), Peek),
        ("test", Value::from_function(tests::is_test), Peek),
        ("true", Value::from_function(tests::is_true), Peek),
        ("undefined", Value::from_function(tests::is_undefined), Peek),
        ("callable", Value::from_function(is_callable), Peek),
        ("iterable", Value::from_function(is_iterable), Peek),
        ("number", Value::from_function(is_number), Peek),
        ("sequence", Value::from_function(is_sequence), Peek),
        ("lower", Value::from_function(tests::is_lower), Text),
        ("upper", Value::from_function(tests::is_upper), Text),
        ("in", Value::from_function(tests::is_in), Text),
        ("eq", Value::from_function(tests::is_eq), Walk),
        ("equalto", Value::from_function(tests::is_eq), Walk),
        ("==", Value::from_function(tests::is_eq), Walk),
        ("ne", Value::from_function(tests::is_ne), Walk),
        ("!=", Value::from_function(tests::is_ne), Walk),
        ("lt", Value::from_function(tests::is_lt), Walk),
        ("lessthan", Value::from_function(tests::is_lt), Walk),
        ("<", Value::from_function(tests::is_lt), Walk),
        ("le", Value::from_function(tests::is_le), Walk),
        ("<=", Value::from_function(tests::is_le), Walk),
        ("gt", Value::from_function(tests::is_gt), Walk),
        ("greaterthan", Value::from_function(tests::is_gt), Walk),
        (">", Value::from_function(tests::is_gt), Walk),
        ("ge", Value::from_function(tests::is_ge), Walk),
        (">=", Value::from_function(tests::is_ge), Walk),
    ];
    for (name, test, cost) in tests {
        let meter = Arc::clone(meter);
        environment.add_test(name, move |state: &mut State, args: Given| {
            let args = args.into_values();
            args.iter().try_for_each(|arg| meter.pay(cost, arg))?;
            Ok::<bool, minijinja::Error>(test.call(state, &args)?.is_true())
        });
    }
}

/// Whether a value has a length and items by place or key, as Jinja2 asks: texts and dicts do.
fn is_sequence(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Map | ValueKind::Undefined)
}

fn is_iterable(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Iterable) || is_sequence(value)
}

/// Python's booleans are numbers.
fn is_number(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Number | ValueKind::Bool)
}

fn is_callable(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Plain | ValueKind::Undefined)
}

/// Arguments as MiniJinja takes them.
fn arranged(args: Vec<Value>, takes: Takes) -> Result<Vec<Value>, minijinja::Error> {
    let (Takes::Places(names) | Takes::Names(names)) = takes else { return Ok(args) };
    let Some((value, rest)) = args.split_first() else { return Ok(args) };
    let bound = bind(rest, names)?;
    let mut arranged = vec![value.clone()];
    if let Takes::Places(_) = takes {
        let given = bound.all().iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        arranged.extend(bound.all()[..given].iter().map(|arg| arg.clone().unwrap_or_default()));
        return Ok(arranged);
    }
    let named = names.iter().zip(bound.all()).filter_map(|(name, arg)| Some((*name, arg.clone()?)));
    let named: Vec<(&str, Value)> = named.collect();
    if !named.is_empty() {
        arranged.push(Kwargs::from_iter(named).into());
    }
    Ok(arranged)
}
