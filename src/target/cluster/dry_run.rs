//! What a run would create, as YAML, without creating it.

use super::ClusterTarget;
use super::errors::failed;
use super::kubelet;
use super::objects::{self, Program};
use super::program;
use crate::core::catalogue::{Case, Member, Property, batches, worlds_of_nodes};
use crate::core::model::change::{Change, guarded};
use crate::core::model::world::World;
use crate::target::{LaneNames, Stand, TargetError};
use k8s_openapi::api::core::v1 as core;
use serde::Serialize;
use std::collections::BTreeSet;

/// What stands where the run's secret would.
const TOKEN: &str = "drawn-when-the-run-begins";

impl ClusterTarget {
    /// Every object that a run of these cases on so many lanes would create. Names, addresses and label values carry the
    /// run's id, which another run draws anew; which lane takes a case shows only at run time, so each case's policies
    /// are shown once, as the first lane would have them.
    pub fn dry_run(&self, lanes: usize, cases: &[Case]) -> Result<String, TargetError> {
        let mut text = String::new();
        let names = |lane| LaneNames { run: self.options.run.clone(), lane, token: TOKEN.to_owned() };
        let lanes = if cases.iter().all(|case| case.every_node) { 0 } else { lanes };
        for names in (0u32..).take(lanes).map(names) {
            self.world_objects(&self.world(&names, &Stand::Spread), &names, &mut text)?;
        }
        let each: Vec<Stand> = worlds_of_nodes(self.nodes.len()).into_iter().map(Stand::OnEach).collect();
        let each = if cases.iter().any(|case| case.every_node) { each } else { Vec::new() };
        // One lane more for each.
        for (stand, names) in each.iter().zip((0u32..).skip(lanes).map(names)) {
            self.world_objects(&self.world(&names, stand), &names, &mut text)?;
        }
        let names = names(0);
        let suffix = self.label_suffix(&names);
        let given = self.maker.given.is_some();
        let members = batches(cases.to_vec()).into_iter().flat_map(|batch| batch.members);
        for Member { case, seat, share: _ } in members.filter(|member| !(given && member.case.changes_a_namespace())) {
            let stand = each.first().filter(|_| case.every_node).unwrap_or(&Stand::Spread);
            let world = self.world(&names, stand);
            let instance = case.instantiate_at(&seat, &world, &suffix);
            for policy in instance.steps.iter().flat_map(Change::policies) {
                let namespace = world.namespace(&policy.namespace).map(|n| n.name.as_str()).unwrap_or_default();
                let object = objects::network_policy(&self.maker.tag, policy, namespace);
                let object = object.map_err(|error| failed(format!("writing {}", policy.key()), error))?;
                append(&mut text, &format!("case {}", case.id), &object)?;
            }
            for change in &instance.steps {
                let Change::Recreate { subject, bare: true } = change else { continue };
                for pod in world.held_by(subject) {
                    let object = objects::bare_pod(self.maker.replica_set(&world, pod, &names));
                    append(&mut text, &format!("case {}", case.id), &object)?;
                }
            }
            let guarded = guarded(&instance.steps).filter(|_| case.property == Some(Property::Kubelet));
            if let Some(pod) = guarded.and_then(|namespace| kubelet::pod(&world, namespace)) {
                let set = kubelet::probed(self.maker.replica_set(&world, &pod, &names));
                append(&mut text, &format!("case {}", case.id), &set)?;
            }
        }
        Ok(text)
    }

    fn world_objects(&self, world: &World, names: &LaneNames, text: &mut String) -> Result<(), TargetError> {
        let maker = &self.maker;
        let lane = format!("lane {}", names.lane + 1);
        for namespace in &world.namespaces {
            if maker.given.is_none() {
                append(text, &lane, &objects::namespace(&maker.tag, namespace))?;
            }
            let pods: Vec<_> = world.pods.iter().filter(|pod| pod.id.namespace == namespace.id).collect();
            if matches!(maker.style.program, Program::Carried { .. }) {
                let archs: BTreeSet<&str> = pods.iter().map(|pod| maker.arch(&pod.node)).collect();
                for arch in archs {
                    let size = program::executable(arch).map_or(0, <[u8]>::len);
                    let note = format!("{lane}; its binaryData.agent, {size} bytes, is left out here");
                    append(text, &note, &objects::agent(&maker.tag, namespace, arch, &[]))?;
                }
            }
            if let Some(secret) = &maker.pull_secret {
                let copy = core::Secret { data: None, ..objects::pull_secret(&maker.tag, namespace, secret) };
                append(text, &format!("{lane}; its data, those of the original, are left out here"), &copy)?;
            }
            for pod in pods {
                if pod.service.is_some() {
                    append(text, &lane, &objects::service(&maker.tag, namespace, pod))?;
                }
                append(text, &lane, &maker.replica_set(world, pod, names))?;
            }
        }
        Ok(())
    }
}

fn append(text: &mut String, note: &str, object: &impl Serialize) -> Result<(), TargetError> {
    let yaml = serde_saphyr::to_string(object).map_err(|error| failed("writing an object as YAML", error))?;
    text.push_str(&format!("---\n# {note}\n{}\n", yaml.trim_end()));
    Ok(())
}
