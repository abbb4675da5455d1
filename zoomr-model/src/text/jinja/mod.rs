//! The Jinja that chat templates are written for: Jinja2 as Hugging Face sets it up, and bounded.
//!
//! MiniJinja parses and runs a template; this module makes it speak Python, and counts what it makes.
//!
//! | file | what is in it |
//! |---|---|
//! | `source` | a template's text before it is parsed: newlines, `{% generation %}`, size |
//! | `metered` | the parsed template with every operator that can make something large under a name of its own |
//! | `meter` | what a rendering may use up, and errors that say so |
//! | `operators` | those operators: `~`, `*`, `%`, slices |
//! | `formats` | `%s` and `{}` filled in |
//! | `arguments` | positional and named arguments, as Python binds them |
//! | `filters` | filters and tests |
//! | `reshaping` | the filters that MiniJinja has not, or has with other arguments |
//! | `methods`, `characters` | methods of Python's strings, lists and dicts |
//! | `texts` | what filters and methods both do |
//! | `functions` | `range`, `dict`, `namespace`, and Hugging Face's `raise_exception` and `strftime_now` |
//! | `repr`, `json` | values as Python's `str` and `json.dumps` write them |
//! | `strftime` | dates |

mod arguments;
mod characters;
mod filters;
mod formats;
mod functions;
mod json;
mod meter;
mod metered;
mod methods;
mod operators;
mod repr;
mod reshaping;
mod source;
mod strftime;
mod texts;

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Value,
    machinery::{CodeGenerator, Instructions, eval, make_string_output, parse},
};

pub(super) use self::{functions::Raised, meter::Limit};
use self::{
    meter::{FUEL, Meter, RECURSION},
    source::syntax,
};

/// The template's name in messages.
const NAME: &str = "chat";

/// A template that has been checked.
#[derive(Clone, Debug)]
pub(super) struct Program {
    source: String,
}

impl Program {
    /// Checks a template.
    ///
    /// # Errors
    /// Where it is not valid, or too large.
    pub(super) fn parse(source: &str) -> Result<Self, Error> {
        let source = source::prepared(source)?;
        compile(&source)?;
        Ok(Self { source })
    }

    /// Renders the template; `given` is how many bytes of text `context` holds.
    ///
    /// # Errors
    /// Where the template fails, refuses its input, or passes a [`Limit`].
    pub(super) fn render(&self, context: Value, given: usize) -> Result<String, Error> {
        // The engine's own faults must not end a program that renders what others wrote.
        let rendered = catch_unwind(AssertUnwindSafe(|| self.run(context, given)));
        rendered
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::InvalidOperation, "the template engine failed")))
    }

    fn run(&self, context: Value, given: usize) -> Result<String, Error> {
        let meter = Arc::new(Meter::new(given));
        let environment = environment(&meter);
        let (instructions, blocks) = compile(&self.source)?;
        let mut text = String::new();
        let mut output = make_string_output(&mut text);
        eval(&environment, &instructions, context, &blocks, &mut output, AutoEscape::None)?;
        Ok(text)
    }
}

/// What the parser's tree becomes: the program, and its blocks by name.
type Compiled<'a> = (Instructions<'a>, BTreeMap<&'a str, Instructions<'a>>);

fn compile(source: &str) -> Result<Compiled<'_>, Error> {
    let tree = parse(source, NAME, syntax())?;
    let mut generator = CodeGenerator::new(NAME, source);
    generator.compile_stmt(&metered::statement(&tree));
    Ok(generator.finish())
}

/// An environment whose every part draws on one meter.
fn environment(meter: &Arc<Meter>) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    filters::register(&mut environment, meter);
    reshaping::register(&mut environment, meter);
    operators::register(&mut environment, meter);
    functions::register(&mut environment, meter);
    let methods = Arc::clone(meter);
    environment.set_unknown_method_callback(move |_, value, method, args| {
        methods::call(&methods, value, method, args)
    });
    let printed = Arc::clone(meter);
    environment.set_formatter(move |out, state, value| {
        printed.text(value)?;
        match state.auto_escape() {
            AutoEscape::None => out.write_str(&repr::text(value)).map_err(Error::from),
            _ => minijinja::escape_formatter(out, state, value),
        }
    });
    environment
}

/// A failed operation of the template's.
fn failed(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

#[cfg(test)]
mod tests;
