//! What a listing of the whole store finds: objects, and files of unfinished writes.

/// An object, or an unfinished one, in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The object's key.
    pub key: String,
    /// In a folder, the number of the temporary file of an unfinished write.
    pub unfinished: Option<u64>,
}

impl Found {
    /// Returns its file name, relative to the store's folder.
    pub fn name(&self) -> String {
        self.unfinished.map_or_else(|| self.key.clone(), |n| format!("{}#{n}", self.key))
    }

    /// Parses a file name relative to the store's folder; temporary files are `<key>#<n>`.
    pub fn named(name: &str) -> Self {
        let unfinished = name.rsplit_once('#').and_then(|(key, n)| Some((key, n.parse().ok()?)));
        match unfinished {
            Some((key, n)) => Found { key: key.to_owned(), unfinished: Some(n) },
            None => Found { key: name.to_owned(), unfinished: None },
        }
    }
}
