//! Recipe serialization for the API. The tests compare with what the server reads.

use shared::equalize::{Recipe, Wire};
use shared::number::Decimal;

/// Serializes a recipe as JSON.
pub fn recipe(recipe: Recipe) -> String {
    let wire = Wire::from(recipe);
    let number = |number: Option<f64>| number.map(|number| Decimal(number).to_string());
    // Names and ids contain nothing that needs escaping.
    let quoted = |text: &str| format!("\"{text}\"");
    let fields = [
        ("method", Some(quoted(wire.method.name()))),
        ("color", Some(quoted(wire.color.name()))),
        ("clip_limit", number(wire.clip_limit)),
        ("tiles", wire.tiles.map(|[columns, rows]| format!("[{columns},{rows}]"))),
        ("reference", wire.reference.map(|image| quoted(image.as_str()))),
        ("low", number(wire.low)),
        ("high", number(wire.high)),
        ("black", number(wire.black)),
        ("white", number(wire.white)),
        ("gamma", number(wire.gamma)),
        ("strength", number(wire.strength)),
        ("nodata", number(wire.nodata)),
        ("range", wire.range.map(|[low, high]| format!("[{},{}]", Decimal(low), Decimal(high)))),
        ("mask", wire.mask.map(|image| quoted(image.as_str()))),
        ("to", wire.to.map(|format| quoted(format.name()))),
        ("depth", wire.depth.map(|bits| bits.to_string())),
    ];
    let written: Vec<String> =
        fields.into_iter().filter_map(|(name, value)| Some(format!("\"{name}\":{}", value?))).collect();
    format!("{{{}}}", written.join(","))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_server_reads_every_recipe_as_it_was_meant() {
        const A: &str = "01a20785e1e473bd9a92fd6276871e36";
        for text in [
            r#"{"method":"global"}"#.to_owned(),
            r#"{"method":"clahe","color":"oklab","clip_limit":3.5,"tiles":[4,6],"strength":0.25,"nodata":-9999.5}"#
                .to_owned(),
            r#"{"method":"stretch","color":"channels","low":0.5,"high":99.25,"range":[-1.5,1e20]}"#.to_owned(),
            r#"{"method":"global","nodata":1e-300}"#.to_owned(),
            r#"{"method":"global","color":"lab","clip_limit":2.5}"#.to_owned(),
            r#"{"method":"global","to":"jpeg"}"#.to_owned(),
            r#"{"method":"stretch","to":"tiff","depth":8}"#.to_owned(),
            r#"{"method":"stretch","black":-3,"white":220.5,"gamma":1.8}"#.to_owned(),
            format!(r#"{{"method":"match","color":"gray","reference":"{A}","mask":"{A}"}}"#),
        ] {
            let meant: Recipe = serde_json::from_str(&text).unwrap();
            let read: Recipe = serde_json::from_str(&recipe(meant.clone())).unwrap();
            assert_eq!(read, meant, "{text}");
        }
    }
}
