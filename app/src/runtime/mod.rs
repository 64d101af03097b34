//! Less code than Leptos and serde would generate. `README.md` lists what each piece saves.

#[cfg(any(feature = "hydrate", test))]
pub mod json;
pub mod markup;
pub mod settled;
