//! An answer as a quantity: a number or a simple expression of numbers, maybe a percentage or with a unit.
//!
//! ```text
//! quantity := sum [scale] [percent | degree] [unit]
//! sum      := [sign] product (sign [sign] product)*
//! product  := power ((times | over) [sign] power | power that begins with a bracket, a root or π)*
//! power    := atom [^ [sign] atom]
//! atom     := numeral [fraction] | bracket sum bracket | \frac argument argument | \sqrt argument | π
//! ```
//!
//! In plain text or LaTeX. Read from left to right once; nothing is ever read again.

use super::{
    lead::{TEXT, after, skip},
    numeral::numeral,
    value::Value,
};

/// Longer answers are text.
pub(super) const LONGEST: usize = 4096;
/// Nor are brackets within more brackets than this.
const DEEPEST: usize = 64;
/// Units that may follow a number at once, as in `5kg`, and single letters that are units at all; other letters
/// are algebra.
const UNITS: [&str; 38] = [
    "mm", "cm", "dm", "m", "km", "in", "ft", "yd", "mi", "mg", "g", "kg", "lb", "oz", "ms", "s", "min", "h",
    "hr", "ml", "mL", "l", "L", "J", "N", "W", "kW", "V", "A", "K", "C", "F", "Hz", "mph", "kph", "kmh",
    "kB", "MB",
];
/// Words after a number that say that there is more to it.
const NOT_UNITS: [&str; 10] =
    ["and", "or", "to", "times", "plus", "minus", "multiplied", "divided", "squared", "cubed"];
/// Words after a number that do, before a `than`: `4 more` may be an answer, `4 more than 9` is not 4.
const COMPARED: [&str; 3] = ["more", "less", "fewer"];
/// Words that multiply the number before them. A dozen is left to be a unit: questions ask for how many.
const SCALES: [(&str, i128); 5] = [
    ("hundred", 100),
    ("thousand", 1000),
    ("million", 1_000_000),
    ("billion", 1_000_000_000),
    ("trillion", 1_000_000_000_000),
];

/// A value, and what kind of value it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Quantity {
    value: Value,
    percent: bool,
    unit: Option<String>,
}

impl Quantity {
    /// Whether two quantities are the same, as an answer.
    pub(super) fn is(&self, other: &Self) -> bool {
        let units_agree = match (&self.unit, &other.unit) {
            (Some(a), Some(b)) => singular(a).eq_ignore_ascii_case(singular(b)),
            _ => true,
        };
        let hundredth = |of: &Self| of.value.over(Value::integer(100));
        units_agree
            && (self.value.is(other.value)
                || self.percent
                    && !other.percent
                    && hundredth(self).is_some_and(|value| value.is(other.value))
                || other.percent
                    && !self.percent
                    && hundredth(other).is_some_and(|value| value.is(self.value)))
    }
}

fn singular(unit: &str) -> &str {
    if unit.len() > 2 { unit.strip_suffix('s').unwrap_or(unit) } else { unit }
}

/// The quantity that a whole text is.
pub(super) fn quantity(text: &str) -> Option<Quantity> {
    let text = right_side(text.trim());
    if text.len() > LONGEST {
        return None;
    }
    let mut reader = Reader { rest: text, depth: 0, brackets: 0 };
    let sum = reader.sum()?;
    let value = reader.scaled(sum)?;
    let percent = reader.accept(&["\\%", "%", "percent"]);
    reader.accept(&["^\\circ", "^{\\circ}", "°", "\\degree"]);
    let unit = reader.unit()?.map(str::to_owned);
    Some(Quantity { value, percent, unit })
}

/// What stands after the last sign of equality: `x = 5` is an answer of 5, and `2 + 3 = 4 + 1 = 5`, too. Several
/// answers are left alone.
fn right_side(text: &str) -> &str {
    let several = |text: &str| [",", ";", " or ", " and ", "\\text{"].iter().any(|sign| text.contains(sign));
    match text.rsplit_once('=') {
        Some((left, right)) if !left.contains('=') || !several(text) => right,
        _ => text,
    }
}

/// Reads a text from left to right.
#[derive(Debug)]
struct Reader<'a> {
    rest: &'a str,
    /// Brackets that are open, and arguments of commands.
    depth: usize,
    /// Round and square brackets that are open: a comma in them separates.
    brackets: usize,
}

