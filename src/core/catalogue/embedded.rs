//! The files that the program carries. A new family of cases is listed here; a test compares the list with the directory.

/// The world.
pub(super) const WORLD: &str = include_str!("../../../probes/world.yaml");

/// The families of cases: name and text, in the order in which `cases list` shows them.
pub(super) const FAMILIES: &[(&str, &str)] = &[
    ("isolation.yaml", include_str!("../../../probes/isolation.yaml")),
    ("peers.yaml", include_str!("../../../probes/peers.yaml")),
    ("ports.yaml", include_str!("../../../probes/ports.yaml")),
    ("union.yaml", include_str!("../../../probes/union.yaml")),
    ("ip-block.yaml", include_str!("../../../probes/ip-block.yaml")),
    ("changes.yaml", include_str!("../../../probes/changes.yaml")),
    ("new-pods.yaml", include_str!("../../../probes/new-pods.yaml")),
    ("edges.yaml", include_str!("../../../probes/edges.yaml")),
    ("limits.yaml", include_str!("../../../probes/limits.yaml")),
    ("open.yaml", include_str!("../../../probes/open.yaml")),
    ("upstream.yaml", include_str!("../../../probes/upstream.yaml")),
    ("nodes.yaml", include_str!("../../../probes/nodes.yaml")),
    ("canary.yaml", include_str!("../../../probes/canary.yaml")),
];
