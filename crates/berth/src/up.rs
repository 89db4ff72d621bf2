// SPDX-License-Identifier: Apache-2.0
//! `berth up`: the embedded control plane in the foreground.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use standalone::{ControlPlane, Settings};
use telemetry::log::{Format, Level, Line, LogConfig};
use tokio::signal::unix::{SignalKind, signal};

/// Crates whose own lines are shown at every level; others' only from warnings on.
const OWN_CRATES: [&str; 6] =
    ["berth", "standalone", "apimachinery", "apistore", "core_api", "oauth"];

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Where everything is kept
    ///
    /// As root /var/lib/berth, else `berth` below $XDG_DATA_HOME (~/.local/share).
    #[arg(long, value_name = "DIR", env = "BERTH_UP_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The API's port, 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = 6443, env = "BERTH_UP_API_PORT")]
    api_port: u16,
    /// The address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", env = "BERTH_UP_BIND")]
    bind: IpAddr,
}

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(up: &Up) -> Result<ExitCode> {
    telemetry::log::init(&LogConfig {
        level: Level::Info,
        format: Format::Text,
        fields: BTreeMap::new(),
        own_crates: OWN_CRATES.to_vec(),
    })?;
    let data_dir = match &up.data_dir {
        Some(dir) => dir.clone(),
        None => default_data_dir()?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let registry = "image-registry.openshift-image-registry.svc:5000".to_owned();
        let settings = Settings { data_dir, bind: up.bind, api_port: up.api_port, registry };
        let control_plane = ControlPlane::start(&settings).await?;
        // Whoever reads this may have gone; the control plane goes on.
        let _ = std::io::stdout().write_all(greeting(&control_plane)?.as_bytes());
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Line::info("stopping").emit();
        };
        control_plane.serve(stop).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What is printed once everything answers.
fn greeting(control_plane: &ControlPlane) -> Result<String> {
    let url = format!("https://{}", control_plane.address()?);
    Ok(format!(
        "The API is ready: {url}\n  export KUBECONFIG={}\n  kubectl get namespaces\nTo log in as the first \
         administrator:\n  oc login -u kubeadmin -p \"$(cat {})\" {url}\n",
        control_plane.kubeconfig().display(),
        control_plane.password().display(),
    ))
}

/// Root's data is the machine's, anybody else's their own.
fn default_data_dir() -> Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/berth".into());
    }
    let home = std::env::var_os("XDG_DATA_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    let home = home
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")));
    Ok(home
        .context("neither XDG_DATA_HOME nor HOME is set: say where with --data-dir")?
        .join("berth"))
}