impl<'a> Reader<'a> {
    /// Takes one of these, if it comes next.
    fn accept(&mut self, options: &[&str]) -> bool {
        let rest = after(self.rest, options);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn comes(&self, options: &[&str]) -> bool {
        after(self.rest, options).is_some()
    }

    /// Takes a sign, if one comes next: whether it is a minus.
    fn sign(&mut self) -> Option<bool> {
        let minus = self.accept(&["-", "−", "–"]);
        (minus || self.accept(&["+"])).then_some(minus)
    }

    fn sum(&mut self) -> Option<Value> {
        let mut sum = self.signed(Self::product)?;
        while let Some(minus) = self.sign() {
            // A second sign is the next number's own.
            let next = self.signed(Self::product)?;
            sum = sum.plus(if minus { next.negated()? } else { next })?;
        }
        Some(sum)
    }

    fn signed(&mut self, part: fn(&mut Self) -> Option<Value>) -> Option<Value> {
        let minus = self.sign() == Some(true);
        let value = part(self)?;
        if minus { value.negated() } else { Some(value) }
    }

    fn product(&mut self) -> Option<Value> {
        let mut product = self.power()?;
        loop {
            if self.accept(&["*", "×", "·", "\\times", "\\cdot"]) {
                product = product.times(self.signed(Self::power)?)?;
            } else if self.accept(&["/", "÷", "\\div"]) {
                product = product.over(self.signed(Self::power)?)?;
            } else if self.comes(&["(", "\\sqrt", "√"]) || pi(self.rest).is_some() {
                product = product.times(self.power()?)?;
            } else {
                return Some(product);
            }
        }
    }

    fn power(&mut self) -> Option<Value> {
        let base = self.atom()?;
        if self.comes(&["^\\circ", "^{\\circ}"]) || !self.accept(&["^", "**"]) {
            return Some(base);
        }
        base.to_the(self.deeper(|reader| reader.signed(Self::atom))?)
    }

    fn atom(&mut self) -> Option<Value> {
        for (open, close) in [("(", ")"), ("[", "]")] {
            if self.accept(&[open]) {
                self.brackets += 1;
                let value = self.inside(close);
                self.brackets -= 1;
                return value;
            }
        }
        for (open, close) in [("\\{", "\\}"), ("{", "}")] {
            if self.accept(&[open]) {
                return self.inside(close);
            }
        }
        if self.accept(&["\\frac", "\\dfrac", "\\tfrac"]) {
            return self.fraction();
        }
        if self.accept(&["\\sqrt", "√"]) {
            return self.root();
        }
        if let Some(rest) = pi(self.rest) {
            self.rest = rest;
            return Some(Value::pi());
        }
        self.number()
    }

    /// The root of what follows; other roots than the second have their degree in square brackets.
    fn root(&mut self) -> Option<Value> {
        if !self.accept(&["["]) {
            return self.argument()?.root();
        }
        let degree = self.inside("]")?;
        self.argument()?.to_the(Value::integer(1).over(degree)?)
    }

    /// A number, and a fraction after it that makes it a mixed one.
    fn number(&mut self) -> Option<Value> {
        let (number, rest) = numeral(skip(self.rest), self.brackets == 0)?;
        self.rest = rest;
        if number.is_integer && self.accept(&["\\frac", "\\dfrac", "\\tfrac"]) {
            return number.value.plus(self.fraction()?);
        }
        Some(number.value)
    }

    /// A sum up to its closing bracket.
    fn inside(&mut self, close: &str) -> Option<Value> {
        self.deeper(|reader| reader.sum().filter(|_| reader.accept(&[close])))
    }

    fn fraction(&mut self) -> Option<Value> {
        let over = self.argument()?;
        over.over(self.argument()?)
    }

    /// What a command applies to: braces, or the one thing that follows: `\frac12` is a half.
    fn argument(&mut self) -> Option<Value> {
        let rest = skip(self.rest);
        match rest.bytes().next() {
            Some(digit) if digit.is_ascii_digit() => {
                self.rest = &rest[1..];
                Some(Value::integer((digit - b'0').into()))
            }
            _ => self.deeper(Self::atom),
        }
    }

    fn deeper(&mut self, read: impl FnOnce(&mut Self) -> Option<Value>) -> Option<Value> {
        self.depth += 1;
        let value = if self.depth > DEEPEST { None } else { read(self) };
        self.depth -= 1;
        value
    }

    /// `value`, times what a word that comes next says.
    fn scaled(&mut self, value: Value) -> Option<Value> {
        let word = |&(word, scale): &(&str, i128)| {
            let rest = after(self.rest, &[word])?;
            (!rest.starts_with(char::is_alphabetic)).then_some((rest, scale))
        };
        let Some((rest, scale)) = SCALES.iter().find_map(word) else { return Some(value) };
        self.rest = rest;
        value.times(Value::integer(scale))
    }

    /// The unit that is all there is left, or `None` inside where nothing is left; `None` where it is something else.
    fn unit(&self) -> Option<Option<&'a str>> {
        let stop = |c: char| c.is_whitespace() || matches!(c, '.' | ',' | ';' | '!' | '?');
        let rest = skip(self.rest).trim_end_matches(stop);
        if rest.is_empty() {
            return Some(None);
        }
        if let Some(inside) = after(rest, &TEXT) {
            let word = inside.split('}').next().and_then(|text| text.split_whitespace().next());
            return (!word.is_some_and(|word| NOT_UNITS.contains(&word))).then_some(word);
        }
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let word = &rest[..letters];
        let attached = !self.rest.starts_with(char::is_whitespace);
        let compared = COMPARED.contains(&word) && skip(&rest[letters..]).starts_with("than");
        let goes_on = compared || NOT_UNITS.contains(&word);
        let is_word = !attached && word.chars().nth(1).is_some() && !goes_on;
        (is_word || UNITS.contains(&word)).then(|| rest.split_whitespace().next())
    }
}

/// What follows a π, if one comes first.
fn pi(text: &str) -> Option<&str> {
    after(text, &["\\pi", "π", "pi"]).filter(|rest| !rest.starts_with(char::is_alphabetic))
}
