//! The `papertiger` command.

fn main() {}
