//! The label `role=master`, by which Kubernetes routes to the master.

use serde::{Deserialize, Serialize};

use crate::id::PodName;

/// State of the label `role=master` on the master's pod. Serialized as `pending`, `set` or `failed: <reason>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Label {
    /// The master's pod doesn't carry the label yet, or another pod still does.
    Pending,
    /// The master's pod carries the label and no other pod does.
    Set,
    /// The labels can't be read by the serving pod, or can't be written by it as master; with the reason.
    Failed(String),
}

impl From<String> for Label {
    fn from(text: String) -> Self {
        match text.as_str() {
            "set" => Label::Set,
            "pending" => Label::Pending,
            other => Label::Failed(other.strip_prefix("failed: ").unwrap_or(other).to_owned()),
        }
    }
}

impl From<Label> for String {
    fn from(label: Label) -> String {
        match label {
            Label::Pending => "pending".to_owned(),
            Label::Set => "set".to_owned(),
            Label::Failed(why) => format!("failed: {why}"),
        }
    }
}

/// `role=master` labels of the Kubernetes pods, as seen by the serving pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// Pods labelled `role=master`.
    pub masters: Vec<String>,
    /// Why the labels can't be read or written at present.
    pub trouble: Option<String>,
}

impl Labels {
    /// Returns the state of the master's label.
    pub fn of(&self, master: &PodName) -> Label {
        match &self.trouble {
            Some(why) => Label::Failed(why.clone()),
            None if self.masters.len() == 1 && self.masters[0] == master.as_str() => Label::Set,
            None => Label::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_label_is_a_short_text() {
        let all = [Label::Pending, Label::Set, Label::Failed("forbidden".to_owned())];
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"["pending","set","failed: forbidden"]"#);
        assert_eq!(serde_json::from_str::<[Label; 3]>(r#"["pending","set","failed: forbidden"]"#).unwrap(), all);
    }

    #[test]
    fn the_label_is_set_when_the_master_alone_has_it() {
        let master: PodName = "evenlight-a".parse().unwrap();
        let label = |masters: &[&str], trouble: Option<&str>| {
            let masters = masters.iter().map(|name| (*name).to_owned()).collect();
            Labels { masters, trouble: trouble.map(str::to_owned) }.of(&master)
        };
        assert_eq!(label(&[], None), Label::Pending);
        assert_eq!(label(&["evenlight-a"], None), Label::Set);
        assert_eq!(label(&["evenlight-b"], None), Label::Pending);
        assert_eq!(label(&["evenlight-a", "evenlight-b"], None), Label::Pending);
        assert_eq!(label(&["evenlight-a"], Some("the API is away")), Label::Failed("the API is away".to_owned()));
    }
}
