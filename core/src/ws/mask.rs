//! Masking and unmasking: the same operation (RFC 6455 §5.3).

/// Masks or unmasks `data`, whose first byte is number `offset` of its frame's payload. A word at a time, where
/// there are many in blocks of them: what vector instructions take without a look at the end of each.
pub fn apply(key: [u8; 4], offset: usize, data: &mut [u8]) {
    let mut key = key;
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (blocks, rest) = data.as_chunks_mut::<BLOCK>();
    for block in blocks {
        apply_words(word, block.as_chunks_mut().0);
    }
    let (words, rest) = rest.as_chunks_mut();
    apply_words(word, words);
    for (byte, key) in rest.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[inline(always)]
fn apply_words(key: u64, words: &mut [[u8; 8]]) {
    for bytes in words {
        *bytes = (u64::from_ne_bytes(*bytes) ^ key).to_ne_bytes();
    }
}

/// Bytes of a block.
const BLOCK: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_formula_of_the_rfc(
            key: [u8; 4],
            offset in 0usize..9,
            data in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let expected: Vec<u8> = data.iter().enumerate().map(|(i, byte)| byte ^ key[(offset + i) % 4]).collect();
            let mut actual = data;
            apply(key, offset, &mut actual);
            prop_assert_eq!(actual, expected);
        }
    }
}
