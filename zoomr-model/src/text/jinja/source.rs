//! A template's text before it is parsed.
//!
//! Jinja2 reads every newline (CRLF and CR too) as LF. `{% generation %}` blocks, which mark text for training, are a
//! tag that MiniJinja cannot be taught, and become plain ones. A text that would nest the parser's tree too deep for
//! the stack is refused here.

use minijinja::{
    Error, ErrorKind,
    machinery::{Token, tokenize},
    syntax::SyntaxConfig,
};

use super::meter::Limit;

/// The longest template, in bytes; the longest published ones have some 30,000.
const SIZE: usize = 1 << 20;
/// The most operators in one tag. Each can nest the tree by one.
const OPERATORS: usize = 500;
/// The most tags of one kind that nest in each other as written, `elif` in `if` included.
const BRANCHES: usize = 200;

/// Hugging Face's settings: a newline after a block goes, and so do spaces before one.
pub(super) fn syntax() -> SyntaxConfig {
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    // The delimiters are the default ones, which are valid.
    syntax.unwrap_or_default()
}

/// The text to be parsed.
///
/// # Errors
/// Where it is too large, or cannot be read.
pub(super) fn prepared(source: &str) -> Result<String, Error> {
    if source.len() > SIZE {
        return Err(Limit::Source(SIZE).into());
    }
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = without_generation_tags(&source);
    check_depth(&source)?;
    Ok(source)
}

fn check_depth(source: &str) -> Result<(), Error> {
    let (mut operators, mut branches, mut opens) = (0, 0, false);
    for token in tokenize(source, false, syntax()) {
        let token = token?.0;
        let first = std::mem::replace(&mut opens, matches!(token, Token::BlockStart));
        match token {
            Token::BlockStart | Token::VariableStart => operators = 0,
            Token::Ident("import" | "from" | "include" | "extends") if first => {
                let message = "a chat template stands alone: it cannot import, include or extend another";
                return Err(Error::new(ErrorKind::SyntaxError, message));
            }
            Token::Ident("elif") if first => branches += 1,
            Token::Ident("if" | "endif") if first => branches = 0,
            Token::TemplateData(_) | Token::Str(_) | Token::String(_) | Token::Comma | Token::Colon => {}
            Token::Int(_) | Token::Int128(_) | Token::Float(_) | Token::BlockEnd | Token::VariableEnd => {}
            Token::Ident(name) if !matches!(name, "and" | "or" | "not" | "is" | "in" | "if" | "else") => {}
            _ => operators += 1,
        }
        if operators > OPERATORS || branches > BRANCHES {
            return Err(Limit::Tag(OPERATORS).into());
        }
    }
    Ok(())
}

fn without_generation_tags(template: &str) -> String {
    let mut rest = template;
    let mut plain = String::with_capacity(template.len());
    while let Some((before, tag)) = rest.split_once("{%") {
        let Some((tag, after)) = tag.split_once("%}") else {
            plain.extend([before, "{%", tag]);
            return plain;
        };
        let name = tag.trim_matches(['-', '+']).trim();
        let replaced = match name {
            "generation" => tag.replace(name, "if true"),
            "endgeneration" => tag.replace(name, "endif"),
            _ => tag.to_owned(),
        };
        plain.extend([before, "{%", &replaced, "%}"]);
        rest = after;
    }
    plain + rest
}
