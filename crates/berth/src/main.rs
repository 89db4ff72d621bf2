// SPDX-License-Identifier: Apache-2.0
//! The `berth` binary: arguments, configuration, wiring. No logic of its own.

mod cli;
mod registry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::run(cli::Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("berth: {error:#}");
            ExitCode::FAILURE
        }
    }
}
