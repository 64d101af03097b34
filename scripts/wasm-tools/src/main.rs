//! `wasm-tools split MODULE OUT NAME` splits a module into the parts that are loaded later, as `wasm-split-cli --target web` does.
//!
//! `wasm-tools bindgen MODULE OUT NAME [--names] [--lld-exports]` writes a module's JavaScript and strips the module, as
//! `wasm-bindgen --target web --no-typescript` does. `--names` keeps the names of functions, for wasm-opt; `--lld-exports` keeps
//! the linker's exports, for the parts.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: wasm-tools split MODULE OUT NAME
       wasm-tools bindgen MODULE OUT NAME [--names] [--lld-exports]";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args.as_slice() {
        ["split", module, out, name] => split(Path::new(module), Path::new(out), name),
        ["bindgen", module, out, name, options @ ..] => match Options::parse(options) {
            Some(options) => bindgen(Path::new(module), Path::new(out), name, &options),
            None => Err(USAGE.into()),
        },
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wasm-tools: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn split(module: &Path, out: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let module = std::fs::read(module)?;
    let (main_file, main_script) = (out.join(format!("{name}.wasm")), format!("./{name}.js"));
    let mut options = wasm_split_cli_support::Options::new(&module);
    options.output_dir = out;
    options.main_out_path = &main_file;
    options.main_module = &main_script;
    options.target.web();
    wasm_split_cli_support::transform(options)?;
    Ok(())
}

#[derive(Default)]
struct Options {
    names: bool,
    lld_exports: bool,
}

impl Options {
    fn parse(args: &[&str]) -> Option<Self> {
        let mut options = Self::default();
        for arg in args {
            match *arg {
                "--names" => options.names = true,
                "--lld-exports" => options.lld_exports = true,
                _ => return None,
            }
        }
        Some(options)
    }
}

fn bindgen(module: &Path, out: &Path, name: &str, options: &Options) -> Result<(), Box<dyn Error>> {
    wasm_bindgen_cli_support::Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(false)
        .remove_name_section(!options.names)
        .remove_producers_section(true)
        .keep_lld_exports(options.lld_exports)
        .out_name(name)
        .generate(out)?;
    Ok(())
}
