//! How verdicts fold: worst wins, scopes that differ are PARTIAL.

use super::Verdict;

impl Verdict {
    /// All of them, worst first. SKIPPED and UNDEFINED say nothing, so anything else outweighs them.
    pub const WORST_FIRST: [Self; 10] = [
        Self::Ignored,
        Self::Partial,
        Self::Overblocked,
        Self::Stale,
        Self::Flapping,
        Self::Inconclusive,
        Self::Late,
        Self::Enforced,
        Self::Undefined,
        Self::Skipped,
    ];

    /// Whether it says that the network does not do what the policy says.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Ignored | Self::Partial | Self::Overblocked | Self::Stale | Self::Flapping => true,
            Self::Enforced | Self::Late | Self::Inconclusive | Self::Skipped | Self::Undefined => false,
        }
    }
}

/// The worst of several verdicts; `None` of none.
pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    verdicts.into_iter().min_by_key(|verdict| Verdict::WORST_FIRST.iter().position(|known| known == verdict))
}

/// One rule's verdict over scopes: PARTIAL where it fails in some and is enforced in others. A relapse is short, and that it
/// showed in one scope and not in another may be chance: it stays FLAPPING.
pub fn over_scopes(verdicts: &[Verdict]) -> Option<Verdict> {
    let worst = worst(verdicts.iter().copied())?;
    let enforced_somewhere =
        [Verdict::Enforced, Verdict::Late, Verdict::Partial].iter().any(|verdict| verdicts.contains(verdict));
    let everywhere = !worst.is_failure() || worst == Verdict::Flapping || !enforced_somewhere;
    Some(if everywhere { worst } else { Verdict::Partial })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::*;

    #[test]
    fn verdicts_fold_as_the_contract_says() {
        // "Worst wins: IGNORED, PARTIAL, OVERBLOCKED, STALE, FLAPPING → exit 1; INCONCLUSIVE → 3; ENFORCED → 0."
        for failure in [Ignored, Partial, Overblocked, Stale, Flapping] {
            assert_eq!(worst([Enforced, Inconclusive, failure, Skipped]), Some(failure));
        }
        assert_eq!(worst([Enforced, Inconclusive, Enforced]), Some(Inconclusive));
        // "SKIPPED and UNDEFINED never change the code"
        assert_eq!(worst([Skipped, Enforced, Undefined]), Some(Enforced));
        assert_eq!(worst([Skipped, Undefined]), Some(Undefined));
        assert_eq!(worst([]), None);
    }

    #[test]
    fn scopes_that_differ_fold_to_partial() {
        assert_eq!(over_scopes(&[Enforced, Ignored]), Some(Partial));
        assert_eq!(over_scopes(&[Ignored, Ignored]), Some(Ignored));
        assert_eq!(over_scopes(&[Ignored, Inconclusive]), Some(Ignored));
        assert_eq!(over_scopes(&[Enforced, Inconclusive]), Some(Inconclusive));
        assert_eq!(over_scopes(&[Enforced, Flapping]), Some(Flapping));
        assert_eq!(over_scopes(&[Enforced, Flapping, Ignored]), Some(Partial));
        assert_eq!(over_scopes(&[]), None);
    }
}
