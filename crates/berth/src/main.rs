// SPDX-License-Identifier: Apache-2.0
//! The `berth` binary: arguments, configuration, wiring. No logic of its own.

mod cli;
mod dockerregistry;
mod registry;
mod up;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let mut words = std::env::args();
    let program = words.next().unwrap_or_default();
    let result = if Path::new(&program).file_name().is_some_and(|name| name == "dockerregistry") {
        dockerregistry::run(words)
    } else {
        cli::run(cli::Arguments::parse())
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("berth: {error:#}");
            ExitCode::FAILURE
        }
    }
}
