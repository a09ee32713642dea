//! Three-valued logic: what is open stays open until something decides without it.

use super::undefined::Undefined;
use crate::core::model::world::Phase;

/// Whether a rule, or a part of one, matches a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// The specification leaves it open.
    Open(Undefined),
}

impl Fit {
    /// Matches when both do: a no decides.
    pub(super) fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => other(),
            Self::No => Self::No,
            Self::Open(_) => match other() {
                Self::Yes | Self::Open(_) => self,
                Self::No => Self::No,
            },
        }
    }

    /// Matches when any does: a yes decides. Of several doubts the lesser is named, so that their order is irrelevant.
    pub(super) fn any(fits: impl IntoIterator<Item = Self>) -> Self {
        let mut found = Self::No;
        for fit in fits {
            found = match (found, fit) {
                (_, Self::Yes) => return Self::Yes,
                (Self::Open(one), Self::Open(other)) => Self::Open(one.min(other)),
                (Self::No, Self::No | Self::Open(_)) => fit,
                (Self::Yes | Self::Open(_), Self::No) | (Self::Yes, Self::Open(_)) => found,
            };
        }
        found
    }

    /// What a match of a pod is worth while the pod is in this phase: one that ends may no longer count, and one that
    /// has ended may have left its address to a pod that matches.
    pub(super) fn of_pod(matches: bool, phase: Phase) -> Self {
        match (phase, matches) {
            (Phase::Running, true) => Self::Yes,
            (Phase::Running | Phase::Terminating, false) => Self::No,
            (Phase::Terminating, true) | (Phase::Completed, _) => Self::Open(Undefined::NotRunning),
        }
    }

    /// A match that holds only if the doubt, where there is one, turns out that way.
    pub(super) fn yes_unless(doubt: Option<Undefined>) -> Self {
        doubt.map_or(Self::Yes, Self::Open)
    }
}

impl From<bool> for Fit {
    fn from(matches: bool) -> Self {
        if matches { Self::Yes } else { Self::No }
    }
}
