// SPDX-License-Identifier: Apache-2.0
//! Words of a label selector.

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// Symbols that mean nothing.
    Error(String),
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Less,
    NotEquals,
    Open,
    /// A key or value; also the words `in` and `notin`, which are operators only where one is expected.
    Word(String),
}

impl Token {
    /// As messages show it.
    pub(super) fn literal(&self) -> &str {
        match self {
            Self::Error(text) | Self::Word(text) => text,
            Self::End => "",
            Self::Close => ")",
            Self::Comma => ",",
            Self::Not => "!",
            Self::DoubleEquals => "==",
            Self::Equals => "=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::NotEquals => "!=",
            Self::Open => "(",
        }
    }

    fn symbol(text: &str) -> Option<Self> {
        Some(match text {
            ")" => Self::Close,
            "," => Self::Comma,
            "!" => Self::Not,
            "==" => Self::DoubleEquals,
            "=" => Self::Equals,
            ">" => Self::Greater,
            "<" => Self::Less,
            "!=" => Self::NotEquals,
            "(" => Self::Open,
            _ => return None,
        })
    }
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// All words, with [`Token::End`] last.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(is_space);
        let Some(first) = rest.chars().next() else { break };
        let (token, length) = if is_symbol(first) { symbol(rest) } else { word(rest) };
        tokens.push(token);
        rest = &rest[length..];
    }
    tokens.push(Token::End);
    tokens
}

fn word(text: &str) -> (Token, usize) {
    let end = text.find(|c| is_symbol(c) || is_space(c)).unwrap_or(text.len());
    (Token::Word(text[..end].to_owned()), end)
}

/// The longest run of symbols, from the first on, that is an operator.
fn symbol(text: &str) -> (Token, usize) {
    let run = text.find(|c| !is_symbol(c)).unwrap_or(text.len());
    let mut last = None;
    for end in 1..=run {
        match Token::symbol(&text[..end]) {
            Some(token) => last = Some((token, end)),
            None if last.is_some() => break,
            None => {}
        }
    }
    last.unwrap_or_else(|| {
        (Token::Error(format!("error expected: keyword found '{}'", &text[..run])), run)
    })
}
