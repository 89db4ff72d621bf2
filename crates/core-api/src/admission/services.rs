// SPDX-License-Identifier: Apache-2.0
//! Gives services their addresses and node ports.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::field::{Error, ErrorList, Path};
use api::meta;
use api::status::Status;
use apimachinery::context::Call;
use apimachinery::resource::Admission;
use apimachinery::storage::{Freshness, ResourceStorage, Selection};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::backend::{Parts, Settings};
use crate::cluster_ip::{Claim, Reservations};
use crate::core::services::{self, wants_address, wants_node_ports};
use crate::define::place;
use crate::object::{default_text, each, items, number, set, text};

pub(super) struct Addresses {
    services: ResourceStorage,
    settings: Arc<Settings>,
    reservations: Reservations,
}

impl Addresses {
    pub(super) fn new(parts: &Parts) -> Self {
        Self {
            services: place(&parts.storage, services::KEY, &services::RULES),
            settings: parts.settings.clone(),
            reservations: Reservations::default(),
        }
    }

    /// What stored services hold, but for this one.
    async fn taken(&self, own: &str) -> Result<BTreeSet<Claim>, Status> {
        let everything = Selection::of_namespace("");
        let listed = self
            .services
            .list(&everything, 0, None, Freshness::Newest)
            .await
            .map_err(Status::internal)?;
        let mut taken = BTreeSet::new();
        for service in
            listed.entries.iter().map(|entry| entry.object()).filter(|one| meta::key(one) != own)
        {
            taken.extend(services::address(&service).map(Claim::Address));
            let ports =
                items(&service, "/spec/ports").iter().filter_map(|port| number(port, "/nodePort"));
            taken.extend(
                ports
                    .filter_map(|port| u16::try_from(port).ok())
                    .filter(|port| *port != 0)
                    .map(Claim::Port),
            );
        }
        Ok(taken)
    }

    fn address(&self, service: &mut Value, taken: &BTreeSet<Claim>, now: i64) -> Result<(), Error> {
        let path = Path::new("spec").child("clusterIPs");
        let range = self.settings.service_addresses;
        let asked = match text(service, "/spec/clusterIP") {
            "" => text(service, "/spec/clusterIPs/0").to_owned(),
            asked => asked.to_owned(),
        };
        let spec = &mut service["spec"];
        if asked == "None" {
            set(spec, "clusterIP", "None");
            set(spec, "clusterIPs", json!(["None"]));
            return Ok(());
        }
        let found = if asked.is_empty() {
            let key = meta::key(service);
            self.reservations.address(range, &key, taken, now).ok_or_else(|| {
                Error::internal(&path, "failed to allocate a serviceIP: range is full")
            })?
        } else {
            // Malformed ones are refused with the rest of what is wrong.
            let Ok(address) = asked.parse() else { return Ok(()) };
            let refused = |why: String| {
                Err(Error::invalid(
                    &path,
                    json!([asked]),
                    format!("failed to allocate IP {asked}: {why}"),
                ))
            };
            if !range.contains(address) {
                return refused(format!(
                    "the provided IP ({asked}) is not in the valid range. The range of valid IPs is {range}"
                ));
            }
            if !self.reservations.claim(Claim::Address(address), taken, now) {
                return refused("provided IP is already allocated".to_owned());
            }
            address
        };
        let spec = &mut service["spec"];
        set(spec, "clusterIP", found.to_string());
        set(spec, "clusterIPs", json!([found.to_string()]));
        Ok(())
    }

    fn node_ports(
        &self,
        service: &mut Value,
        taken: &BTreeSet<Claim>,
        now: i64,
    ) -> Result<(), Error> {
        let (range, key) = (&self.settings.node_ports, meta::key(service));
        for (at, port) in each(service, "/spec/ports").enumerate() {
            let path = Path::new("spec").child("ports").index(at).child("nodePort");
            let asked = number(port, "/nodePort").unwrap_or(0);
            if asked == 0 {
                let name = format!("{key}:{at}");
                let found = self.reservations.port(range, &name, taken, now);
                let found = found.ok_or_else(|| {
                    Error::internal(&path, "failed to allocate a nodePort: range is full")
                })?;
                set(port, "nodePort", found);
                continue;
            }
            let inside = u16::try_from(asked).ok().filter(|port| range.contains(port));
            let Some(asked_port) = inside else {
                let detail = format!(
                    "provided port is not in the valid range. The range of valid ports is {}-{}",
                    range.start(),
                    range.end()
                );
                return Err(Error::invalid(&path, asked, detail));
            };
            if !self.reservations.claim(Claim::Port(asked_port), taken, now) {
                return Err(Error::invalid(&path, asked, "provided port is already allocated"));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Admission for Addresses {
    async fn mutate(
        &self,
        call: &Call,
        object: &mut Value,
        old: Option<&Value>,
    ) -> Result<(), Status> {
        let is_service = call.resource.group.is_empty() && call.resource.plural == "services";
        if !is_service || !object["spec"].is_object() || !call.at.subresource.is_empty() {
            return Ok(());
        }
        default_text(&mut object["spec"], "type", "ClusterIP");
        // An update that changes nothing of addresses allocates nothing.
        let had_address =
            old.is_some_and(|old| wants_address(old) && !text(old, "/spec/clusterIP").is_empty());
        let address = wants_address(object) && !had_address;
        let known: Vec<i64> = old
            .map(|old| {
                items(old, "/spec/ports")
                    .iter()
                    .filter_map(|port| number(port, "/nodePort"))
                    .collect()
            })
            .unwrap_or_default();
        let new_port =
            |port: &Value| number(port, "/nodePort").is_none_or(|port| !known.contains(&port));
        let ports = wants_node_ports(object) && items(object, "/spec/ports").iter().any(new_port);
        if !address && !ports {
            return Ok(());
        }
        let (own, now) = (meta::key(object), call.now.seconds());
        let taken = self.taken(&own).await?;
        if old.is_some() {
            // Its own are free for it.
            self.reservations.release(
                known.iter().filter_map(|port| u16::try_from(*port).ok()).map(Claim::Port),
            );
        }
        let mut done = if address { self.address(object, &taken, now) } else { Ok(()) };
        if done.is_ok() && ports {
            if let Some(old) = old {
                keep_ports(object, old);
            }
            done = self.node_ports(object, &taken, now);
        }
        if call.query.dry_run {
            let claimed = services::address(object).map(Claim::Address);
            self.reservations.release(claimed);
        }
        done.map_err(|error| {
            let mut errors = ErrorList::new();
            errors.push(error);
            Status::invalid(&call.resource.group_kind(), meta::name(object), &errors)
        })
    }
}

/// A port that is not named anew keeps its node port.
fn keep_ports(object: &mut Value, old: &Value) {
    for port in each(object, "/spec/ports") {
        let same =
            |other: &&Value| other["port"] == port["port"] && other["protocol"] == port["protocol"];
        if let Some(node) =
            items(old, "/spec/ports").iter().find(same).and_then(|other| other.get("nodePort"))
        {
            let node = node.clone();
            crate::object::default(port, "nodePort", node);
        }
    }
}
