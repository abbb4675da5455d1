//! The parsed template, with names for the operators that can make something large.
//!
//! MiniJinja lets a program replace filters, but not operators. So operators become filters whose names no template
//! can write: `a ~ b` runs as the filter `~` on `a` and `b`. Where only the operands or the outcome need paying for,
//! the operator stays, and they go through `pay:walk` or `:made`. Plain text becomes an expression, so that the
//! formatter counts it in a loop.
//!
//! Depth: the tree is walked recursively; `source` has bounded how deep it is.

use minijinja::{
    Value,
    machinery::{
        Span,
        ast::{
            AutoEscape, BinOp, BinOpKind, Break, Call, CallArg, CallBlock, Compare, CompareOp, CompareOpKind,
            Const, Continue, Do, EmitExpr, Expr, Filter, FilterBlock, ForLoop, GetAttr, GetItem, IfCond,
            IfExpr, List, Macro, Map, Set, SetBlock, Slice, Spanned, Stmt, Template, Test, Tuple, UnaryOp,
            UnaryOpKind, Var, WithBlock,
        },
    },
};

/// Names of the filters that stand for operators; see `operators`.
pub(super) mod names {
    pub(in super::super) const CONCATENATE: &str = "~";
    pub(in super::super) const MULTIPLY: &str = "*";
    pub(in super::super) const REMAINDER: &str = "%";
    pub(in super::super) const SLICE: &str = "[:]";
    pub(in super::super) const MADE: &str = ":made";
    pub(in super::super) const EACH: &str = "pay:each";
    pub(in super::super) const PEEK: &str = "pay:peek";
    pub(in super::super) const WALK: &str = "pay:walk";
    pub(in super::super) const TEXT: &str = "pay:text";
}

fn at<T, U>(place: &Spanned<T>, node: U) -> Spanned<U> {
    Spanned::new(node, place.span())
}

/// A statement with all that is in it.
pub(super) fn statement<'a>(statement: &Stmt<'a>) -> Stmt<'a> {
    match statement {
        Stmt::Template(node) => Stmt::Template(at(node, Template { children: body(&node.children) })),
        Stmt::EmitExpr(node) => Stmt::EmitExpr(at(node, EmitExpr { expr: expression(&node.expr) })),
        Stmt::EmitRaw(node) => {
            let text = Expr::Const(at(node, Const { value: Value::from(node.raw) }));
            Stmt::EmitExpr(at(node, EmitExpr { expr: text }))
        }
        Stmt::ForLoop(node) => Stmt::ForLoop(at(node, for_loop(node))),
        Stmt::IfCond(node) => {
            let (true_body, false_body) = (body(&node.true_body), body(&node.false_body));
            Stmt::IfCond(at(node, IfCond { expr: expression(&node.expr), true_body, false_body }))
        }
        Stmt::WithBlock(node) => {
            let assignment = |(target, value): &(Expr<'a>, Expr<'a>)| (expression(target), expression(value));
            let assignments = node.assignments.iter().map(assignment).collect();
            Stmt::WithBlock(at(node, WithBlock { assignments, body: body(&node.body) }))
        }
        Stmt::Set(node) => {
            Stmt::Set(at(node, Set { target: target(&node.target), expr: expression(&node.expr) }))
        }
        Stmt::SetBlock(node) => {
            let filter = node.filter.as_ref().map(expression);
            Stmt::SetBlock(at(
                node,
                SetBlock { target: target(&node.target), filter, body: body(&node.body) },
            ))
        }
        Stmt::AutoEscape(node) => Stmt::AutoEscape(at(
            node,
            AutoEscape { enabled: expression(&node.enabled), body: body(&node.body) },
        )),
        Stmt::FilterBlock(node) => Stmt::FilterBlock(at(
            node,
            FilterBlock { filter: expression(&node.filter), body: body(&node.body) },
        )),
        // In a template that extends no other and is extended by none, a block is what is in it.
        Stmt::Block(node) => Stmt::Template(at(node, Template { children: body(&node.body) })),
        // Refused by `source`.
        Stmt::Import(node) => Stmt::Template(at(node, Template { children: vec![] })),
        Stmt::FromImport(node) => Stmt::Template(at(node, Template { children: vec![] })),
        Stmt::Extends(node) => Stmt::Template(at(node, Template { children: vec![] })),
        Stmt::Include(node) => Stmt::Template(at(node, Template { children: vec![] })),
        Stmt::Macro(node) => Stmt::Macro(at(node, declaration(node))),
        Stmt::CallBlock(node) => {
            let macro_decl = at(&node.macro_decl, declaration(&node.macro_decl));
            Stmt::CallBlock(at(node, CallBlock { call: at(&node.call, call(&node.call)), macro_decl }))
        }
        Stmt::Continue(node) => Stmt::Continue(at(node, Continue)),
        Stmt::Break(node) => Stmt::Break(at(node, Break)),
        Stmt::Do(node) => Stmt::Do(at(node, Do { call: at(&node.call, call(&node.call)) })),
    }
}

