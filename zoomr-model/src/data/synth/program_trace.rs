//! Program trace: a loop that assigns scalars and writes an array, step by step, modulo 10.
//!
//! ```text
//! program : x t36 3 y t37 2 a t29 4 a t32 0 a t35 9 a t38 6 loop x t39 = x t36 + a t29 ; y t40 = y t37 - x t36 ;
//!     a t41 = x t36 + y t37 ; until t119 ; find t76 ?
//! <thought> x t36 3 + a t29 4 =7 -> x t39 7 ; ... </thought> <summary> x t39 7 y t40 9 a t41 </summary> ...
//! answer t76 8
//! ```
//!
//! A sum or difference is written out before it is taken modulo 10, and an arrow stands before what it is assigned to,
//! as in lagged sums.
//!
//! Each assignment has a label of its own, one after the other, so that a label says which value is meant. The body
//! is written for its first pass; all labels go up by the number of statements per pass. All assignments of a pass
//! happen at once: operands are scalars of the pass before, and one cell of the array that is `lag` passes old. The
//! newest scalars are in the newest summary, cells only in the detail of their thoughts. A thought holds as many whole
//! passes as make at most four lines.

use std::ops::RangeInclusive;

use super::{
    Generator, Kind, SynthError, check, check_range,
    draw::Draw,
    ended,
    fit::{self, Shape},
    vocabulary::{self, LABELS, SCALARS, VALUES},
};
use crate::data::example::{Example, Thought};

/// The most lines of a thought.
const LINES: usize = 4;
/// A program is drawn again unless each of its destinations takes at least `LIVELY` values within `WATCHED` passes.
const LIVELY: usize = 5;
const WATCHED: usize = 40;

/// What programs are like, as a person gives it; [`ProgramTrace`] has checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramTraceOptions {
    /// Statements of the body, the array's included: within 2 to 4.
    pub statements: RangeInclusive<usize>,
    /// How old the cell is that the body reads, in passes: at least 2, and at most an eighth of the labels.
    pub lags: RangeInclusive<usize>,
    /// Labels that assignments are given: 16 to 600.
    pub labels: usize,
}

impl Default for ProgramTraceOptions {
    fn default() -> Self {
        Self { statements: 3..=3, lags: 2..=12, labels: LABELS }
    }
}

/// Makes programs and their traces.
#[derive(Clone, Debug, Default)]
pub struct ProgramTrace {
    options: ProgramTraceOptions,
}

impl TryFrom<ProgramTraceOptions> for ProgramTrace {
    type Error = SynthError;

    fn try_from(options: ProgramTraceOptions) -> Result<Self, SynthError> {
        check_range("statements", &options.statements, 2..=SCALARS.len())?;
        check("labels", options.labels, 16..=LABELS)?;
        check_range("lags", &options.lags, 2..=options.labels / 8)?;
        Ok(Self { options })
    }
}

impl Generator for ProgramTrace {
    fn kind(&self) -> Kind {
        Kind::ProgramTrace
    }

    fn example(&self, tokens: usize, draw: &mut Draw) -> Result<Example, SynthError> {
        let ProgramTraceOptions { statements, lags, labels } = &self.options;
        let shapes = statements
            .clone()
            .flat_map(|statements| lags.clone().map(move |lag| Program::blank(statements - 1, lag, *labels)));
        let (shape, passes) = fit::choose(self.kind(), shapes.collect(), tokens, draw)?;
        let mut program = shape;
        let rest = (program.most() - passes) * program.body.len();
        program.first += draw.within(0..=rest);
        program.wanted = (draw.below(program.body.len()), draw.within(1..=passes));
        program.scalars = draw.some_of(&SCALARS, program.scalars.len());
        program.body = body(program.scalars.len(), draw);
        program.start(draw);
        while !program.is_lively() {
            program.body = body(program.scalars.len(), draw);
            program.start(draw);
        }
        Ok(program.example(passes))
    }
}

/// What a statement adds or subtracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    /// The scalar with this index, of the pass before.
    Scalar(usize),
    /// The array's cell that is `lag` passes old.
    Cell,
}

