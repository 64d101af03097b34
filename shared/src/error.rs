//! Error responses as RFC 9457 problem details, readable by people and programs.

use serde::{Deserialize, Serialize};

/// Media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// RFC 9457 problem details. `title` names the kind of problem; `detail` is a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// URI reference that identifies the kind; `about:blank` if the HTTP status suffices.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// Short name of the kind, the same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What was expected and what was received, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

impl Problem {
    /// Creates a problem whose kind is given by its status (`about:blank`).
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
