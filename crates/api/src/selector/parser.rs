// SPDX-License-Identifier: Apache-2.0
//! The grammar of label selectors as they stand in a query:
//! `key`, `!key`, `key=value`, `key==value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key>1`, `key<1`,
//! joined by commas.

use std::collections::BTreeSet;

use super::label::{Operator, Requirement};
use super::lexer::{Token, tokens};
use super::{MAX_LENGTH, SelectorError};
use crate::field::{Error, Path};
use crate::names;

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

fn unexpected<T>(found: &Token, expected: &'static str) -> Result<T, SelectorError> {
    Err(SelectorError::Unexpected { found: found.literal().to_owned(), expected })
}

/// The requirements in the order they are written.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    if text.len() > MAX_LENGTH {
        return Err(SelectorError::TooLong);
    }
    // A zero byte ends the text, as it does for Kubernetes' scanner.
    let text = text.split('\0').next().unwrap_or_default();
    Parser { tokens: tokens(text), at: 0 }.selector()
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, SelectorError> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::Word(_) | Token::Not => {}
                Token::End => return Ok(requirements),
                other => return unexpected(other, "!, identifier, or 'end of string'"),
            }
            let one = self.requirement();
            requirements.push(one.map_err(|it| SelectorError::Requirement(Box::new(it)))?);
            match self.next() {
                Token::End => return Ok(requirements),
                Token::Comma => match self.peek() {
                    Token::Word(_) | Token::Not => {}
                    other => return unexpected(other, "identifier after ','"),
                },
                other => return unexpected(&other, "',' or 'end of string'"),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let mut token = self.next();
        let negated = token == Token::Not;
        if negated {
            token = self.next();
        }
        let Token::Word(key) = token else { return unexpected(&token, "identifier") };
        let wrong = names::qualified_name(&key);
        if !wrong.is_empty() {
            let error = Error::invalid(&Path::root(), key, wrong.join("; "));
            return Err(SelectorError::Invalid(error.into()));
        }
        if negated {
            return Requirement::new(key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Requirement::new(key, Operator::Exists, Vec::new());
        }
        let operator = match self.next() {
            Token::Word(word) if word == "in" => Operator::In,
            Token::Word(word) if word == "notin" => Operator::NotIn,
            Token::Equals => Operator::Equals,
            Token::DoubleEquals => Operator::DoubleEquals,
            Token::NotEquals => Operator::NotEquals,
            Token::Greater => Operator::GreaterThan,
            Token::Less => Operator::LessThan,
            other => return unexpected(&other, OPERATORS),
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.set()?,
            _ => BTreeSet::from([self.value()?]),
        };
        Requirement::new(key, operator, values.into_iter().collect())
    }

    fn value(&mut self) -> Result<String, SelectorError> {
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next() {
            Token::Word(value) => Ok(value),
            other => unexpected(&other, "identifier"),
        }
    }

    fn set(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let open = self.next();
        if open != Token::Open {
            return Err(SelectorError::NoParenthesis { found: open.literal().to_owned() });
        }
        match self.peek() {
            Token::Word(_) | Token::Comma => self.items(),
            Token::Close => {
                self.next();
                Ok(BTreeSet::from([String::new()]))
            }
            other => unexpected(other, "',', ')' or identifier"),
        }
    }

    /// Values up to the closing parenthesis; an empty one stands before, between and after commas.
    fn items(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        let mut values = BTreeSet::new();
        loop {
            match self.next() {
                Token::Word(value) => {
                    values.insert(value);
                    match self.peek() {
                        Token::Comma => {}
                        Token::Close => break,
                        other => return unexpected(other, "',' or ')'"),
                    }
                }
                Token::Comma => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    if matches!(self.peek(), Token::Comma | Token::Close) {
                        values.insert(String::new());
                    }
                    if *self.peek() == Token::Close {
                        break;
                    }
                }
                other => return unexpected(&other, "',', or identifier"),
            }
        }
        self.next();
        Ok(values)
    }
}
