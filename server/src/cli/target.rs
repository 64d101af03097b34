//! Options of the result's format and depth.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use shared::equalize::Target;
use shared::job::Format;
use shared::pixels::Depth;

/// Options of the result's format and depth. Without them, a result is what its original is.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TargetArgs {
    /// Format of the results, if not the originals': what it can't hold (depth, alpha, metadata) is lost and reported
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    to: Option<Format>,

    /// Bits of a sample, if fewer than the original's
    #[arg(long, value_name = "BITS", value_parser = ["8"])]
    depth: Option<String>,
}

impl TargetArgs {
    /// Returns the target of results; `recipe` is that of the recipe.
    pub fn target(&self, recipe: Target) -> Target {
        let depth = self.depth.as_ref().map(|_| Depth::Eight);
        Target { format: self.to.or(recipe.format), depth: depth.or(recipe.depth) }
    }
}

fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}
