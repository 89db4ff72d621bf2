// SPDX-License-Identifier: Apache-2.0
//! Putting it together, in the order in which it must stand: directory, keys, store, server, policy, socket.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use apimachinery::auth::Authorizer;
use apimachinery::catalog::Catalog;
use apimachinery::local::Local;
use apimachinery::server::Server;
use apimachinery::storage::Storage;
use apistore::{Sqlite, Store, compaction, sqlite};
use core_api::{NotHere, Parts, RbacAuthorizer, SharedPolicy};
use oauth::OAuthServer;
use oauth::scope::ScopeAuthorizer;
use rbac::UserInfo;
use time::OffsetDateTime;
use tokio::net::TcpListener;

use crate::accounts::Accounts;
use crate::authenticate::Credentials;
use crate::data_dir::{DataDir, DataDirError};
use crate::identity::{IdentityError, Keys, serving_names};
use crate::{bootstrap, controllers, login, paths};

/// What an administrator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where the API listens; port 0 for any free one.
    pub bind: IpAddr,
    /// The API's port.
    pub api_port: u16,
    /// The registry's address inside the cluster, as objects tell it.
    pub registry: String,
}

/// Why it did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Keys and certificates.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store cannot be opened.
    #[error("object store: {0}")]
    Store(#[from] sqlite::OpenError),
    /// The store cannot be read.
    #[error("object store: {0}")]
    Read(#[from] apistore::Error),
    /// The port is taken or not ours to take.
    #[error("cannot listen on {address}; choose another port with --api-port")]
    Bind {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why it does not.
        source: std::io::Error,
    },
    /// The administrator's password cannot be made.
    #[error("password of kubeadmin: {0}")]
    Password(String),
    /// The first objects could not be made.
    #[error("first objects: {0}")]
    Bootstrap(String),
}

/// A control plane that is ready and listens.
pub struct ControlPlane {
    dir: DataDir,
    listener: TcpListener,
    server: Arc<Server>,
    keys: Arc<Keys>,
    store: Arc<Sqlite>,
    ready: Arc<AtomicBool>,
    oauth: Arc<OAuthServer>,
    tasks: tokio::task::JoinSet<()>,
}

/// Who the control plane's own parts are.
fn own(name: &str) -> UserInfo {
    let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
    UserInfo { name: format!("system:{name}"), groups, ..UserInfo::default() }
}

impl ControlPlane {
    /// Starts it: when this returns, every request is answered.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let dir = DataDir::open(&settings.data_dir)?;
        let address = SocketAddr::new(settings.bind, settings.api_port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| StartError::Bind { address, source })?;
        let address =
            listener.local_addr().map_err(|source| StartError::Bind { address, source })?;
        let keys =
            Arc::new(Keys::load(&dir, &serving_names(settings.bind), OffsetDateTime::now_utc())?);
        let store = Arc::new(Sqlite::open(&dir.join("store"), &sqlite::Options::default())?);
        let shared: Arc<dyn Store> = store.clone();
        let storage = Storage::new(shared.clone(), "/");
        storage.start().await?;

        let host = if settings.bind.is_unspecified() {
            "127.0.0.1".to_owned()
        } else {
            settings.bind.to_string()
        };
        let url = format!("https://{}", host_port(&host, address.port()));
        let oauth = OAuthServer::new(&oauth::Settings::new(url.clone(), login::session_key(&dir)?))
            .map_err(IdentityError::Key)?;

        let policy = Arc::new(SharedPolicy::default());
        let roles = policy.clone();
        let authorizer: Arc<dyn Authorizer> = Arc::new(ScopeAuthorizer::new(
            Arc::new(RbacAuthorizer::new(policy.clone())),
            Arc::new(move |role| roles.read().cluster_role_rules(role).map(<[_]>::to_vec)),
        ));
        let accounts = Arc::new(Accounts::new(keys.clone(), &storage));
        let parts = Parts {
            storage,
            policy: policy.clone(),
            authorizer: authorizer.clone(),
            tokens: accounts.clone(),
            nodes: Arc::new(NotHere),
            settings: Arc::new(core_api::Settings::default()),
        };
        let ready = Arc::new(AtomicBool::new(false));
        let catalog = Catalog::new(core_api::resources(&parts));
        let credentials = Arc::new(Credentials::new(accounts, vec![oauth.tokens()]));
        let mut server = Server::new(catalog, credentials, authorizer)
            .with_paths(Arc::new(paths::Own::new(keys.clone(), ready.clone())))
            .with_paths(oauth.clone())
            .with_admission(oauth.admission());
        for plugin in core_api::admission(&parts) {
            server = server.with_admission(plugin);
        }
        let server = Arc::new(server);

        let local = Local::new(server.clone(), own("apiserver"));
        oauth.connect(Local::new(server.clone(), own("oauth")));
        let about = core_api::bootstrap::About {
            issuer: url.clone(),
            registry: settings.registry.clone(),
            version: "4.6.0".to_owned(),
            cluster_id: cluster_id(&dir)?,
        };
        bootstrap::run(&local, &server.catalog(), &policy, &about, &parts.settings)
            .await
            .map_err(|status| StartError::Bootstrap(status.message))?;
        login::kubeadmin(&dir, &local).await?;
        dir.write("admin.kubeconfig", &keys.kubeconfig(&url))?;

        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(controllers::policy(
            Local::new(server.clone(), own("policy-controller")),
            policy,
        ));
        tasks.spawn(controllers::namespaces(
            Local::new(server.clone(), own("namespace-controller")),
            server.clone(),
        ));
        tasks.spawn(oauth.tokens().run());
        tasks.spawn(compaction::run(shared, compaction::Policy::default()));
        ready.store(true, Ordering::Relaxed);
        Ok(Self { dir, listener, server, keys, store, ready, oauth, tasks })
    }

    /// Where the API listens.
    ///
    /// # Errors
    /// When the socket does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The administrator's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    /// Where the first administrator's password is kept.
    #[must_use]
    pub fn password(&self) -> PathBuf {
        self.dir.join(login::PASSWORD_FILE)
    }

    /// The server, for what runs in the same process.
    #[must_use]
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Serves until `stop` ends, then closes the store.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub async fn serve(mut self, stop: impl Future<Output = ()> + Send) -> Result<(), StartError> {
        let tls = self.keys.tls()?;
        let ready = self.ready.clone();
        let stop = async move {
            stop.await;
            ready.store(false, Ordering::Relaxed);
        };
        apimachinery::serve::serve(
            self.listener,
            Some(Arc::new(move || tls.clone())),
            self.server,
            stop,
        )
        .await;
        self.tasks.shutdown().await;
        // The two hold each other.
        self.oauth.disconnect();
        self.store.close();
        Ok(())
    }
}

fn host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// The cluster's own uid, made once.
fn cluster_id(dir: &DataDir) -> Result<String, DataDirError> {
    if let Some(id) = dir.read("cluster-id")? {
        return Ok(id.trim().to_owned());
    }
    let id = uuid::Uuid::new_v4().to_string();
    dir.write("cluster-id", &id)?;
    Ok(id)
}