/// The right side of an assignment.
#[derive(Clone, Copy, Debug)]
struct Statement {
    left: Operand,
    minus: bool,
    right: Operand,
}

/// A body: a statement for each scalar, and the array's.
fn body(scalars: usize, draw: &mut Draw) -> Vec<Statement> {
    // A scalar takes in the cell, so that the array matters for what comes.
    let reader = draw.below(scalars);
    let mut statement = |index| {
        let mut operands = draw.some_of(&(0..scalars).map(Operand::Scalar).collect::<Vec<_>>(), 2);
        if index == reader {
            operands[0] = Operand::Cell;
            operands.resize(2, Operand::Scalar(draw.below(scalars)));
            draw.shuffle(&mut operands);
        }
        match operands[..] {
            [left, right] => Statement { left, minus: draw.coin(), right },
            // The only scalar, twice: a difference would always be 0.
            _ => Statement { left: operands[0], minus: false, right: operands[0] },
        }
    };
    (0..=scalars).map(&mut statement).collect()
}

/// One problem, but for the number of its passes.
#[derive(Debug)]
struct Program {
    labels: usize,
    /// The number in the label that the first scalar has before the first pass.
    first: usize,
    lag: usize,
    /// Names of the scalars, in the order of their statements.
    scalars: Vec<&'static str>,
    /// Values before the first pass: of each scalar, and of the last `lag` cells, oldest first.
    initial: (Vec<usize>, Vec<usize>),
    /// A statement for each scalar, and the array's.
    body: Vec<Statement>,
    /// What is asked for: whose statement, and of which pass, counted from 1.
    wanted: (usize, usize),
}

/// The values of one destination: those before the first pass, then one per pass.
type History = Vec<usize>;

impl Shape for Program {
    fn most(&self) -> usize {
        (self.labels - self.first) / self.body.len() - 1
    }

    fn tokens(&self, units: usize) -> usize {
        vocabulary::count(&self.example(units))
    }
}

impl Program {
    /// A program of this shape that is as long as any other, with labels as low as they can be.
    fn blank(scalars: usize, lag: usize, labels: usize) -> Self {
        let statement = Statement { left: Operand::Scalar(0), minus: false, right: Operand::Cell };
        Self {
            labels,
            first: lag * (scalars + 1),
            lag,
            scalars: SCALARS[..scalars].to_vec(),
            initial: (vec![0; scalars], vec![0; lag]),
            body: vec![statement; scalars + 1],
            wanted: (0, 1),
        }
    }

    /// Draws the values before the first pass.
    fn start(&mut self, draw: &mut Draw) {
        let mut values = |count| (0..count).map(|_| draw.below(VALUES)).collect();
        self.initial = (values(self.scalars.len()), values(self.lag));
    }

    /// Whether nothing soon stands still.
    fn is_lively(&self) -> bool {
        self.run(WATCHED).into_iter().all(|mut values| {
            values.sort_unstable();
            values.dedup();
            values.len() >= LIVELY
        })
    }

    /// Every destination's values after so many passes, scalars first, then the array.
    fn run(&self, passes: usize) -> Vec<History> {
        let (scalars, cells) = &self.initial;
        let mut histories: Vec<History> = scalars.iter().map(|&value| vec![value]).collect();
        histories.push(cells.clone());
        for pass in 1..=passes {
            let evaluate = |statement: &Statement| {
                let [left, right] =
                    [statement.left, statement.right].map(|op| self.value(&histories, op, pass));
                if statement.minus { (left + VALUES - right) % VALUES } else { (left + right) % VALUES }
            };
            let assigned: Vec<usize> = self.body.iter().map(evaluate).collect();
            histories.iter_mut().zip(assigned).for_each(|(history, value)| history.push(value));
        }
        histories
    }

    /// What an operand is in a pass.
    fn value(&self, histories: &[History], operand: Operand, pass: usize) -> usize {
        match operand {
            Operand::Scalar(index) => histories[index][pass - 1],
            // The array's history begins `lag` cells before the first pass.
            Operand::Cell => histories[self.scalars.len()][pass - 1],
        }
    }

    /// The value that a pass assigned.
    fn assigned(&self, histories: &[History], dest: usize, pass: usize) -> usize {
        let before = if dest == self.scalars.len() { self.lag } else { 1 };
        histories[dest][before + pass - 1]
    }

