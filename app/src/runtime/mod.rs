//! Replacements for parts of Leptos and serde that would be larger. `README.md` lists what each one saves.

#[cfg(any(feature = "hydrate", test))]
pub mod json;
pub mod markup;
pub mod settled;
