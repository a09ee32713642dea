use super::*;
use crate::carried::Arch;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;

const AGENTS: [Executable<'static>; 2] = [
    Executable { arch: Arch::Amd64, bytes: b"an executable" },
    Executable { arch: Arch::Arm64, bytes: b"another executable" },
];

/// An entry of a tar.
struct Entry {
    path: String,
    header: tar::Header,
    bytes: Vec<u8>,
}

/// An archive as others read it: from `index.json` down.
struct Layout(BTreeMap<String, Vec<u8>>);

impl Layout {
    fn of(archive: &[u8]) -> Self {
        Self(entries(archive).into_iter().map(|entry| (entry.path, entry.bytes)).collect())
    }

    fn file(&self, path: &str) -> &[u8] {
        self.0.get(path).unwrap_or_else(|| panic!("no {path} among {:?}", self.0.keys()))
    }

    /// What a descriptor names, which has to be what it says.
    fn blob(&self, descriptor: &Value) -> &[u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        let bytes = self.file(&format!("blobs/{}", digest.replace(':', "/")));
        assert_eq!(Digest::of(bytes).to_string(), digest);
        assert_eq!(descriptor["size"], bytes.len());
        bytes
    }

    fn document(&self, descriptor: &Value) -> Value {
        let document: Value = serde_json::from_slice(self.blob(descriptor)).unwrap();
        assert!(document.get("mediaType").is_none_or(|media_type| *media_type == descriptor["mediaType"]));
        document
    }

    fn root(&self) -> Value {
        serde_json::from_slice(self.file("index.json")).unwrap()
    }

    /// The manifests of the one image in the archive.
    fn manifests(&self) -> Vec<Value> {
        let index = self.document(&self.root()["manifests"][0]);
        index["manifests"].as_array().unwrap().clone()
    }
}

fn entries(tar: &[u8]) -> Vec<Entry> {
    let mut archive = tar::Archive::new(tar);
    let read = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        Entry { path: entry.path().unwrap().to_str().unwrap().to_owned(), header: entry.header().clone(), bytes }
    };
    archive.entries().unwrap().map(read).collect()
}

fn archive() -> Vec<u8> {
    let mut archive = Vec::new();
    Image::of(Program::Agent, &AGENTS).unwrap().write_archive(&"papertiger:1".parse().unwrap(), &mut archive).unwrap();
    archive
}

#[test]
fn the_same_agents_make_the_same_archive() {
    assert!(archive() == archive());
}

#[test]
fn entries_are_sorted_and_say_nothing_of_their_making() {
    let archive = archive();
    let layout = Layout::of(&archive);
    let layers = layout.manifests().into_iter().map(|manifest| {
        let manifest = layout.document(&manifest);
        layout.blob(&manifest["layers"][0]).to_owned()
    });
    for tar in layers.chain([archive.clone()]) {
        let entries = entries(&tar);
        assert!(entries.is_sorted_by_key(|entry| entry.path.clone()));
        for Entry { path, header, .. } in entries {
            let numbers = [header.mtime(), header.uid(), header.gid()].map(Result::unwrap);
            assert_eq!(numbers, [0, 0, 0], "{path}");
            assert_eq!([header.username_bytes(), header.groupname_bytes()], [Some(&b""[..]); 2], "{path}");
        }
    }
}

#[test]
fn the_archive_names_one_image_for_every_architecture() {
    let layout = Layout::of(&archive());
    assert_eq!(layout.file("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
    let root = layout.root();
    assert_eq!(root["schemaVersion"], 2);
    assert_eq!(root["manifests"].as_array().unwrap().len(), 1);
    let annotations = json!({
        "io.containerd.image.name": "docker.io/library/papertiger:1",
        "org.opencontainers.image.ref.name": "1",
    });
    assert_eq!(root["manifests"][0]["annotations"], annotations);
    let platforms: Vec<Value> = layout.manifests().iter().map(|manifest| manifest["platform"].clone()).collect();
    let expected = ["amd64", "arm64"].map(|architecture| json!({ "architecture": architecture, "os": "linux" }));
    assert_eq!(platforms, expected);
}

#[test]
fn every_descriptor_is_that_of_its_blob_and_no_blob_is_without() {
    let layout = Layout::of(&archive());
    let mut reached = 1;
    for (manifest, Executable { arch, bytes: executable }) in layout.manifests().iter().zip(AGENTS) {
        let manifest = layout.document(manifest);
        let config = layout.document(&manifest["config"]);
        assert_eq!(config["architecture"], arch.name());
        assert_eq!(config["rootfs"]["diff_ids"], json!([manifest["layers"][0]["digest"]]));
        assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
        let layer = entries(layout.blob(&manifest["layers"][0]));
        assert_eq!(layer.len(), 2);
        for (entry, path, mode, bytes) in [
            (&layer[0], LICENCES_FILE, 0o444, LICENCES.as_bytes()),
            (&layer[1], Program::Agent.file(), 0o555, executable),
        ] {
            assert_eq!((entry.path.as_str(), entry.header.mode().unwrap()), (path, mode));
            assert!(entry.header.entry_type().is_file());
            assert!(entry.bytes == bytes, "{path}");
        }
        reached += 3;
    }
    let blobs = layout.0.keys().filter(|path| path.starts_with("blobs/") && !path.ends_with('/'));
    assert_eq!(blobs.count(), reached);
}

#[test]
fn a_container_starts_the_agent_as_nobody() {
    let layout = Layout::of(&archive());
    let manifest = layout.document(&layout.manifests()[0]);
    let config = layout.document(&manifest["config"]);
    let labels = json!({
        "org.opencontainers.image.title": "papertiger",
        "org.opencontainers.image.description": env!("CARGO_PKG_DESCRIPTION"),
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.licenses": "Apache-2.0",
    });
    let execution =
        json!({ "User": "65532:65532", "Env": ["PATH=/"], "Entrypoint": ["/papertiger-agent"], "Labels": labels });
    assert_eq!(config["config"], execution);
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
    assert_eq!(config["os"], "linux");
}

#[test]
fn blobs_come_after_those_that_they_name() {
    let image = Image::of(Program::Agent, &AGENTS).unwrap();
    let blobs = image.blobs();
    assert_eq!(blobs.last().unwrap().descriptor, *image.index());
    for (position, blob) in blobs.iter().enumerate() {
        let Ok(text) = str::from_utf8(&blob.bytes) else { continue };
        for later in &blobs[position..] {
            assert!(!text.contains(later.descriptor.digest.hex()), "{:?}", later.descriptor);
        }
    }
}
