//! What the system's errors mean for a probe.

use crate::core::model::observation::Outcome;
use std::io::{Error, ErrorKind};

/// An error of a probe that was sent, or should have been. Errors of preparing one are never the network's: see
/// [`unable`].
pub(super) fn outcome(error: &Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Refused,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Outcome::Reset,
        ErrorKind::TimedOut => Outcome::TimedOut,
        // A prohibiting route says EACCES, a packet filter on the way out EPERM: both are this kind.
        ErrorKind::NetworkUnreachable
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::PermissionDenied => Outcome::Unreachable,
        _ => unable(error),
    }
}

/// The attempt could not be made.
pub(super) fn unable(error: &Error) -> Outcome {
    Outcome::ProbeError { message: error.to_string() }
}

/// No source port would do. The last error matters: a system without an address of the family says the same of each.
pub(super) fn no_source(last: Option<Error>) -> Outcome {
    unable(&last.unwrap_or_else(|| ErrorKind::AddrInUse.into()))
}

/// The source port is taken, or its connection to this receiver not yet forgotten: another port may do.
pub(super) fn port_taken(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_of_the_network_has_its_meaning() {
        let unable = |errno| Outcome::ProbeError { message: Error::from_raw_os_error(errno).to_string() };
        for (errno, expected) in [
            (111, Outcome::Refused),
            (104, Outcome::Reset),
            (103, Outcome::Reset),
            (32, Outcome::Reset),
            (110, Outcome::TimedOut),
            (101, Outcome::Unreachable),
            (113, Outcome::Unreachable),
            (100, Outcome::Unreachable),
            (13, Outcome::Unreachable),
            (1, Outcome::Unreachable),
            (24, unable(24)),
            (22, unable(22)),
        ] {
            assert_eq!(outcome(&Error::from_raw_os_error(errno)), expected, "errno {errno}");
        }
    }
}
