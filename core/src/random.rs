//! Randomness from a seed that the host gives: the same seed, the same numbers.

use std::fmt;
use std::hash::{BuildHasher, Hasher};

use data_encoding::BASE64URL_NOPAD;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use siphasher::sip::SipHasher13;

/// A cryptographic generator; everything random in a hub is drawn from one of these.
pub(crate) struct Random(ChaCha12Rng);

impl Random {
    /// A generator that gives what this seed gives.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// Any number.
    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A presence's `phx_ref`: 96 random bits as 16 characters of base64url, so one of before a restart never meets
    /// one of after it.
    ///
    /// The form is that of Phoenix 1.8.12 (transcripts `v2_presence_*`); clients only compare them (phoenix.js 1.8.16
    /// presence.js).
    pub(crate) fn phx_ref(&mut self) -> [u8; 16] {
        let (mut bits, mut text) = ([0; 12], [0; 16]);
        self.fill(&mut bits);
        BASE64URL_NOPAD.encode_mut(&bits, &mut text);
        text
    }
}

impl fmt::Debug for Random {
    /// Says nothing of the state: who knows it knows all that is to come.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

/// SipHash-1-3 with a secret key, for tables keyed by names that peers choose: they cannot make them collide.
#[derive(Clone, Copy)]
pub(crate) struct KeyedHash(SipHasher13);

impl KeyedHash {
    /// One with a key of its own.
    pub(crate) fn new(random: &mut Random) -> Self {
        Self(SipHasher13::new_with_keys(random.next_u64(), random.next_u64()))
    }
}

impl BuildHasher for KeyedHash {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        self.0
    }
}

impl fmt::Debug for KeyedHash {
    /// Says nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash")
    }
}

/// A cheap hash for tables keyed by small numbers that we hand out ourselves: two multiplications.
///
/// Not for anything that a peer chooses; that is what [`KeyedHash`] is for.
#[derive(Clone, Copy)]
pub(crate) struct IdHash {
    factor: u64,
}

impl IdHash {
    /// One with a factor of its own.
    pub(crate) fn new(random: &mut Random) -> Self {
        Self { factor: random.next_u64() | 1 }
    }
}

impl BuildHasher for IdHash {
    type Hasher = IdHasher;

    fn build_hasher(&self) -> IdHasher {
        IdHasher { factor: self.factor, state: 0 }
    }
}

impl fmt::Debug for IdHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdHash")
    }
}

/// What [`IdHash`] builds.
#[derive(Clone)]
pub(crate) struct IdHasher {
    factor: u64,
    state: u64,
}

impl IdHasher {
    fn fold(&mut self, number: u64) {
        self.state = folded(self.state.rotate_left(32) ^ number, self.factor);
    }
}

impl Hasher for IdHasher {
    /// Once more, with a factor known to be good: a random one alone leaves one table in a hundred badly spread.
    fn finish(&self) -> u64 {
        folded(self.state.rotate_left(32), GOLDEN)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut number = [0; 8];
            number[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(number));
        }
        self.fold(bytes.len() as u64);
    }

    fn write_u32(&mut self, number: u32) {
        self.fold(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.fold(number);
    }

    fn write_usize(&mut self, number: usize) {
        self.fold(number as u64);
    }
}

/// Both halves of the product in one: the low one knows only low bits, the high one only high bits, and tables look at
/// both ends of a hash.
fn folded(number: u64, factor: u64) -> u64 {
    let product = u128::from(number) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

/// 2⁶⁴ divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same() {
        let draw = |seed| {
            let mut random = Random::new([seed; 32]);
            let mut bytes = [0; 5];
            random.fill(&mut bytes);
            let (names, ids) = (KeyedHash::new(&mut random), IdHash::new(&mut random));
            let hashes = (names.hash_one("room:1"), ids.hash_one(7_u32), ids.hash_one("room:1"));
            (bytes, random.next_u64(), random.phx_ref(), hashes)
        };
        assert_eq!(draw(1), draw(1));
        let (a, b) = (draw(1), draw(2));
        assert!(a.0 != b.0 && a.1 != b.1 && a.2 != b.2);
        assert!(a.3.0 != b.3.0 && a.3.1 != b.3.1 && a.3.2 != b.3.2);
    }

    #[test]
    fn refs_are_base64url_and_unique() {
        let mut random = Random::new([3; 32]);
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let text = random.phx_ref();
            assert!(text.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_')));
            assert!(seen.insert(text));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut random = Random::new([3; 32]);
        let (names, ids) = (KeyedHash::new(&mut random), IdHash::new(&mut random));
        assert_eq!(format!("{random:?} {names:?} {ids:?}"), "Random KeyedHash IdHash");
    }

    /// A table of 2^k places takes the low k bits and marks each with the high seven: both must spread.
    #[test]
    fn small_numbers_spread_at_both_ends() {
        for (seed, stride) in (0..=255).step_by(17).flat_map(|seed| [(seed, 1), (seed, 4096)]) {
            let hash = IdHash::new(&mut Random::new([seed; 32]));
            let hashes: Vec<u64> = (0..4096_u32).map(|id| hash.hash_one(id * stride)).collect();
            let count = |bits: &dyn Fn(u64) -> u64| hashes.iter().map(|h| bits(*h)).collect::<HashSet<_>>().len();
            assert!(count(&|h| h & 0xfff) > 2000, "low bits, seed {seed}, stride {stride}");
            assert_eq!(count(&|h| h >> 57), 128, "high bits, seed {seed}, stride {stride}");
            assert_eq!(count(&|h| h), 4096, "no two alike, seed {seed}, stride {stride}");
        }
    }

    #[test]
    fn bytes_and_pairs_hash_apart() {
        let hash = IdHash::new(&mut Random::new([9; 32]));
        let mut seen = HashSet::new();
        for text in ["", "a", "a\0", "aaaaaaaa", "aaaaaaaa\0", "aaaaaaaab", "b"] {
            assert!(seen.insert(hash.hash_one(text.as_bytes())), "{text:?}");
        }
        let pairs = (0..100_u32).flat_map(|a| (0..100_u32).map(move |b| (a, b)));
        assert_eq!(pairs.map(|pair| hash.hash_one(pair)).collect::<HashSet<_>>().len(), 10_000);
    }
}
