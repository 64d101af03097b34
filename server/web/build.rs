//! Has this crate compiled anew when the site that it embeds has changed (in a release; a development build reads it from the disk).
//! Nothing is generated here: the site comes from `make build`.

use std::path::Path;
use std::{env, fs};

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    // A plain `cargo build` has no site yet; the folder must be there to be embedded.
    let site = Path::new("../../target/site");
    fs::create_dir_all(site)?;
    if env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rerun-if-changed={}", site.display());
    }
    Ok(())
}
