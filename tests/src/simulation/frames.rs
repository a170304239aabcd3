//! What a server sends, piece by piece, and what the pieces say.

use std::borrow::Cow;

use chanson_core::wire::Vsn;
use chanson_core::ws::{Decoder, Incoming, Role};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::ledger::{Answered, Broadcast, TOPICS, Welcome, topic_index};

/// Cuts what a server sends into its pieces.
pub(super) struct Pieces {
    vsn: Vsn,
    input: Vec<u8>,
    /// What the decoder has used up of the frame that is not whole.
    used: Vec<u8>,
    decoder: Decoder,
    upgraded: bool,
}

/// A piece.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// The head of the answer to the upgrade.
    Head,
    Broadcast(Broadcast),
    Welcome(Welcome),
    Answer(Answered),
    End {
        topic: usize,
        crashed: bool,
    },
    Close,
    /// One that nobody keeps books of: a heartbeat's reply, presences, a refusal.
    Other,
}

impl Pieces {
    pub(super) fn new(vsn: Vsn) -> Self {
        let decoder = Decoder::new(Role::Client, 1 << 24);
        Self { vsn, input: Vec::new(), used: Vec::new(), decoder, upgraded: false }
    }

    pub(super) const fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// More bytes; the pieces that are whole now, each with its bytes.
    ///
    /// # Errors
    /// They are none.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(Piece, &[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        self.input.extend_from_slice(bytes);
        let mut start = 0;
        if !self.upgraded {
            let Some(end) = self.input.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(()) };
            start = end + 4;
            self.upgraded = self.input.starts_with(b"HTTP/1.1 101 ");
            take(Piece::Head, &self.input[..start])?;
        }
        let mut input = std::mem::take(&mut self.input);
        while self.upgraded {
            let (used, item) = self.decoder.decode(&mut input[start..]).map_err(|error| format!("{error:?}"))?;
            let piece = match item {
                Some(Incoming::Text(text)) => {
                    Piece::parse(self.vsn, text).map_err(|error| format!("the server said {text}: {error}"))?
                }
                Some(Incoming::Close { .. }) => Piece::Close,
                Some(_) => Piece::Other,
                None => {
                    self.used.extend_from_slice(&input[start..start + used]);
                    start += used;
                    if used == 0 {
                        break;
                    }
                    continue;
                }
            };
            self.used.extend_from_slice(&input[start..start + used]);
            start += used;
            take(piece, &self.used)?;
            self.used.clear();
        }
        input.drain(..start);
        self.input = input;
        Ok(())
    }
}

impl Piece {
    fn parse(vsn: Vsn, text: &str) -> Result<Self, serde_json::Error> {
        let (topic, event, payload) = match vsn {
            Vsn::V1 => {
                let message: V1<'_> = serde_json::from_str(text)?;
                (message.topic, message.event, message.payload)
            }
            Vsn::V2 => {
                let V2(_, _, topic, event, payload) = serde_json::from_str(text)?;
                (topic, event, payload)
            }
        };
        Ok(match &*event {
            "said" => Self::Broadcast(serde_json::from_str(payload.get())?),
            "phx_close" | "phx_error" if topic_index(&topic) < TOPICS.len() => {
                Self::End { topic: topic_index(&topic), crashed: event == "phx_error" }
            }
            "phx_reply" => {
                let reply: Reply<'_> = serde_json::from_str(payload.get())?;
                match (serde_json::from_str(reply.response.get()), serde_json::from_str(reply.response.get())) {
                    (Ok(welcome), _) => Self::Welcome(welcome),
                    (_, Ok(answered)) => Self::Answer(answered),
                    _ => Self::Other,
                }
            }
            _ => Self::Other,
        })
    }
}

#[derive(Deserialize)]
struct V1<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct V2<'a>(
    IgnoredAny,
    IgnoredAny,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] Cow<'a, str>,
    #[serde(borrow)] &'a RawValue,
);

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    response: &'a RawValue,
}
