//! Templates against Jinja2 itself, and templates that would take all time or memory.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    context: Value,
    rows: Vec<(String, Outcome)>,
}

/// What Jinja2 makes of a template.
#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome {
    Text(String),
    Refused {
        #[expect(dead_code, reason = "only that it is refused is compared")]
        error: String,
    },
}

fn rendered(template: &str, context: &Value) -> Result<String, Error> {
    Program::parse(template)?.render(context.clone(), context.to_string().len())
}

fn given(json: serde_json::Value) -> Value {
    Value::from(minijinja::value::Serde(json))
}

#[test]
fn templates_render_as_jinja2_renders_them() {
    let golden: Golden = serde_json::from_str(include_str!("../../../tests/golden/jinja.json")).unwrap();
    let mut differing = Vec::new();
    for (template, wanted) in &golden.rows {
        let Outcome::Text(wanted) = wanted else { continue };
        match rendered(template, &golden.context) {
            Ok(text) if text == *wanted => {}
            other => differing.push(format!("{template}\n  Jinja2: {wanted:?}\n  here:   {other:?}")),
        }
    }
    assert!(differing.is_empty(), "{} of {}\n{}", differing.len(), golden.rows.len(), differing.join("\n"));
}

/// The error of a template, which must come soon.
fn refusal(template: &str) -> Error {
    let begun = Instant::now();
    let context = given(serde_json::json!({"messages": [{"role": "user", "content": "find"}]}));
    let outcome = rendered(template, &context);
    let taken = begun.elapsed();
    let shown = &template[..template.len().min(100)];
    assert!(taken < Duration::from_secs(5), "{shown}: {taken:?}");
    match outcome {
        Err(error) => error,
        Ok(text) => panic!("{shown}: {} bytes", text.len()),
    }
}

/// Names of limits, by what a message must hold.
const MADE: &str = "more text and lists";
const DEEP: &str = "deep in each other";
const STEPS: &str = "out of fuel";
const WIDTH: &str = "the width";
const TAG: &str = "operators";

