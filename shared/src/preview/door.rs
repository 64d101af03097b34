//! JavaScript bindings of the preview. Recipes and histograms are passed as JSON, pixels as bytes, errors as sentences.

use wasm_bindgen::prelude::wasm_bindgen;

use super::{Preview, Shown};
use crate::equalize::{Kernel, Recipe};

/// Preview of one file.
#[wasm_bindgen]
pub struct Door(Preview);

/// Picture with its histogram.
#[wasm_bindgen]
pub struct Look(Shown);

#[wasm_bindgen]
impl Door {
    /// Decodes a file.
    ///
    /// # Errors
    /// A sentence for the user.
    #[wasm_bindgen(constructor)]
    pub fn open(file: Vec<u8>) -> Result<Door, String> {
        Preview::open(file).map(Door)
    }

    /// Returns the header as JSON.
    pub fn info(&self) -> String {
        serde_json::to_string(self.0.info()).unwrap_or_default()
    }

    /// Describes how the preview differs from what the array will produce.
    pub fn note(&self) -> String {
        self.0.note().to_owned()
    }

    /// Returns the original image.
    pub fn before(&self) -> Look {
        Look(self.0.before())
    }

    /// Equalizes the view-sized copy.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn approximate(&mut self, recipe: &str) -> Result<Look, String> {
        self.0.approximate(&read(recipe)?).map(Look)
    }

    /// Begins equalizing the whole image.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn begin(&mut self, recipe: &str) -> Result<(), String> {
        self.0.begin(&read(recipe)?)
    }

    /// Does the next step. Returns the result after the last step, `None` before.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn advance(&mut self) -> Result<Option<Look>, String> {
        Ok(self.0.advance()?.map(Look))
    }

    /// Returns the number of parts.
    pub fn parts(&self) -> usize {
        self.0.parts()
    }

    /// Returns a part as decoded.
    pub fn decoded(&self, part: usize) -> Option<Vec<u8>> {
        self.0.decoded(part)
    }

    /// Returns a part of the result.
    pub fn equalized(&self, part: usize) -> Option<Vec<u8>> {
        self.0.equalized(part)
    }
}

#[wasm_bindgen]
impl Look {
    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.0.picture.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.0.picture.height
    }

    /// Whether the whole image was processed, not only its copy.
    pub fn exact(&self) -> bool {
        self.0.exact
    }

    /// Returns the histogram as JSON.
    pub fn distribution(&self) -> String {
        serde_json::to_string(&self.0.distribution).unwrap_or_default()
    }

    /// Returns the pixels: red, green, blue and alpha.
    pub fn pixels(self) -> Vec<u8> {
        self.0.picture.bytes
    }
}

/// Returns the name of the instruction set that this module uses.
#[wasm_bindgen]
pub fn kernel() -> String {
    Kernel::best().name().to_owned()
}

fn read(recipe: &str) -> Result<Recipe, String> {
    serde_json::from_str(recipe).map_err(|error| format!("This recipe can't be read: {error}."))
}