    fn example(&self, passes: usize) -> Example {
        let histories = self.run(passes);
        let (dest, pass) = self.wanted;
        let all: Vec<usize> = (1..=passes).collect();
        let per_thought = (LINES / self.body.len()).max(1);
        Example {
            kind: Some(Kind::ProgramTrace.to_string()),
            question: self.question(passes),
            thoughts: ended(all.chunks(per_thought).map(|passes| self.thought(&histories, passes)).collect()),
            answer: format!("t{} {}", self.label(dest, pass), self.assigned(&histories, dest, pass)),
        }
    }

    /// The number in the label of what a pass assigns; passes count from 1, what was before the first is pass 0.
    fn label(&self, dest: usize, pass: usize) -> usize {
        self.first + self.body.len() * pass + dest
    }

    /// The name and label of a destination in a pass.
    fn dest(&self, dest: usize, pass: usize) -> String {
        format!("{} t{}", self.scalars.get(dest).unwrap_or(&"a"), self.label(dest, pass))
    }

    /// The array's cell of the pass that is so many passes before another.
    fn cell(&self, pass: usize, before: usize) -> String {
        format!("a t{}", self.label(self.scalars.len(), pass) - self.body.len() * before)
    }

    /// The name of an operand in a pass.
    fn operand(&self, operand: Operand, pass: usize) -> String {
        match operand {
            Operand::Scalar(index) => self.dest(index, pass - 1),
            Operand::Cell => self.cell(pass, self.lag),
        }
    }

    fn question(&self, passes: usize) -> String {
        let (scalars, cells) = &self.initial;
        let scalars = scalars.iter().enumerate().map(|(i, value)| format!("{} {value} ", self.dest(i, 0)));
        let cells =
            cells.iter().zip((0..self.lag).rev()).map(|(value, k)| format!("{} {value} ", self.cell(0, k)));
        let body = (0..self.body.len()).map(|dest| self.statement(dest));
        let wanted = self.label(self.wanted.0, self.wanted.1);
        let until = self.label(self.scalars.len(), passes);
        format!(
            "program : {}loop {}until t{until} ; find t{wanted} ?",
            scalars.chain(cells).collect::<String>(),
            body.collect::<String>()
        )
    }

    /// `x t39 = x t36 + a t29 ; `, as the question has it.
    fn statement(&self, dest: usize) -> String {
        let Statement { left, minus, right } = self.body[dest];
        let [left, right] = [left, right].map(|operand| self.operand(operand, 1));
        format!("{} = {left} {} {right} ; ", self.dest(dest, 1), sign(minus))
    }

    /// `x t36 3 + a t29 4 =7 -> x t39 7 ;`
    fn line(&self, histories: &[History], dest: usize, pass: usize) -> String {
        let Statement { left, minus, right } = self.body[dest];
        let [first, second] = [left, right].map(|operand| self.value(histories, operand, pass) as i32);
        let result = if minus { first - second } else { first + second };
        let [left, right] = [left, right].map(|operand| self.operand(operand, pass));
        let value = self.assigned(histories, dest, pass);
        format!(
            "{left} {first} {} {right} {second} ={result} -> {} {value} ;",
            sign(minus),
            self.dest(dest, pass)
        )
    }

    /// The thought of some passes: the newest scalars stay in its summary, cells only by name.
    fn thought(&self, histories: &[History], passes: &[usize]) -> Thought {
        let lines = passes
            .iter()
            .flat_map(|&pass| (0..self.body.len()).map(move |dest| self.line(histories, dest, pass)));
        let (newest, array) = (passes[passes.len() - 1], self.scalars.len());
        let scalars = (0..array)
            .map(|dest| format!("{} {}", self.dest(dest, newest), self.assigned(histories, dest, newest)));
        let cells = passes.iter().map(|&pass| self.dest(array, pass));
        Thought {
            detail: lines.collect::<Vec<_>>().join(" "),
            summary: scalars.chain(cells).collect::<Vec<_>>().join(" "),
        }
    }
}

fn sign(minus: bool) -> char {
    if minus { '-' } else { '+' }
}
