//! Prints the public API from a JSON file of rustdoc, one item in each line. See `api/check`.
//!
//! It leaves out blanket implementations and auto traits, which `tests/source/auto_traits.rs` checks.

use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("which file?");
        return ExitCode::from(2);
    };
    let api = public_api::Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    match api {
        Ok(api) => {
            print!("{api}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
