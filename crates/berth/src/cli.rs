// SPDX-License-Identifier: Apache-2.0
//! What can be typed, and what it calls.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::{registry, up};

/// Berth, a container image registry: serves images, and checks and cleans up its store
#[derive(Debug, Parser)]
#[command(name = "berth", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a registry, or work on its store
    ///
    /// Without a subcommand the registry is served in the foreground until SIGTERM or SIGINT.
    Registry(Registry),
    /// Run the embedded control plane: a Kubernetes and OpenShift API on this machine
    ///
    /// Keeps everything in one directory, serves until SIGTERM or SIGINT, and prints how to reach it.
    /// The registry and its operator are not run by it yet: `berth registry` serves images.
    Up(up::Up),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Shown below `berth registry --help`.
const EXAMPLES: &str = "\
Examples:
  berth registry                             serve /var/lib/registry on port 5000, open to everybody
  berth registry /etc/berth/config.yml       serve as the file says
  REGISTRY_HTTP_ADDR=127.0.0.1:5001 berth registry /etc/berth/config.yml
                                             the same, one key given by a variable
  berth registry check /etc/berth/config.yml
                                             look for damage; the registry may run meanwhile
  berth registry garbage-collect --dry-run /etc/berth/config.yml
                                             what a garbage collection would remove
  berth registry purge-uploads --older-than 24h --delete /etc/berth/config.yml
                                             remove uploads that were never finished
  berth registry config-reference            all keys of the file, with their defaults";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Registry {
    #[command(subcommand)]
    command: Option<RegistryCommand>,
    #[command(flatten)]
    source: Source,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct Source {
    /// Configuration file in distribution's format
    ///
    /// REGISTRY_ variables override it. Without a file (and without
    /// REGISTRY_CONFIGURATION_PATH) a built-in one is used: storage in /var/lib/registry, port
    /// 5000, no authentication.
    #[arg(value_name = "CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Refuse unknown keys and REGISTRY_ variables instead of warning
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Subcommand)]
enum RegistryCommand {
    /// Serve the registry: the same as no subcommand, for those used to distribution's
    Serve(Source),
    /// Read a whole store and report what is missing, torn, damaged or foreign
    ///
    /// Every blob is hashed, every link followed. Nothing is changed, and the registry may run
    /// meanwhile. Findings go to standard output, progress to standard error.
    ///
    /// Exit code: 0 nothing is damaged, 1 something is, 2 the configuration or the store could not
    /// be read.
    Check {
        #[command(flatten)]
        source: Source,
        /// How findings are printed
        #[arg(long, value_enum, default_value_t)]
        output: registry::maintenance::Output,
        /// Do not report progress on standard error
        #[arg(long, short)]
        quiet: bool,
    },
    /// Remove blobs that no manifest refers to
    ///
    /// Whatever is pushed while this runs may be lost, so nothing may write to the store.
    ///
    /// Exclusive store (berth.store, the default): a lock sees to it. The registry must be stopped,
    /// or run in read-only mode (storage.maintenance.readonly). While another process holds the
    /// lock, this waits for it, 30 seconds at most.
    ///
    /// Shared store: nothing sees to it. Stop every registry that writes to the store, or restart it
    /// in read-only mode, before you start this.
    ///
    /// --dry-run changes nothing and may run beside any registry.
    ///
    /// Exit code: 0 done, 2 the configuration or the store could not be used.
    #[command(alias = "gc")]
    GarbageCollect {
        #[command(flatten)]
        source: Source,
        /// Only print what would be removed
        #[arg(long, short)]
        dry_run: bool,
        /// Also remove manifests that no tag leads to, as a child or referrer either
        #[arg(long, short = 'm')]
        delete_untagged: bool,
        /// Print the totals only
        #[arg(long, short)]
        quiet: bool,
    },
    /// Remove upload sessions that were begun and never finished
    ///
    /// Without --delete it only tells, and may run beside any registry. With --delete an exclusive
    /// store must not be in use, as for garbage-collect; on a shared one the registries may run. A
    /// running registry purges by itself (storage.maintenance.uploadpurging).
    ///
    /// Exit code: 0 done, 1 some could not be removed, 2 the configuration or the store could not be
    /// used.
    PurgeUploads {
        #[command(flatten)]
        source: Source,
        /// Remove sessions older than this (Go notation: 168h, 30m)
        #[arg(long, default_value = "168h", value_parser = registry::maintenance::parse_age)]
        older_than: std::time::Duration,
        /// Really remove them
        #[arg(long)]
        delete: bool,
    },
    /// Print the reference of all settings
    ConfigReference {
        /// As JSON instead of Markdown
        #[arg(long)]
        json: bool,
    },
}

/// Does what was asked.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.command {
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "berth", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Up(arguments) => up::run(&arguments),
        Command::Registry(Registry { command, source }) => match command {
            None => registry::serve::run(&source),
            Some(RegistryCommand::Serve(source)) => registry::serve::run(&source),
            Some(RegistryCommand::Check { source, output, quiet }) => {
                Ok(registry::maintenance::check(&source, output, quiet))
            }
            Some(RegistryCommand::GarbageCollect { source, dry_run, delete_untagged, quiet }) => {
                let untagged = delete_untagged;
                Ok(registry::maintenance::garbage_collect(&source, dry_run, untagged, quiet))
            }
            Some(RegistryCommand::PurgeUploads { source, older_than, delete }) => {
                Ok(registry::maintenance::purge_uploads(&source, older_than, delete))
            }
            Some(RegistryCommand::ConfigReference { json }) => {
                if json {
                    println!("{}", registry_config::reference_json());
                } else {
                    print!("{}", registry_config::reference_markdown());
                }
                Ok(ExitCode::SUCCESS)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_says_what_the_program_is_and_what_can_be_typed() {
        let mut command = Arguments::command();
        let help = command.render_help().to_string();
        assert!(help.starts_with("Berth, a container image registry: "), "{help}");
        let registry = command.find_subcommand_mut("registry").expect("it is there");
        let help = registry.render_long_help().to_string();
        assert!(help.contains("Examples:\n  berth registry "), "{help}");
        // What the examples type can be typed.
        for line in EXAMPLES.lines().filter(|line| line.contains("berth registry")) {
            let words = line.split_whitespace().skip_while(|word| *word != "berth");
            let words: Vec<&str> =
                words.take_while(|word| *word != "serve" && *word != "all").collect();
            assert!(Arguments::try_parse_from(&words).is_ok(), "{words:?}");
        }
    }

    #[test]
    fn a_file_and_a_subcommand_are_told_apart() {
        let parse = |words: &[&str]| Arguments::try_parse_from(words).map(|a| a.command);
        let Ok(Command::Registry(registry)) = parse(&["berth", "registry", "/etc/config.yml"])
        else {
            panic!("a file alone serves");
        };
        assert_eq!(registry.source.config, Some("/etc/config.yml".into()));
        let words = ["berth", "registry", "garbage-collect", "-d", "-m", "/etc/config.yml"];
        let Ok(Command::Registry(registry)) = parse(&words) else { panic!("distribution's flags") };
        assert!(matches!(
            registry.command,
            Some(RegistryCommand::GarbageCollect { dry_run: true, delete_untagged: true, .. })
        ));
    }
}
