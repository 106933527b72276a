//! Prints the public API that a JSON file of rustdoc's describes, one item a line. See `api/check`.
//!
//! Left out is what follows from the rest: blanket implementations, and auto traits, which
//! `tests/source/auto_traits.rs` holds.

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
