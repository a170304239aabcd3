//! What stands for TLS where it is not built in: types without values, so that nothing else has to know.

use std::io::IoSlice;

use crate::error::TlsError;
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(crate) enum Acceptor {}

impl Acceptor {
    pub(crate) const fn accept(&self) -> Result<Stream, TlsError> {
        match *self {}
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Connector {}

impl Connector {
    pub(crate) const fn connect(&self, _: &str) -> Result<Stream, TlsError> {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Stream {}

impl Stream {
    pub(crate) fn receive(&mut self, _: &[u8], _: impl FnMut(&[u8])) -> Result<bool, TlsError> {
        match *self {}
    }

    pub(crate) const fn seal(&mut self, _: &[IoSlice<'_>]) -> usize {
        match *self {}
    }

    pub(crate) const fn close(&mut self) {
        match *self {}
    }

    pub(crate) const fn cut(&mut self) {
        match *self {}
    }

    pub(crate) const fn pending(&self) -> &[u8] {
        match *self {}
    }

    pub(crate) const fn advance(&mut self, _: usize) -> usize {
        match *self {}
    }

    pub(crate) const fn has_pending(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn is_owed(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn begin_to_part(&mut self, _: Instant) -> bool {
        match *self {}
    }

    pub(crate) const fn parting(&self) -> Option<Instant> {
        match *self {}
    }

    pub(crate) const fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn take_peer_closed(&mut self) -> bool {
        match *self {}
    }

    pub(crate) const fn is_done_sending(&self) -> bool {
        match *self {}
    }
}
