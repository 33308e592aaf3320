//! Custom resources of a real API server, from the moment at which it has stored them.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bailiwick_testkit::generate::Shape;
use bailiwick_testkit::servers::{Cluster, Identity};
use serde_json::{Value, json};

use super::changes::{CHANGES, enforced, until};
use super::connection::Connection;
use super::home::{API_VERSION, Home};
use super::program::Program;
use super::questions;
use super::wire::Request;
use crate::bench::figures::{Figures, Times};
use crate::bench::full_set::{SEED, of_team};
use crate::bench::live;

/// Bindings of the real cluster: 100,000 take the API server too long to store.
const BINDINGS: usize = 10_000;
const PATH: &str = "/apis/bailiwick.dev/v1alpha1";

pub(super) fn run(home: &Home, bailiwick: &Path, figures: &mut Figures) -> Result<()> {
    let cluster = Cluster::builder().without_controller_manager().start()?;
    let admin = cluster.admin();
    let crds = Command::new(bailiwick).arg("crds").output()?;
    admin.apply(&String::from_utf8(crds.stdout)?)?;
    let wait = ["wait", "--for=condition=Established", "crd", "--all"];
    admin.kubectl(&wait)?.success()?;
    live::fill(admin, &Shape::mixed(BINDINGS).cluster(SEED))?;
    let config = home.configure("live.yaml", "live-log", "")?;
    let mut program = Program::start(
        Command::new(bailiwick)
            .args(["serve", "--config"])
            .arg(config)
            .arg("--kubeconfig")
            .arg(admin.kubeconfig()),
    )?;
    program.wait_for("new state revision=")?;
    let connection = Connection::open(program.address, &home.client()?)?;
    let changes = Changes { admin, connection };
    changes.of(
        figures,
        "Revocation",
        "revocations",
        |user| json!({"user": user}),
    )?;
    changes.of(figures, "ClusterPolicy", "clusterpolicies", |user| {
        json!({"cedar": format!("forbid (principal == k8s::User::\"{user}\", action, resource);")})
    })
}

struct Changes<'a> {
    admin: &'a Identity,
    connection: Connection,
}

impl Changes<'_> {
    /// Makes and deletes documents that deny somebody everything.
    fn of(
        &self,
        figures: &mut Figures,
        kind: &str,
        plural: &str,
        spec: impl Fn(&str) -> Value,
    ) -> Result<()> {
        let (mut made, mut deleted) = (Times::default(), Times::default());
        for number in 0..CHANGES {
            let (user, request) = of_team(number);
            let review = questions::review(&user, &request)?;
            until(&self.connection, &review, true)?;
            let name = format!("one-{number}");
            let object = json!({
                "apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec(&user.name),
            });
            let reply = self.admin.post(&format!("{PATH}/{plural}"), &object)?;
            ensure!(reply.status == 201, "{}", reply.body);
            made.push(self.enforced(&review, false)?);
            let path = format!("{PATH}/{plural}/{name}");
            let reply = self.admin.request("DELETE", &path, &[], None)?;
            ensure!(reply.status == 200, "{}", reply.body);
            deleted.push(self.enforced(&review, true)?);
        }
        enforced(
            figures,
            &format!("a {kind} that the API server has stored"),
            made,
        );
        enforced(figures, &format!("a {kind} that it has deleted"), deleted);
        Ok(())
    }

    fn enforced(&self, review: &Request, allowed: bool) -> Result<Duration> {
        let stored = Instant::now();
        let at = until(&self.connection, review, allowed)?;
        // As long as the next change is away from this one for whoever makes changes by hand.
        thread::sleep(Duration::from_millis(60));
        Ok(at.saturating_duration_since(stored))
    }
}
