// SPDX-License-Identifier: Apache-2.0
//! `berth up` with kubectl: objects live, roles decide, a restart keeps everything, a second one is refused.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use testkit::Tool;

/// How long a start may take on a loaded machine.
const START: Duration = Duration::from_secs(30);

/// A running `berth up`; ended when dropped.
struct Up {
    child: Child,
    url: String,
}

impl Up {
    fn start(data: &Path) -> Result<Self> {
        let mut child = command(data)?.stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("its output")?;
        let begun = Instant::now();
        for line in BufReader::new(output).lines() {
            if let Some(url) = line?.strip_prefix("The API is ready: ") {
                return Ok(Self { child, url: url.to_owned() });
            }
            ensure!(begun.elapsed() < START, "not ready in {START:?}");
        }
        let _ = child.kill();
        anyhow::bail!("berth up ended: {}", child.wait()?)
    }

    /// Stops it as a supervisor does.
    fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Tool::new("kill")?.run(["-TERM", &pid])?;
        ensure!(self.child.wait()?.success(), "a clean end");
        Ok(())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data: &Path) -> Result<Command> {
    let mut command = Command::new(testkit::server::berth()?);
    command.arg("up").arg("--data-dir").arg(data).args(["--api-port", "0"]);
    Ok(command)
}

fn kubectl(data: &Path) -> Result<Tool> {
    let cache = data.with_extension("cache");
    Ok(Tool::new("kubectl")?
        .env("KUBECONFIG", data.join("admin.kubeconfig"))
        .with(["--cache-dir".as_ref(), cache.as_os_str()]))
}

/// Writes a manifest and answers its path as text.
fn manifest(directory: &Path, name: &str, text: &str) -> Result<String> {
    let path = directory.join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

#[test]
fn kubectl_works_with_it() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let up = Up::start(&data)?;
    let kubectl = kubectl(&data)?;
    let say = |words: &[&str]| kubectl.run(words).map(|output| output.text());

    ensure!(say(&["get", "namespaces"])?.contains("openshift-image-registry   Active"), "a table");
    ensure!(say(&["create", "namespace", "shop"])?.contains("namespace/shop created"), "created");
    ensure!(
        say(&["create", "secret", "generic", "s", "--from-literal=a=b", "-n", "shop"])?
            .contains("secret/s created"),
        "protobuf"
    );
    ensure!(
        say(&["get", "secret", "s", "-n", "shop", "-o", "jsonpath={.data.a}"])?.trim() == "Yg==",
        "kept"
    );
    let text = say(&["create", "deployment", "web", "--image=web:1", "-n", "shop"])?;
    ensure!(text.contains("deployment.apps/web created"), "{text}");
    let text = say(&["scale", "deployment/web", "--replicas=3", "-n", "shop"])?;
    ensure!(text.contains("deployment.apps/web scaled"), "{text}");
    let text = say(&["set", "image", "deployment/web", "web=web:2", "-n", "shop"])?;
    ensure!(text.contains("image updated"), "strategic patch: {text}");
    let fields = say(&[
        "get",
        "deployment",
        "web",
        "-n",
        "shop",
        "-o",
        "jsonpath={.spec.replicas} {.metadata.generation}",
    ])?;
    ensure!(fields.trim() == "3 3", "{fields}");

    let file = manifest(
        directory.path(),
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  k: '1'\n",
    )?;
    ensure!(say(&["apply", "-n", "shop", "-f", &file])?.contains("configmap/m created"), "apply");
    let file = manifest(
        directory.path(),
        "map.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  l: '2'\n",
    )?;
    ensure!(
        say(&["apply", "-n", "shop", "-f", &file])?.contains("configmap/m configured"),
        "apply again"
    );
    ensure!(
        say(&["get", "configmap", "m", "-n", "shop", "-o", "jsonpath={.data}"])?
            .contains("{\"l\":\"2\"}"),
        "merged"
    );
    let text = say(&["apply", "--server-side", "--force-conflicts", "-n", "shop", "-f", &file])?;
    ensure!(text.contains("configmap/m serverside-applied"), "{text}");
    ensure!(say(&["explain", "deployment.spec.replicas"])?.contains("replicas"), "OpenAPI");

    let refused = kubectl.attempt(["get", "pods", "-n", "shop", "--as=bob"])?;
    let text = refused.stderr;
    ensure!(
        text.contains(
            "User \"bob\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\""
        ),
        "{text}"
    );
    ensure!(
        text.contains("oc policy add-role-to-user view bob -n shop"),
        "what would help: {text}"
    );
    say(&["create", "rolebinding", "look", "--clusterrole=view", "--user=bob", "-n", "shop"])?;
    testkit::process::wait_until("the role counts", Duration::from_secs(10), || {
        Ok(kubectl.attempt(["get", "pods", "-n", "shop", "--as=bob"])?.success)
    })?;
    let wrong = kubectl.attempt(["get", "secrets", "-n", "shop", "--as=bob"])?;
    ensure!(!wrong.success, "viewers see no secrets");

    let second = command(&data)?.stderr(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(!second.status.success() && text.contains("is in use by another `berth up`"), "{text}");

    up.stop()?;
    let up = Up::start(&data)?;
    ensure!(
        say(&["get", "deployment", "web", "-n", "shop"])?.contains("web"),
        "kept over a restart"
    );
    ensure!(
        say(&["delete", "namespace", "shop"])?.contains("namespace \"shop\" deleted"),
        "emptied and gone"
    );
    ensure!(
        !kubectl.attempt(["get", "deployment", "web", "-n", "shop"])?.success,
        "nothing is left in it"
    );
    up.stop()
}

#[test]
fn people_log_in() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let up = Up::start(&data)?;
    let password = std::fs::read_to_string(data.join("kubeadmin-password"))?;
    let curl = Tool::new("curl")?.with(["-sk", "-H", "X-CSRF-Token: 1", "-o", "/dev/null"]);
    let authorize = format!(
        "{}/oauth/authorize?client_id=openshift-challenging-client&response_type=token",
        up.url
    );
    let code = curl.run(["-w", "%{http_code}", &authorize])?.text();
    ensure!(code == "401", "challenged: {code}");
    let code = curl.run(["-u", "kubeadmin:wrong", "-w", "%{http_code}", &authorize])?.text();
    ensure!(code == "401", "a wrong password: {code}");
    let account = format!("kubeadmin:{password}");
    let location = curl.run(["-u", &account, "-w", "%{redirect_url}", &authorize])?.text();
    let token = location
        .split_once("access_token=")
        .and_then(|(_, rest)| rest.split('&').next())
        .context("a token")?
        .replace("%7E", "~");
    let bearer = format!("Authorization: Bearer {token}");
    let who = format!("{}/apis/user.openshift.io/v1/users/~", up.url);
    let text = Tool::new("curl")?.run(["-sk", "-H", &bearer, &who])?.text();
    ensure!(
        text.contains("\"name\":\"kube:admin\"") && text.contains("system:cluster-admins"),
        "{text}"
    );
    let text =
        Tool::new("curl")?.run(["-sk", "-H", "Authorization: Bearer sha256~none", &who])?.text();
    ensure!(text.contains("Unauthorized"), "{text}");
    up.stop()
}
