//! The preview as JavaScript calls it. Recipes and distributions go as JSON, pixels as bytes, refusals as sentences.

use wasm_bindgen::prelude::wasm_bindgen;

use super::{Preview, Shown};
use crate::equalize::{Kernel, Recipe};

/// A file being looked at.
#[wasm_bindgen]
pub struct Door(Preview);

/// A picture with its distribution.
#[wasm_bindgen]
pub struct Look(Shown);

#[wasm_bindgen]
impl Door {
    /// Decodes a file.
    ///
    /// # Errors
    /// A sentence for the person.
    #[wasm_bindgen(constructor)]
    pub fn open(file: Vec<u8>) -> Result<Door, String> {
        Preview::open(file).map(Door)
    }

    /// What the header says, as JSON.
    pub fn info(&self) -> String {
        serde_json::to_string(self.0.info()).unwrap_or_default()
    }

    /// In what the picture differs from what the array will make.
    pub fn note(&self) -> String {
        self.0.note().to_owned()
    }

    /// The image as it is.
    pub fn before(&self) -> Look {
        Look(self.0.before())
    }

    /// The view-sized copy, equalized.
    ///
    /// # Errors
    /// A sentence for the person.
    pub fn approximate(&mut self, recipe: &str) -> Result<Look, String> {
        self.0.approximate(&read(recipe)?).map(Look)
    }

    /// Begins with the whole image.
    ///
    /// # Errors
    /// A sentence for the person.
    pub fn begin(&mut self, recipe: &str) -> Result<(), String> {
        self.0.begin(&read(recipe)?)
    }

    /// Does some more of it; the result at its end.
    ///
    /// # Errors
    /// A sentence for the person.
    pub fn advance(&mut self) -> Result<Option<Look>, String> {
        Ok(self.0.advance()?.map(Look))
    }

    /// How many parts the image has.
    pub fn parts(&self) -> usize {
        self.0.parts()
    }

    /// A part as it was decoded.
    pub fn decoded(&self, part: usize) -> Option<Vec<u8>> {
        self.0.decoded(part)
    }

    /// A part of the result.
    pub fn equalized(&self, part: usize) -> Option<Vec<u8>> {
        self.0.equalized(part)
    }
}

#[wasm_bindgen]
impl Look {
    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.0.picture.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.0.picture.height
    }

    /// Whether every pixel was looked at.
    pub fn exact(&self) -> bool {
        self.0.exact
    }

    /// The distribution, as JSON.
    pub fn distribution(&self) -> String {
        serde_json::to_string(&self.0.distribution).unwrap_or_default()
    }

    /// The pixels: red, green, blue and alpha.
    pub fn pixels(self) -> Vec<u8> {
        self.0.picture.bytes
    }
}

/// The name of the instructions that this module uses.
#[wasm_bindgen]
pub fn kernel() -> String {
    Kernel::best().name().to_owned()
}

fn read(recipe: &str) -> Result<Recipe, String> {
    serde_json::from_str(recipe).map_err(|error| format!("This recipe can't be read: {error}."))
}
