//! The agent alone, as it travels to clusters.

fn main() {}