fn body<'a>(statements: &[Stmt<'a>]) -> Vec<Stmt<'a>> {
    statements.iter().map(statement).collect()
}

fn for_loop<'a>(node: &ForLoop<'a>) -> ForLoop<'a> {
    ForLoop {
        target: target(&node.target),
        iter: filtered(names::EACH, expression(&node.iter), vec![]),
        filter_expr: node.filter_expr.as_ref().map(expression),
        recursive: node.recursive,
        body: body(&node.body),
        else_body: body(&node.else_body),
    }
}

fn declaration<'a>(node: &Macro<'a>) -> Macro<'a> {
    Macro {
        name: node.name,
        args: node.args.iter().map(target).collect(),
        defaults: node.defaults.iter().map(expression).collect(),
        body: body(&node.body),
    }
}

/// What is assigned to: names, attributes of namespaces, and tuples of them.
fn target<'a>(target_of: &Expr<'a>) -> Expr<'a> {
    match target_of {
        Expr::List(node) => Expr::List(at(node, List { items: node.items.iter().map(target).collect() })),
        Expr::Tuple(node) => Expr::Tuple(at(node, Tuple { items: node.items.iter().map(target).collect() })),
        other => expression(other),
    }
}

/// An expression with all that is in it.
fn expression<'a>(expr: &Expr<'a>) -> Expr<'a> {
    match expr {
        Expr::Var(node) => Expr::Var(at(node, Var { id: node.id })),
        Expr::Const(node) => Expr::Const(at(node, Const { value: node.value.clone() })),
        Expr::Slice(node) => slice(node),
        Expr::UnaryOp(node) => {
            // No copy is to be had of it.
            let op = if matches!(node.op, UnaryOpKind::Not) { UnaryOpKind::Not } else { UnaryOpKind::Neg };
            Expr::UnaryOp(at(node, UnaryOp { op, expr: expression(&node.expr) }))
        }
        Expr::BinOp(node) => binary(node),
        Expr::Compare(node) => compare(node),
        Expr::IfExpr(node) => {
            let (test_expr, true_expr) = (expression(&node.test_expr), expression(&node.true_expr));
            let false_expr = node.false_expr.as_ref().map(expression);
            Expr::IfExpr(at(node, IfExpr { test_expr, true_expr, false_expr }))
        }
        Expr::Filter(node) => {
            let expr = node.expr.as_ref().map(expression);
            Expr::Filter(at(node, Filter { name: node.name, expr, args: arguments(&node.args) }))
        }
        Expr::Test(node) => {
            let (expr, args) = (expression(&node.expr), arguments(&node.args));
            Expr::Test(at(node, Test { name: node.name, expr, args }))
        }
        Expr::GetAttr(node) => {
            Expr::GetAttr(at(node, GetAttr { expr: expression(&node.expr), name: node.name }))
        }
        Expr::GetItem(node) => {
            let expr = filtered(names::PEEK, expression(&node.expr), vec![]);
            Expr::GetItem(at(node, GetItem { expr, subscript_expr: expression(&node.subscript_expr) }))
        }
        Expr::Call(node) => Expr::Call(at(node, call(node))),
        Expr::List(node) => literal(expr, Expr::List(at(node, List { items: expressions(&node.items) }))),
        Expr::Tuple(node) => literal(expr, Expr::Tuple(at(node, Tuple { items: expressions(&node.items) }))),
        Expr::Map(node) => {
            let (keys, values) = (expressions(&node.keys), expressions(&node.values));
            literal(expr, Expr::Map(at(node, Map { keys, values })))
        }
    }
}

