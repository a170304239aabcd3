//! What the two ends agree on (RFC 7692 §5 and §7.1).

use std::fmt::Write as _;

use super::{Deflate, Half, MAX_BITS, MIN_BITS};
use crate::error::HandshakeError;
use crate::http::Extension;

/// What was agreed on for one connection, seen from our end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(super) ours: Half,
    pub(super) theirs: Half,
    level: u8,
    threshold: u32,
}

impl Agreed {
    /// Which compressor it takes: its level and window bits.
    pub(super) const fn compressor(&self) -> (u8, u8) {
        (self.level, self.ours.bits)
    }

    /// Whether to try and compress a message. A window that we have no compressor for is as good as none.
    pub(super) const fn is_worth_it(&self, message: &[u8]) -> bool {
        message.len() >= self.threshold as usize && self.ours.bits >= MIN_BITS
    }
}

impl Deflate {
    /// As a server: the first of the client's offers that can be accepted, and the extension to answer with.
    pub(crate) fn accept(&self, offers: &[Extension<'_>]) -> Option<(Agreed, String)> {
        offers.iter().filter_map(Fields::read).find_map(|offer| self.accept_one(&offer))
    }

    fn accept_one(&self, offer: &Fields) -> Option<(Agreed, String)> {
        if offer.server_bits.is_some_and(|bits| bits < MIN_BITS) {
            return None;
        }
        let server = Half {
            bits: offer.server_bits.unwrap_or(MAX_BITS).min(self.server.bits),
            takeover: self.server.takeover && !offer.server_no_takeover,
        };
        // Only a client that has said so can be told which window to use (§7.1.2.2).
        let client_bits = match offer.client_bits {
            Some(bits) => bits.unwrap_or(MAX_BITS).min(self.client.bits),
            None => MAX_BITS,
        };
        let client = Half {
            bits: client_bits,
            takeover: self.client.takeover && !offer.client_no_takeover && client_bits <= self.client.bits,
        };
        let mut answer = Writer::new();
        answer.flag(!server.takeover, SERVER_NO_TAKEOVER);
        answer.flag(!client.takeover, CLIENT_NO_TAKEOVER);
        answer.bits(offer.server_bits.is_some() || server.bits < MAX_BITS, SERVER_BITS, server.bits);
        answer.bits(client.bits < MAX_BITS, CLIENT_BITS, client.bits);
        let agreed = Agreed { ours: server, theirs: client, level: self.level, threshold: self.threshold };
        Some((agreed, answer.0))
    }

    /// As a client: the extension to offer.
    pub(crate) fn offer(&self) -> String {
        let mut offer = Writer::new();
        offer.flag(!self.server.takeover, SERVER_NO_TAKEOVER);
        offer.flag(!self.client.takeover, CLIENT_NO_TAKEOVER);
        offer.bits(self.server.bits < MAX_BITS, SERVER_BITS, self.server.bits);
        if self.client.bits < MAX_BITS {
            offer.bits(true, CLIENT_BITS, self.client.bits);
        } else {
            offer.flag(true, CLIENT_BITS);
        }
        offer.0
    }

    /// As a client: what the server's answer comes to; nothing if it does without.
    ///
    /// # Errors
    /// It does not answer the offer: the connection is to fail (§5.1).
    pub(crate) fn agree(&self, answer: &[Extension<'_>]) -> Result<Option<Agreed>, HandshakeError> {
        let [answer] = answer else {
            return if answer.is_empty() { Ok(None) } else { Err(HandshakeError::Extension) };
        };
        let answer = Fields::read(answer).ok_or(HandshakeError::Extension)?;
        let server_bits = answer.server_bits.unwrap_or(MAX_BITS);
        let client_bits = match answer.client_bits {
            None => self.client.bits,
            // In an answer it has a value.
            Some(bits) => bits.ok_or(HandshakeError::Extension)?,
        };
        let asked = !self.server.takeover && !answer.server_no_takeover;
        if asked || server_bits > self.server.bits || client_bits > self.client.bits {
            return Err(HandshakeError::Extension);
        }
        let ours = Half { bits: client_bits, takeover: self.client.takeover && !answer.client_no_takeover };
        let theirs = Half { bits: server_bits, takeover: !answer.server_no_takeover };
        Ok(Some(Agreed { ours, theirs, level: self.level, threshold: self.threshold }))
    }
}

/// The four parameters, as they stand in an offer or an answer.
#[derive(Debug, Default)]
struct Fields {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// Without a value in an offer: the client can be told.
    client_bits: Option<Option<u8>>,
}

impl Fields {
    /// Nothing if it is another extension, or has a parameter that is unknown, wrong or there twice (§7.1).
    fn read(extension: &Extension<'_>) -> Option<Self> {
        if !extension.name.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut fields = Self::default();
        for (name, value) in &extension.params {
            let value = value.as_deref();
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            let is_new = if is(SERVER_NO_TAKEOVER) {
                value.is_none() && !std::mem::replace(&mut fields.server_no_takeover, true)
            } else if is(CLIENT_NO_TAKEOVER) {
                value.is_none() && !std::mem::replace(&mut fields.client_no_takeover, true)
            } else if is(SERVER_BITS) {
                fields.server_bits.replace(bits(value?)?).is_none()
            } else if is(CLIENT_BITS) {
                let bits = match value {
                    Some(value) => Some(bits(value)?),
                    None => None,
                };
                fields.client_bits.replace(bits).is_none()
            } else {
                false
            };
            if !is_new {
                return None;
            }
        }
        Some(fields)
    }
}

/// A decimal number from 8 to 15 without a leading zero (§7.1.2.1).
fn bits(value: &str) -> Option<u8> {
    match value.as_bytes() {
        [digit @ (b'8' | b'9')] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// The extension with its parameters.
struct Writer(String);

impl Writer {
    fn new() -> Self {
        Self(NAME.to_owned())
    }

    fn flag(&mut self, wanted: bool, name: &str) {
        if wanted {
            self.0.push_str("; ");
            self.0.push_str(name);
        }
    }

    fn bits(&mut self, wanted: bool, name: &str, bits: u8) {
        if wanted {
            // Writing to a String does not fail.
            let _ = write!(self.0, "; {name}={bits}");
        }
    }
}

const NAME: &str = "permessage-deflate";
const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::extensions;

    const TAKEOVER: Deflate = Deflate::new().server_context_takeover(true).client_context_takeover(true);

    fn accept(deflate: &Deflate, offers: &str) -> Option<String> {
        let (agreed, answer) = deflate.accept(&extensions(offers).unwrap())?;
        // What a server answers is understood by a client that offered the same, and the other way round.
        assert_eq!(agreed.ours.takeover, !answer.contains(SERVER_NO_TAKEOVER));
        assert_eq!(agreed.theirs.takeover, !answer.contains(CLIENT_NO_TAKEOVER));
        Some(answer.strip_prefix(NAME).unwrap().replace("; ", " ").trim().to_owned())
    }

    fn agree(deflate: &Deflate, answer: &str) -> Result<Option<Agreed>, HandshakeError> {
        deflate.agree(&extensions(answer).unwrap())
    }

    /// RFC 7692 §7.1 and its examples.
    #[test]
    fn a_server_answers_the_first_offer_that_it_can_accept() {
        for (offers, answer) in [
            ("permessage-deflate", Some("")),
            ("Permessage-Deflate; client_max_window_bits", Some("")),
            ("permessage-deflate; client_max_window_bits=15", Some("")),
            (
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
                Some("server_max_window_bits=10"),
            ),
            (r#"permessage-deflate; server_max_window_bits="15""#, Some("server_max_window_bits=15")),
            ("permessage-deflate; client_max_window_bits=8", Some("client_max_window_bits=8")),
            ("permessage-deflate; server_no_context_takeover", Some("server_no_context_takeover")),
            ("permessage-deflate; client_no_context_takeover", Some("client_no_context_takeover")),
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate; server_no_context_takeover",
                Some("server_no_context_takeover"),
            ),
            ("x-webkit-deflate-frame, permessage-bzip2, permessage-deflate", Some("")),
            (
                "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=9",
                Some("server_max_window_bits=9"),
            ),
            ("", None),
            ("permessage-bzip2", None),
            ("permessage-deflate; server_max_window_bits=8", None),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=7", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; server_max_window_bits=010", None),
            ("permessage-deflate; server_max_window_bits=+9", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; client_max_window_bits=16", None),
            ("permessage-deflate; client_max_window_bits=x", None),
            ("permessage-deflate; server_no_context_takeover=1", None),
            ("permessage-deflate; client_no_context_takeover=true", None),
            ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
            ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
            ("permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", None),
            ("permessage-deflate; client_max_window_bits; client_max_window_bits=10", None),
            ("permessage-deflate; unknown", None),
        ] {
            assert_eq!(accept(&TAKEOVER, offers).as_deref(), answer, "{offers}");
        }
    }

    #[test]
    fn a_server_says_what_it_wants_otherwise() {
        let default = "server_no_context_takeover client_no_context_takeover";
        assert_eq!(accept(&Deflate::new(), "permessage-deflate; client_max_window_bits").as_deref(), Some(default));
        let small = TAKEOVER.server_window_bits(10).client_window_bits(11);
        for (offer, answer) in [
            ("client_max_window_bits", "server_max_window_bits=10 client_max_window_bits=11"),
            ("client_max_window_bits=9", "server_max_window_bits=10 client_max_window_bits=9"),
            (
                "server_max_window_bits=9; client_max_window_bits=12",
                "server_max_window_bits=9 client_max_window_bits=11",
            ),
            // It cannot be told to use less, and so may not refer to anything.
            ("server_max_window_bits=12", "client_no_context_takeover server_max_window_bits=10"),
        ] {
            assert_eq!(accept(&small, &format!("{NAME}; {offer}")).as_deref(), Some(answer), "{offer}");
        }
        assert_eq!(TAKEOVER.server_window_bits(3).level(0), TAKEOVER.server_window_bits(9).level(1));
        assert_eq!(TAKEOVER.client_window_bits(99).level(99), TAKEOVER.level(9));
    }

    #[test]
    fn a_client_offers_and_checks_the_answer() {
        let small = TAKEOVER.server_window_bits(10).client_window_bits(11);
        assert_eq!(TAKEOVER.offer(), "permessage-deflate; client_max_window_bits");
        assert_eq!(small.offer(), "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11");
        assert_eq!(
            Deflate::new().offer(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits"
        );
        let half = |bits, takeover| Half { bits, takeover };
        for (deflate, answer, ours, theirs) in [
            (TAKEOVER, "", half(15, true), half(15, true)),
            (TAKEOVER, "; client_max_window_bits=15", half(15, true), half(15, true)),
            (TAKEOVER, "; client_max_window_bits=8; server_max_window_bits=8", half(8, true), half(8, true)),
            (TAKEOVER, "; client_no_context_takeover", half(15, false), half(15, true)),
            (TAKEOVER, "; server_no_context_takeover", half(15, true), half(15, false)),
            (Deflate::new(), "; server_no_context_takeover", half(15, false), half(15, false)),
            (small, "; server_max_window_bits=9", half(11, true), half(9, true)),
        ] {
            let agreed = agree(&deflate, &format!("{NAME}{answer}")).unwrap().unwrap();
            assert_eq!((agreed.ours, agreed.theirs), (ours, theirs), "{answer}");
        }
        assert_eq!(agree(&TAKEOVER, ""), Ok(None));
        for (deflate, answer) in [
            (TAKEOVER, "permessage-bzip2"),
            (TAKEOVER, "permessage-deflate, permessage-deflate"),
            (TAKEOVER, "permessage-deflate; client_max_window_bits"),
            (TAKEOVER, "permessage-deflate; client_max_window_bits=16"),
            (TAKEOVER, "permessage-deflate; server_max_window_bits=7"),
            (TAKEOVER, "permessage-deflate; unknown"),
            (TAKEOVER, "permessage-deflate; server_no_context_takeover; server_no_context_takeover"),
            (Deflate::new(), "permessage-deflate"),
            (small, "permessage-deflate"),
            (small, "permessage-deflate; server_max_window_bits=11"),
            (small, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=12"),
        ] {
            assert_eq!(agree(&deflate, answer), Err(HandshakeError::Extension), "{answer}");
        }
    }

    #[test]
    fn our_client_and_our_server_agree() {
        let some = |server: u8, client: u8, flags: u8| {
            Deflate::new()
                .server_window_bits(server)
                .client_window_bits(client)
                .server_context_takeover(flags & 1 != 0)
                .client_context_takeover(flags & 2 != 0)
        };
        for case in 0..7 * 7 * 7 * 7 * 16u32 {
            let digit = |place: u32| 9 + (case / 16 / 7u32.pow(place) % 7) as u8;
            let client = some(digit(0), digit(1), (case & 3) as u8);
            let server = some(digit(2), digit(3), (case >> 2 & 3) as u8);
            let (at_server, answer) = server.accept(&extensions(&client.offer()).unwrap()).unwrap();
            let at_client = agree(&client, &answer).unwrap().unwrap();
            assert_eq!((at_server.ours, at_server.theirs), (at_client.theirs, at_client.ours), "{client:?} {server:?}");
        }
    }
}
