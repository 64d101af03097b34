//! Errors with their causes: their chain as one line, and causes of any type.

use std::error::Error;
use std::fmt::{self, Debug, Display, Formatter};
use std::ops::Deref;
use std::sync::Arc;

/// Shows an error and all its causes, separated by colons, as a line of a log or a report. Leaves out a cause with which the
/// text before it ends, since some errors repeat their cause.
pub fn chain<E: Error + ?Sized>(error: &E) -> Chain<'_, E> {
    Chain(error)
}

/// See [`chain`].
pub struct Chain<'a, E: ?Sized>(&'a E);

impl<E: Error + ?Sized> Display for Chain<'_, E> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        for cause in std::iter::successors(self.0.source(), |&error| error.source()) {
            let text = cause.to_string();
            if !last.ends_with(&text) {
                write!(f, ": {text}")?;
                last = text;
            }
        }
        Ok(())
    }
}

/// An error of any type that can be cloned and compared, as the cause of another. Two are equal if their chains read the same.
#[derive(Clone)]
pub struct SharedError(Arc<dyn Error + Send + Sync>);

impl SharedError {
    /// Wraps an error, or a text as an error.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error: Box<dyn Error + Send + Sync> = error.into();
        Self(Arc::from(error))
    }

    /// Returns the innermost cause: what happened. The outer ones only add where.
    pub fn root(&self) -> &(dyn Error + 'static) {
        let outer: &(dyn Error + 'static) = &*self.0;
        std::iter::successors(Some(outer), |&error| error.source()).last().unwrap_or(outer)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for SharedError {
    fn from(error: E) -> Self {
        Self(Arc::new(error))
    }
}

impl Deref for SharedError {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Display for SharedError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.0, f)
    }
}

impl Debug for SharedError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.0, f)
    }
}

impl PartialEq for SharedError {
    fn eq(&self, other: &Self) -> bool {
        chain(&**self).to_string() == chain(&**other).to_string()
    }
}

impl Eq for SharedError {}

/// An attempt, with the error that made it fail.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct Doing {
    doing: String,
    #[source]
    cause: Box<dyn Error + Send + Sync>,
}

impl Doing {
    /// Names what was attempted when this error happened.
    pub fn new(doing: impl Into<String>, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { doing: doing.into(), cause: cause.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(texts: &[&'static str]) -> Box<dyn Error + Send + Sync> {
        match texts {
            [text] => (*text).into(),
            [text, causes @ ..] => Doing::new(*text, failed(causes)).into(),
            [] => panic!("an error has a text"),
        }
    }

    #[test]
    fn a_chain_names_every_cause_once() {
        for (causes, line) in [
            (&["alone"][..], "alone"),
            (&["can't open a", "it failed", "disk full"][..], "can't open a: it failed: disk full"),
            (&["it failed: disk full", "disk full", "disk full"][..], "it failed: disk full"),
        ] {
            assert_eq!(chain(&*failed(causes)).to_string(), line);
        }
    }

    #[test]
    fn shared_errors_are_equal_if_their_whole_chains_are() {
        let cause = |texts: &[&'static str]| SharedError::new(failed(texts));
        assert_eq!(cause(&["a", "b"]), cause(&["a", "b"]));
        assert_ne!(cause(&["a", "b"]), cause(&["a", "c"]));
        assert_eq!(cause(&["a", "b"]).source().map(ToString::to_string), Some("b".to_owned()));
        assert_eq!(cause(&["a", "b", "c"]).root().to_string(), "c");
    }
}
