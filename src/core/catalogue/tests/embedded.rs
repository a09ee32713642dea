//! The files that the program carries.

use crate::core::catalogue::embedded::FAMILIES;
use crate::core::catalogue::{Blueprint, Catalogue, Feature, schema};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn probes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("probes")
}

#[test]
fn embedded_cases_are_sound_and_their_ids_unique() {
    let catalogue = Catalogue::parse(FAMILIES).unwrap_or_else(|error| panic!("{error}"));
    let ids: BTreeSet<&str> = catalogue.cases().iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids.len(), catalogue.cases().len());
    assert_eq!(catalogue, Catalogue::embedded());
}

#[test]
fn every_case_says_why_it_exists() {
    for case in Catalogue::embedded().cases() {
        assert!(case.note.is_some(), "{} has no note", case.id);
        assert!(case.title.ends_with(['.', '?']), "the title of {} is no sentence", case.id);
    }
}

#[test]
fn every_feature_is_covered() {
    let catalogue = Catalogue::embedded();
    for feature in Feature::ALL {
        assert!(catalogue.cases().iter().any(|case| case.covers.contains(&feature)), "no case covers {feature}");
    }
}

#[test]
fn every_file_is_listed() {
    let mut there: BTreeSet<String> = std::fs::read_dir(probes())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    assert!(there.remove("world.yaml"));
    let listed: BTreeSet<String> = FAMILIES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, listed, "list the files of probes/ in src/core/catalogue/embedded.rs");
}

#[test]
fn schema_is_current() {
    let path = probes().join("schema.json");
    let current = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("PAPERTIGER_BLESS").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "probes/schema.json is out of date: run `PAPERTIGER_BLESS=1 cargo test --lib schema_is_current` and commit it"
    );
}

#[test]
fn the_schema_accepts_the_embedded_cases_and_refuses_broken_ones() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let check = |text: &str| {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap();
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect::<Vec<_>>()
    };
    for (file, text) in FAMILIES {
        assert_eq!(check(text), Vec::<String>::new(), "{file}");
    }
    let (_, sound) = FAMILIES[0];
    for (right, wrong) in [
        ("podSelector:", "podSelektor:"),
        ("profile: quick", "profile: fast"),
        ("- apply:", "- delete: []\n      apply:"),
    ] {
        assert_ne!(check(&sound.replacen(right, wrong, 1)), Vec::<String>::new(), "{wrong}");
    }
}

#[test]
fn the_world_is_as_the_cases_expect_it() {
    let world = Blueprint::embedded().world("k3f9");
    let pods: Vec<String> = world.pods.iter().map(|pod| pod.id.to_string()).collect();
    assert_eq!(pods, ["x/a", "x/b", "x/c", "y/a", "y/b", "y/c", "z/a", "z/b", "z/c"]);
    let y = world.namespace("y").unwrap();
    assert_eq!(y.name, "papertiger-k3f9-y");
    assert_eq!(y.labels["ns"], "y-k3f9");
    assert_eq!(y.labels["kubernetes.io/metadata.name"], "papertiger-k3f9-y");
    assert_eq!(world.pods[4].labels["pod"], "b-k3f9");
    assert_eq!(world.externals.iter().map(|external| external.id.as_str()).collect::<Vec<_>>(), ["echo", "echo-2"]);
    assert!(world.pods.iter().all(|pod| pod.ports.len() == 6));
    assert!(world.pods.iter().flat_map(|pod| &pod.ports).all(|port| port.service_port != Some(port.port)));
}
