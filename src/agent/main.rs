//! The agent alone, as it travels to clusters.

fn main() -> std::process::ExitCode {
    papertiger::agent::run(std::env::args_os().skip(1))
}
