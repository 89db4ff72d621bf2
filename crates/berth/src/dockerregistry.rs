// SPDX-License-Identifier: Apache-2.0
//! Invoked as `dockerregistry`, the name of the registry that this one replaces, the binary takes
//! that one's flags (registry.md 7). Go's flags have one dash or two, and a value behind `=` or in
//! the next word.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Source;
use crate::registry;
use crate::registry::listing::Listing;

/// Exit code for wrong arguments, as Go's flag package has it.
const USAGE: u8 = 2;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Serve(Option<PathBuf>),
    List(Option<PathBuf>, Vec<Listing>),
}

/// Flags of logging libraries: accepted, without effect here.
const IGNORED: [&str; 8] = [
    "v",
    "vmodule",
    "logtostderr",
    "alsologtostderr",
    "stderrthreshold",
    "log_dir",
    "log_backtrace_at",
    "log_flush_frequency",
];

/// Does what the old flags say.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<ExitCode> {
    let source = |config| Source { config, strict: false };
    match parse(arguments) {
        Ok(Request::Serve(config)) => registry::serve::run(&source(config)),
        Ok(Request::List(config, listings)) => registry::listing::run(&source(config), &listings),
        Err(message) => {
            eprintln!("{message}");
            Ok(ExitCode::from(USAGE))
        }
    }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Request, String> {
    let mut experimental = false;
    let mut listings = Vec::new();
    let mut config = None;
    while let Some(word) = arguments.next() {
        let Some(flag) = word.strip_prefix("--").or_else(|| word.strip_prefix('-')) else {
            config = Some(PathBuf::from(word));
            break;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let on = value.as_deref().unwrap_or("true") == "true";
        match name {
            "experimental" => experimental = on,
            "list-repositories" if on => listings.push(Listing::Repositories),
            "list-blobs" if on => listings.push(Listing::Blobs),
            "list-manifests" if on => listings.push(Listing::Manifests),
            "list-repositories" | "list-blobs" | "list-manifests" => {}
            "list-manifests-from" => {
                let name = value.or_else(|| arguments.next());
                let name = name.ok_or("flag needs an argument: -list-manifests-from")?;
                listings.push(Listing::ManifestsFrom(name));
            }
            "prune" | "restore-mode" | "restore-namespace" => {
                return Err(format!(
                    "-{name} compares the store with the image API, which this build does not have; \
                     for a registry without image API use: berth registry garbage-collect"
                ));
            }
            _ if IGNORED.contains(&name) => {
                // Only the boolean ones may stand without a value.
                let boolean = name.ends_with("logtostderr");
                if value.is_none() && !boolean {
                    arguments.next();
                }
            }
            _ => return Err(format!("flag provided but not defined: -{name}")),
        }
    }
    if listings.is_empty() {
        return Ok(Request::Serve(config));
    }
    if !experimental {
        return Err("the -list-… flags need -experimental".to_owned());
    }
    Ok(Request::List(config, listings))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &[&str]) -> Result<Request, String> {
        parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn go_flags_are_understood() {
        let config = Some(PathBuf::from("/config.yml"));
        assert_eq!(request(&["/config.yml"]), Ok(Request::Serve(config.clone())));
        assert_eq!(
            request(&["-v", "4", "-logtostderr", "/config.yml"]),
            Ok(Request::Serve(config.clone()))
        );
        assert_eq!(
            request(&["--experimental", "-list-blobs", "-list-manifests-from=a/b", "/config.yml"]),
            Ok(Request::List(config, vec![Listing::Blobs, Listing::ManifestsFrom("a/b".into())]))
        );
        assert!(request(&["-list-blobs"]).unwrap_err().contains("-experimental"));
        assert!(request(&["-prune=check"]).unwrap_err().contains("image API"));
        assert_eq!(request(&["-nonsense"]), Err("flag provided but not defined: -nonsense".into()));
    }
}