#[test]
fn what_takes_all_time_or_memory_is_refused_by_name() {
    let grown = |change: &str| {
        format!(
            "{{% set n = namespace(v='aaaaaaaaaa', l=[1], d={{}}) %}}{{% for i in range(99999) %}}{change}{{% endfor %}}{{{{ n.v ~ n.l ~ n.d }}}}"
        )
    };
    let plus = format!("{{{{ {} }}}}", vec!["1"; 50_000].join("+"));
    let dots = format!("{{{{ x{} }}}}", ".a".repeat(5_000));
    let branches = format!("{{% if a %}}{}{{% endif %}}", "{% elif b %}".repeat(20_000));
    let raw = format!(
        "{{% set x %}}{{% for i in range(99999) %}}{}{{% endfor %}}{{% endset %}}",
        "long ".repeat(10_000)
    );
    let cases: Vec<(String, &str)> = [
        ("{{ [1,2]|batch(9223372036854775807,'x')|list|length }}", MADE),
        ("{{ [1,2]|slice(9223372036854775807,'x')|list|length }}", MADE),
        ("{{ messages|tojson(indent=18446744073709551615) }}", WIDTH),
        ("{{ messages|tojson(indent=9999) }}{% for i in range(9999) %}{{ messages|tojson(indent=9999) }}{% endfor %}", MADE),
        ("{{ 'a\nb'|indent(9999999999999) }}", WIDTH),
        ("{{ 'a'|center(99999999999) }}", WIDTH),
        ("{{ 'a'.ljust(99999999999) }}", WIDTH),
        ("{{ 'a'.zfill(99999999999) }}", WIDTH),
        ("{{ '%99999999999d' % 1 }}", WIDTH),
        ("{{ '%.99999999999f' % 1.5 }}", WIDTH),
        ("{{ '%*d' % (99999999, 1) }}", "not supported"),
        ("{{ '{:>99999999999}'.format('a') }}", WIDTH),
        ("{{ '{:{}}'.format('a', 99999999) }}", "not supported"),
        ("{{ '%9999999999s'|format('a') }}", WIDTH),
        ("{{ 'a\t'.expandtabs(99999999999) }}", MADE),
        ("{{ 'a' * 99999999999 }}", MADE),
        ("{{ 'a' * 99999999 }}", MADE),
        ("{{ ['a'] * 99999999 }}", MADE),
        ("{{ ('a',) * 99999999 }}", MADE),
        ("{{ ('a'*1000000).replace('', 'b'*1000000) }}", MADE),
        ("{{ ('a'*1000000)|replace('a', 'b'*1000000) }}", MADE),
        ("{{ (('a,'*1000000).split(','))|join('b'*1000) }}", MADE),
        ("{{ ('b'*1000).join(('a,'*1000000).split(',')) }}", MADE),
        ("{{ ('a'*20000000)|list|length }}", MADE),
        ("{% for c in 'a'*20000000 %}{% endfor %}", MADE),
        ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", STEPS),
        ("{% set r = range(9999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}", STEPS),
        ("{% macro f(n) %}{% if n > 0 %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(30) }}", STEPS),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{% set n=namespace() %}{% set n.a=n %}{{ n }}", DEEP),
        ("{% set n=namespace() %}{% set n.a=n %}{{ n|tojson }}", DEEP),
        ("{% set n=namespace() %}{% set n.a=n %}{{ n == n }}", DEEP),
        ("{% set n=namespace() %}{% set n.a=[n] %}{{ [n.a]|sort }}", DEEP),
        ("{% set n=namespace() %}{% set n.a=n %}{{ [n, n]|unique }}", DEEP),
        ("{{ range(-9223372036854775807, 9223372036854775807) }}", "range"),
        ("{{ strftime_now('%Y' * 20000000) }}", MADE),
        ("{{ raise_exception('a' * 99999999) }}", MADE),
    ]
    .map(|(template, limit)| (template.to_owned(), limit))
    .into_iter()
    .chain([
        (grown("{% set n.v = n.v ~ n.v %}"), MADE),
        (grown("{% set n.v = n.v + n.v %}"), MADE),
        (grown("{% set n.v %}{{ n.v }}{{ n.v }}{% endset %}"), MADE),
        (grown("{% set n.v = '%s%s' % (n.v, n.v) %}"), MADE),
        (grown("{% set n.v = n.v.replace('a', 'aa') %}"), MADE),
        (grown("{% set n.l = n.l + n.l %}"), MADE),
        (grown("{% set n.l = [n.l, n.l] %}"), MADE),
        (grown("{% set n.l = [n.l] %}"), DEEP),
        (grown("{% set n.l = n.l|batch(1)|list %}"), DEEP),
        (grown("{% set n.d = {'a': n.d} %}"), DEEP),
        (grown("{% set n.d = dict(a=n.d) %}"), DEEP),
        (grown("{% set n.d = namespace(a=n.d) %}"), DEEP),
        (grown("{% if ('a' * 1000000) == ('a' * 999999) ~ 'a' %}{% endif %}"), MADE),
        (plus, TAG),
        (dots, TAG),
        (branches, TAG),
        (raw, MADE),
    ])
    .collect();
    for (template, limit) in cases {
        let error = refusal(&template);
        assert!(error.to_string().contains(limit), "{}: {error}", &template[..template.len().min(100)]);
    }
    assert!(refusal(&" ".repeat(2 << 20)).to_string().contains("longer than"));
    for standing in
        ["{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}", "{% from 'x' import y %}"]
    {
        assert!(refusal(standing).to_string().contains("stands alone"), "{standing}");
    }
}

#[test]
fn odd_bounds_are_no_faults() {
    let context = given(serde_json::json!({}));
    for (template, wanted) in [
        ("{{ 'abc'[9223372036854775807:-9223372036854775807:-9223372036854775807] }}", "c"),
        ("{{ [1, 2, 3][:-9223372036854775807] }}", "[]"),
        ("{{ 'abc'[::-1] }}", "cba"),
    ] {
        assert_eq!(rendered(template, &context).unwrap(), wanted, "{template}");
    }
    for template in [
        "{{ 'a'[::0] }}",
        "{{ 1 % 0 }}",
        "{{ 9223372036854775807 * 9223372036854775807 * 9223372036854775807 }}",
        "{{ 1 // 0 }}",
    ] {
        assert!(rendered(template, &context).is_err(), "{template}");
    }
}

#[test]
fn a_long_conversation_is_no_attack() {
    let template = "{% set ns = namespace(s='') %}{% for m in messages %}{% if messages | length > 1 and \
        messages[loop.index0].role == m.role %}{% set ns.s = ns.s ~ '<' ~ m.role ~ '>' ~ m.content | trim + '\n' %}\
        {% endif %}{% endfor %}{{ ns.s }}";
    let message = serde_json::json!({"role": "user", "content": "word ".repeat(200)});
    let context = given(serde_json::json!({"messages": vec![message; 150]}));
    assert_eq!(rendered(template, &context).unwrap().len(), 150 * (6 + 999 + 1));
}
