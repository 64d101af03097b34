//! Identifiers of images, jobs, runs, uploads and pods.
//!
//! Ids are 32 lower-case hexadecimal digits (a UUID without hyphens). They are validated when parsed, so that no id can smuggle
//! a `/` into a znode's path or a store's key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text isn't a valid id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {what} of {expected}, got {got:?}")]
pub struct IdError {
    what: &'static str,
    expected: &'static str,
    got: String,
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Returns the 32 hexadecimal digits.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the last 8 digits, short enough for a page and still distinct among neighbours; the first digits are the
            /// time.
            pub fn short(&self) -> &str {
                &self.0[24..]
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if text.len() == 32 && text.bytes().all(hex) {
                    Ok(Self(text))
                } else {
                    Err(IdError { what: $what, expected: "32 lower-case hexadecimal digits", got: text })
                }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text.to_owned())
            }
        }
    };
}

hex_id!(
    /// Uploaded image: one original, any number of jobs.
    ImageId, "an image id"
);
hex_id!(
    /// Job: one recipe applied to one image.
    JobId, "a job id"
);
hex_id!(
    /// Run: one activation of a job. A retry or a reconcile assigns a new one.
    RunId, "a run id"
);
hex_id!(
    /// Upload: one attempt to send an image's bytes.
    UploadId, "an upload id"
);

/// Pod name: a DNS name of at most 63 characters, as Kubernetes requires.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PodName(String);

impl PodName {
    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for PodName {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|b| inner(b) || b == b'-' || b == b'.')
            && text.bytes().next().is_some_and(inner)
            && text.bytes().last().is_some_and(inner);
        if fits {
            Ok(Self(text))
        } else {
            Err(IdError {
                what: "a pod name",
                expected: "1 to 63 characters of a-z, 0-9, '-' and '.', beginning and ending with a letter or digit",
                got: text,
            })
        }
    }
}

impl From<PodName> for String {
    fn from(name: PodName) -> String {
        name.0
    }
}

impl FromStr for PodName {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::try_from(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_with_a_slash_is_refused_with_what_was_expected() {
        let error = "../../etc/passwd".parse::<ImageId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected an image id of 32 lower-case hexadecimal digits, got \"../../etc/passwd\""
        );
    }

    #[test]
    fn an_id_survives_json() {
        let id: JobId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<JobId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<JobId>("\"x\"").is_err());
    }

    #[test]
    fn neighbours_in_time_have_different_short_names() {
        let of = |text: &str| text.parse::<JobId>().unwrap().short().to_owned();
        assert_eq!(of("01a204d123aa70e388d754dc6b0173e4"), "6b0173e4");
        assert_ne!(of("01a204d123aa70e388d754dc6b0173e4"), of("01a204d123ab73df81d5c5fea795b816"));
    }

    #[test]
    fn pod_names_are_dns_labels() {
        assert!("evenlight-7d9f-x2".parse::<PodName>().is_ok());
        for bad in ["", "-a", "a-", "A", "a/b", "a<b>x", "a&amp", &"a".repeat(64)] {
            assert!(bad.parse::<PodName>().is_err(), "{bad:?} was taken");
        }
    }
}
