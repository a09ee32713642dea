//! Numbers that nobody outside can guess, without a crate for them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A keyed hash of a counter; the standard library draws the key from the system.
#[derive(Debug, Default)]
pub(crate) struct Random {
    key: RandomState,
    counter: AtomicU64,
}

impl Random {
    pub(crate) fn number(&self) -> u64 {
        self.key.hash_one(self.counter.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn nonce(&self) -> [u8; 16] {
        let wide = u128::from(self.number()) << 64 | u128::from(self.number());
        wide.to_be_bytes()
    }
}
