//! Errors as people and programs get them: RFC 9457 problem details.

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// RFC 9457 problem details. `title` names the kind of problem, `detail` is a sentence for the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI reference that names the kind; `about:blank` when the status says all.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// A short name of the kind, the same for every occurrence.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was expected and what came, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    /// A problem whose status says what kind it is.
    pub fn new(status: u16, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind: about_blank(), title: title.into(), status, detail: Some(detail.into()) }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => f.write_str(detail),
            None => f.write_str(&self.title),
        }
    }
}

impl std::error::Error for Problem {}
