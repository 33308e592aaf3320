//! Field and label selectors, as far as authorization needs them.

use std::mem;

use bailiwick_core::dns::is_dns_subdomain;

/// A selector that cannot be parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// The value that a field selector requires of `field`, where it requires one
/// (`k8s.io/apimachinery/pkg/fields`, `ParseSelector` and `RequiresExactMatch`).
///
/// Of several terms on the field the first counts, in the order of the terms' bytes.
pub(super) fn required_field(text: &str, field: &str) -> Result<Option<String>, Invalid> {
    let mut terms = split_terms(text);
    terms.sort_unstable();
    let mut required = None;
    for term in terms.into_iter().filter(|term| !term.is_empty()) {
        let (key, value) = split_term(term).ok_or(Invalid)?;
        let (differs, value) = value;
        let value = unescape(value)?;
        if !differs && key == field && required.is_none() {
            required = Some(value);
        }
    }
    Ok(required)
}

/// The terms between commas; a backslash hides the character behind it.
fn split_terms(text: &str) -> Vec<&str> {
    let mut hidden = false;
    text.split(|c| {
        let comma = c == ',' && !hidden;
        hidden = c == '\\' && !hidden;
        comma
    })
    .collect()
}

/// The field, whether its value must differ, and the value as written.
fn split_term(term: &str) -> Option<(&str, (bool, &str))> {
    term.char_indices().find_map(|(at, _)| {
        let (key, rest) = term.split_at(at);
        let equal = || rest.strip_prefix("==").or_else(|| rest.strip_prefix('='));
        let value = rest.strip_prefix("!=").map(|value| (true, value));
        Some((key, value.or_else(|| equal().map(|value| (false, value)))?))
    })
}

/// A value with its backslashes resolved.
fn unescape(value: &str) -> Result<String, Invalid> {
    let mut out = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(hidden @ ('\\' | ',' | '=')) => out.push(hidden),
                _ => return Err(Invalid),
            },
            ',' | '=' => return Err(Invalid),
            other => out.push(other),
        }
    }
    Ok(out)
}

/// Whether `text` is a label selector (`k8s.io/apimachinery/pkg/labels`, `Parse`).
pub(super) fn is_label_selector(text: &str) -> bool {
    Parser::new(text).selector().is_ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    End,
    Open,
    Close,
    Comma,
    Not,
    Equal,
    NotEqual,
    Order,
    In(&'a str),
    Word(&'a str),
}

/// A NUL ends a token and is swallowed by it; one between tokens ends the selector. That is upstream's reading.
struct Parser<'a> {
    rest: &'a str,
    next: Token<'a>,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Self {
        let mut parser = Self {
            rest: text,
            next: Token::End,
        };
        parser.take();
        parser
    }

    /// The current token; moves on to the one after it.
    fn take(&mut self) -> Token<'a> {
        let next = self.lex();
        mem::replace(&mut self.next, next)
    }

    fn lex(&mut self) -> Token<'a> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let special = |c| matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<');
        let ends = |c| c == '\0' || special(c) || matches!(c, ' ' | '\t' | '\r' | '\n');
        let length = match self.rest.as_bytes() {
            [] | [0, ..] => 0,
            [b'=' | b'!', b'=', ..] => 2,
            [byte, ..] if special(char::from(*byte)) => 1,
            _ => self.rest.find(ends).unwrap_or(self.rest.len()),
        };
        let (literal, rest) = self.rest.split_at(length);
        if literal.is_empty() {
            self.rest = "";
            return Token::End;
        }
        self.rest = rest.strip_prefix('\0').unwrap_or(rest);
        match literal {
            "(" => Token::Open,
            ")" => Token::Close,
            "," => Token::Comma,
            "!" => Token::Not,
            "=" | "==" => Token::Equal,
            "!=" => Token::NotEqual,
            "<" | ">" => Token::Order,
            "in" | "notin" => Token::In(literal),
            word => Token::Word(word),
        }
    }

    fn selector(mut self) -> Result<(), Invalid> {
        loop {
            match self.next {
                Token::End => return Ok(()),
                Token::Word(_) | Token::In(_) | Token::Not => self.requirement()?,
                _ => return Err(Invalid),
            }
            match self.take() {
                Token::End => return Ok(()),
                Token::Comma if self.next == Token::End => return Err(Invalid),
                Token::Comma => {}
                _ => return Err(Invalid),
            }
        }
    }

    /// `KEY`, `!KEY`, `KEY = VALUE`, `KEY in (VALUES)` and their like.
    fn requirement(&mut self) -> Result<(), Invalid> {
        let absent = self.next == Token::Not;
        if absent {
            self.take();
        }
        let (Token::Word(key) | Token::In(key)) = self.take() else {
            return Err(Invalid);
        };
        valid(is_label_key(key))?;
        if absent || matches!(self.next, Token::End | Token::Comma) {
            return Ok(());
        }
        match self.take() {
            Token::Equal | Token::NotEqual => valid(is_label_value(self.value()?)),
            Token::Order => {
                let value = self.value()?;
                valid(value.parse::<i64>().is_ok() && is_label_value(value))
            }
            Token::In(_) => self.values(),
            _ => Err(Invalid),
        }
    }

    fn value(&mut self) -> Result<&'a str, Invalid> {
        if matches!(self.next, Token::End | Token::Comma) {
            return Ok("");
        }
        match self.take() {
            Token::Word(value) | Token::In(value) => Ok(value),
            _ => Err(Invalid),
        }
    }

    /// `(a,b)`, where any value may be empty.
    fn values(&mut self) -> Result<(), Invalid> {
        valid(self.take() == Token::Open)?;
        loop {
            match self.take() {
                Token::Close => return Ok(()),
                Token::Comma => {}
                Token::Word(value) | Token::In(value) => {
                    valid(is_label_value(value))?;
                    valid(matches!(self.next, Token::Comma | Token::Close))?;
                }
                _ => return Err(Invalid),
            }
        }
    }
}

fn valid(condition: bool) -> Result<(), Invalid> {
    condition.then_some(()).ok_or(Invalid)
}

/// `[DNS subdomain/]name` (`content.IsLabelKey`).
fn is_label_key(key: &str) -> bool {
    let name = match key.split_once('/') {
        Some((prefix, name)) if is_dns_subdomain(prefix) => name,
        Some(_) => return false,
        None => key,
    };
    !name.is_empty() && is_label_value(name)
}

/// Empty, or at most 63 letters, digits, `-`, `_` and `.` with a letter or digit at both ends
/// (`content.IsLabelValue`).
fn is_label_value(value: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let end = |byte: Option<&u8>| byte.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = value.as_bytes();
    value.len() <= 63 && value.bytes().all(inner) && end(bytes.first()) && end(bytes.last())
}