fn expressions<'a>(items: &[Expr<'a>]) -> Vec<Expr<'a>> {
    items.iter().map(expression).collect()
}

/// A list or dict of constants is as deep as it is written; another may hold what was made before.
fn literal<'a>(written: &Expr<'a>, rewritten: Expr<'a>) -> Expr<'a> {
    match written.as_const() {
        Some(_) => rewritten,
        None => filtered(names::MADE, rewritten, vec![]),
    }
}

fn slice<'a>(node: &Spanned<Slice<'a>>) -> Expr<'a> {
    let bound = |bound: &Option<Expr<'a>>| match bound {
        Some(bound) => expression(bound),
        None => Expr::Const(at(node, Const { value: Value::from(()) })),
    };
    let bounds = [&node.start, &node.stop, &node.step].map(bound);
    filtered(names::SLICE, expression(&node.expr), Vec::from(bounds))
}

fn binary<'a>(node: &Spanned<BinOp<'a>>) -> Expr<'a> {
    let (left, right) = (expression(&node.left), expression(&node.right));
    let kept = |left, right| Expr::BinOp(at(node, BinOp { op: node.op, left, right }));
    match node.op {
        BinOpKind::Concat => filtered(names::CONCATENATE, left, vec![right]),
        BinOpKind::Mul => filtered(names::MULTIPLY, left, vec![right]),
        BinOpKind::Rem => filtered(names::REMAINDER, left, vec![right]),
        BinOpKind::Add => filtered(names::MADE, kept(left, right), vec![]),
        BinOpKind::In => kept(paid(names::TEXT, left), paid(names::WALK, right)),
        BinOpKind::Eq | BinOpKind::Ne | BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => {
            kept(paid(names::WALK, left), paid(names::WALK, right))
        }
        BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Pow => kept(left, right),
        BinOpKind::ScAnd | BinOpKind::ScOr => kept(left, right),
    }
}

fn compare<'a>(node: &Spanned<Compare<'a>>) -> Expr<'a> {
    let operand = |op: &CompareOp<'a>| {
        let paid_by =
            if matches!(op.op, CompareOpKind::In | CompareOpKind::NotIn) { names::TEXT } else { names::WALK };
        CompareOp { op: op.op, expr: paid(paid_by, expression(&op.expr)) }
    };
    let ops = node.ops.iter().map(operand).collect();
    Expr::Compare(at(node, Compare { expr: paid(names::TEXT, expression(&node.expr)), ops }))
}

fn call<'a>(node: &Call<'a>) -> Call<'a> {
    let mut args = arguments(&node.args);
    // `loop.changed` compares; every other method of the engine's own objects only hands on what it is given.
    if matches!(&node.expr, Expr::GetAttr(attribute) if attribute.name == "changed") {
        args = args.into_iter().map(|arg| each(arg, |expr| paid(names::WALK, expr))).collect();
    }
    Call { expr: expression(&node.expr), args }
}

fn arguments<'a>(args: &[CallArg<'a>]) -> Vec<CallArg<'a>> {
    let argument = |arg: &CallArg<'a>| match arg {
        CallArg::Pos(expr) => CallArg::Pos(expression(expr)),
        CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, expression(expr)),
        CallArg::PosSplat(expr) => CallArg::PosSplat(expression(expr)),
        CallArg::KwargSplat(expr) => CallArg::KwargSplat(expression(expr)),
    };
    args.iter().map(argument).collect()
}

fn each<'a>(arg: CallArg<'a>, change: impl Fn(Expr<'a>) -> Expr<'a>) -> CallArg<'a> {
    match arg {
        CallArg::Pos(expr) => CallArg::Pos(change(expr)),
        CallArg::Kwarg(name, expr) => CallArg::Kwarg(name, change(expr)),
        splat => splat,
    }
}

/// Numbers and short constants cost nothing to compare.
fn paid<'a>(name: &'static str, expr: Expr<'a>) -> Expr<'a> {
    if matches!(expr, Expr::Const(_)) { expr } else { filtered(name, expr, vec![]) }
}

fn filtered<'a>(name: &'static str, expr: Expr<'a>, args: Vec<Expr<'a>>) -> Expr<'a> {
    let span: Span = expr.span();
    let args = args.into_iter().map(CallArg::Pos).collect();
    Expr::Filter(Spanned::new(Filter { name, expr: Some(expr), args }, span))
}
