//! What messages that are yet to come may refer to.

use super::Half;

/// The last bytes that passed one way, before compression.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    max: u32,
}

impl Window {
    /// Without context takeover it stays empty.
    pub(super) fn new(half: Half) -> Self {
        Self { bytes: Vec::new(), max: if half.takeover { 1 << half.bits } else { 0 } }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A message has passed.
    pub(super) fn extend(&mut self, message: &[u8]) {
        let max = self.max as usize;
        let message = &message[message.len().saturating_sub(max)..];
        let too_many = (self.bytes.len() + message.len()).saturating_sub(max);
        self.bytes.drain(..too_many);
        let room = max - self.bytes.len();
        // Grown by halves, and never beyond what it may hold.
        self.bytes.reserve_exact(message.len().max(self.bytes.len() / 2).min(room));
        self.bytes.extend_from_slice(message);
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_last_bytes_and_no_more_memory() {
        let mut window = Window::new(Half { bits: 9, takeover: true });
        let mut all = Vec::new();
        for len in [0, 1, 5, 100, 300, 200, 511, 512, 513, 2000, 3] {
            let message: Vec<u8> = (0..len).map(|n| (n * 7 + len) as u8).collect();
            window.extend(&message);
            all.extend(message);
            assert_eq!(window.bytes(), &all[all.len().saturating_sub(512)..]);
            assert!(window.bytes.capacity() <= 512);
        }
        let mut none = Window::new(Half { bits: 15, takeover: false });
        none.extend(&[7; 100]);
        assert_eq!(none.bytes.capacity(), 0);
    }
}
