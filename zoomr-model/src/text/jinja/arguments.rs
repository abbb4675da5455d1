//! Positional and named arguments, bound to parameters as Python binds them.

use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, Rest, ValueOrKwargs},
};

/// What a function or filter is called with.
pub(super) type Given = Rest<ValueOrKwargs>;

/// Arguments by the place of their parameter.
#[derive(Debug)]
pub(super) struct Bound(Vec<Option<Value>>);

/// Binds arguments to the parameters of these names.
///
/// # Errors
/// Where there are too many, or a name is unknown or given twice.
pub(super) fn bind(args: &[Value], names: &[&str]) -> Result<Bound, Error> {
    let (positional, named) = split(args)?;
    if positional.len() > names.len() {
        let most = names.len();
        return Err(Error::new(ErrorKind::TooManyArguments, format!("at most {most} arguments are taken")));
    }
    let mut bound: Vec<Option<Value>> = positional.iter().cloned().map(Some).collect();
    bound.resize(names.len(), None);
    for name in named.iter().flat_map(Kwargs::args) {
        let place = names.iter().position(|known| *known == name);
        let Some(place) = place.filter(|place| bound[*place].is_none()) else {
            return Err(Error::new(ErrorKind::TooManyArguments, format!("unexpected argument {name}")));
        };
        bound[place] = named.as_ref().map(|named| named.peek::<Value>(name)).transpose()?;
    }
    Ok(Bound(bound))
}

/// Positional arguments, and the named ones where there are any.
pub(super) fn split(args: &[Value]) -> Result<(&[Value], Option<Kwargs>), Error> {
    match args.split_last() {
        Some((last, rest)) if last.is_kwargs() => Ok((rest, Some(Kwargs::try_from(last.clone())?))),
        _ => Ok((args, None)),
    }
}

impl Bound {
    /// An argument, where it is given and not undefined.
    pub(super) fn value(&self, place: usize) -> Option<&Value> {
        self.0.get(place)?.as_ref().filter(|value| !value.is_undefined())
    }

    /// As [`value`](Self::value); `None` counts as not given.
    pub(super) fn some(&self, place: usize) -> Option<&Value> {
        self.value(place).filter(|value| !value.is_none())
    }

    /// A text.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn text(&self, place: usize) -> Result<Option<&str>, Error> {
        self.some(place).map(|value| value.as_str().ok_or_else(|| expected("a string", value))).transpose()
    }

    /// A text that must be given.
    ///
    /// # Errors
    /// Where it is missing or something else.
    pub(super) fn required(&self, place: usize) -> Result<&str, Error> {
        self.text(place)?.ok_or_else(|| Error::from(ErrorKind::MissingArgument))
    }

    /// A whole number.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn int(&self, place: usize) -> Result<Option<i64>, Error> {
        self.some(place).map(integer).transpose()
    }

    /// Whether an argument is true; one that is not given is not.
    pub(super) fn flag(&self, place: usize) -> bool {
        self.value(place).is_some_and(Value::is_true)
    }

    /// All arguments.
    pub(super) fn all(&self) -> &[Option<Value>] {
        &self.0
    }
}

/// A whole number.
///
/// # Errors
/// Where the value is something else.
pub(super) fn integer(value: &Value) -> Result<i64, Error> {
    i64::try_from(value.clone()).map_err(|_| expected("a whole number", value))
}

fn expected(what: &str, value: &Value) -> Error {
    Error::new(
        ErrorKind::InvalidOperation,
        format!("{what} is expected, not a value of type {}", value.kind()),
    )
}
