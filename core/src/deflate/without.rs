//! What stands in for zlib in a build without the feature `deflate`, in which no mount or client can ask for compression.

use crate::error::PeerError;

pub(super) struct Compressor;

impl Compressor {
    pub(super) const fn new(_level: u8, _bits: u8) -> Self {
        Self
    }

    pub(super) const fn run(&mut self, _message: &[u8], _window: &[u8], _out: &mut [u8]) -> Option<usize> {
        None
    }
}

#[derive(Default)]
pub(super) struct Decompressor;

impl Decompressor {
    pub(super) const fn run(
        &mut self,
        _data: &[u8],
        _window: &[u8],
        _max: usize,
        _out: &mut Vec<u8>,
    ) -> Result<(), PeerError> {
        Err(PeerError::BadCompression)
    }
}
