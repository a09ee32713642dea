//! The JSON documents of an image, as the OCI image specification 1.1 has them; of each, the fields that are used.

use super::Digest;
use crate::carried::Arch;
use serde::Serialize;
use std::collections::BTreeMap;

/// What blobs are.
pub(super) mod media_type {
    pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
}

/// No clock: an image is as old as what it is made of says, and that says nothing.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// Nobody in particular; no account is needed for it.
const USER: &str = "65532:65532";

const SCHEMA_VERSION: u32 = 2;

/// How one document names a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: &'static str,
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many there are.
    pub size: usize,
    /// What a manifest's image runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<&'static str, String>,
}

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Platform {
    /// A CPU architecture, by Kubernetes' name.
    pub architecture: &'static str,
    /// `linux`.
    pub os: &'static str,
}

/// An image for several platforms, or what an archive holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

/// An image for one platform.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    config: &'a Descriptor,
    layers: [&'a Descriptor; 1],
}

/// How a container of the image is started, and what its file system is made of.
#[derive(Serialize)]
pub(super) struct Config<'a> {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    config: Execution,
    rootfs: RootFs<'a>,
    history: [History; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    user: &'static str,
    env: [&'static str; 1],
    entrypoint: [String; 1],
    labels: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize)]
struct RootFs<'a> {
    r#type: &'static str,
    /// The digests of the layers before compression, of which there is none.
    diff_ids: [&'a Digest; 1],
}

#[derive(Serialize)]
struct History {
    created: &'static str,
    created_by: &'static str,
}

impl Descriptor {
    pub(super) fn new(media_type: &'static str, bytes: &[u8]) -> Self {
        Self { media_type, digest: Digest::of(bytes), size: bytes.len(), platform: None, annotations: BTreeMap::new() }
    }

    pub(super) fn on(self, arch: Arch) -> Self {
        Self { platform: Some(Platform::of(arch)), ..self }
    }
}

impl Platform {
    fn of(arch: Arch) -> Self {
        Self { architecture: arch.name(), os: "linux" }
    }
}

impl Index {
    pub(super) fn new(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: SCHEMA_VERSION, media_type: media_type::INDEX, manifests }
    }
}

impl<'a> Manifest<'a> {
    pub(super) fn new(config: &'a Descriptor, layer: &'a Descriptor) -> Self {
        Self { schema_version: SCHEMA_VERSION, media_type: media_type::MANIFEST, config, layers: [layer] }
    }
}

impl<'a> Config<'a> {
    pub(super) fn new(arch: Arch, file: &str, layer: &'a Digest) -> Self {
        let labels = [
            ("org.opencontainers.image.title", env!("CARGO_PKG_NAME")),
            ("org.opencontainers.image.description", env!("CARGO_PKG_DESCRIPTION")),
            ("org.opencontainers.image.version", env!("CARGO_PKG_VERSION")),
            ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE")),
        ];
        let Platform { architecture, os } = Platform::of(arch);
        Self {
            created: CREATED,
            architecture,
            os,
            config: Execution { user: USER, env: ["PATH=/"], entrypoint: [format!("/{file}")], labels: labels.into() },
            rootfs: RootFs { r#type: "layers", diff_ids: [layer] },
            history: [History { created: CREATED, created_by: "papertiger image" }],
        }
    }
}
