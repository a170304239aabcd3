//! Hostile clients: bytes on a connection, from whoever wants the server ill. What must hold of them is that they get no
//! more than their bounds, and that nobody else hears of them.

use std::io::IoSlice;
use std::time::Duration;

use arbitrary::Arbitrary;
use chanson_core::ConnId;
use chanson_core::endpoint::Endpoint;
use chanson_core::time::Instant;
use chanson_core::wire::Vsn;
use chanson_core::ws::{self, Control, Data};

use super::ledger::{Answer, Ledger, Said, TOPICS, to_json};
use super::options::{BURST, FOE_JOINS, OFFENCES, PER_SECOND};
use super::random::Random;
use super::tap::Tap;
use super::world::World;

/// How many there are.
pub(super) const FOES: usize = 3;

/// One of them.
#[derive(Default)]
pub(super) struct Foe {
    /// Its connection, since when, and whether its upgrade was sent.
    pub(super) conn: Option<ConnId>,
    since: Instant,
    /// The same without the time in which nobody could act.
    opened: Instant,
    /// When it said something last, by the server's opinion.
    heard: Instant,
    upgraded: bool,
    /// On the mount with limits of its own.
    limited: bool,
    /// It does not read.
    deaf: bool,
    pub(super) dead: bool,
    /// It has sent its end.
    ended: bool,
    /// Something else than a WebSocket message was sent: what comes behind it may be anything.
    garbled: bool,
    tag: u32,
    /// Offences in a row.
    offences: u64,
    tap: Option<Tap>,
}

/// What a foe does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Foul {
    Knock,
    /// Some bytes of a head, or of nothing.
    Drip(u8),
    Upgrade {
        limited: bool,
    },
    /// A frame that breaks a rule.
    Malformed(u8),
    /// A text that is no message.
    Nonsense(u8),
    /// So many of these, at once.
    Flood(Flood, u8),
    Join(u8),
    /// Joins a topic where others are.
    Spy(u8),
    Push(u8),
    /// On a channel of its own.
    Talk(u8),
    Offend(u8),
    Deaf(bool),
    HalfClose,
    /// Nothing more comes of it, not even its end.
    Die,
    Vanish,
}

/// What it floods with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Arbitrary)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Flood {
    Pings,
    Heartbeats,
    Fragments,
    Talk,
    Joins,
}

impl Foul {
    pub(super) fn draw(random: &mut Random) -> Self {
        let number = random.below(256) as u8;
        match random.below(22) {
            0 => Self::Knock,
            1 => Self::Drip(number),
            2..=4 => Self::Upgrade { limited: random.once_in(2) },
            5 if random.once_in(2) => Self::Malformed(number),
            6 if random.once_in(2) => Self::Nonsense(number),
            5..=9 => {
                let floods = [Flood::Pings, Flood::Heartbeats, Flood::Fragments, Flood::Talk, Flood::Joins];
                Self::Flood(random.pick(&floods), number)
            }
            10 | 11 => Self::Join(number),
            12 | 13 => Self::Spy(number),
            14 => Self::Push(number),
            15 | 16 => Self::Talk(number),
            17 => Self::Offend(number),
            18 => Self::Deaf(true),
            19 => Self::Deaf(false),
            20 if random.once_in(2) => Self::HalfClose,
            20 => Self::Die,
            _ if random.once_in(3) => Self::Vanish,
            _ => Self::Talk(number),
        }
    }
}

impl World {
    /// A foe does something; without a connection it makes one first.
    pub(super) fn foul(&mut self, which: usize, foul: Foul) -> Result<(), String> {
        self.counted.fouls += 1;
        if self.foes[which].conn.is_none() && !self.knock(which)? {
            return Ok(());
        }
        let Some(conn) = self.foes[which].conn else { return Ok(()) };
        let foe = &mut self.foes[which];
        if foe.dead {
            return Ok(());
        }
        let mut out = Vec::new();
        match foul {
            Foul::Upgrade { limited } if !foe.upgraded && !foe.garbled => {
                (foe.upgraded, foe.limited) = (true, limited);
                foe.tap = self.options.taps.then(|| Tap::new(Vsn::V2));
                let path = if limited { "/limits" } else { "/socket" };
                out.extend(head(path).bytes());
            }
            Foul::Drip(number) => {
                // A connection without a whole head; or not a frame.
                let bytes: &[u8] =
                    if number % 2 == 0 { b"GET /socket HTTP/1.1\r\nHost: h\r\nX: " } else { b"\x16\x03\x01\x02" };
                out.extend(&bytes[..usize::from(number) % (bytes.len() + 1)]);
                foe.garbled |= !out.is_empty();
                self.ledger.nonsense += 1;
            }
            Foul::Malformed(number) if foe.upgraded => {
                // It may be the end of a message in pieces.
                foe.garbled = true;
                self.ledger.nonsense += 1;
                malformed(number, &mut out);
            }
            Foul::HalfClose => {
                let ended = std::mem::replace(&mut foe.ended, true);
                if ended {
                    return Ok(());
                }
                self.endpoint.handle_eof(self.now, &mut self.ledger, conn);
            }
            Foul::Vanish => return self.vanish(which),
            Foul::Deaf(deaf) => foe.deaf = deaf,
            Foul::Die => (foe.dead, foe.deaf) = (true, true),
            _ if foe.upgraded => foe.speak(which, foul, &mut self.ledger, &mut out),
            _ => {}
        }
        let foe = &mut self.foes[which];
        if !out.is_empty() && !foe.ended && self.endpoint.wants_bytes(conn) {
            foe.heard = self.now;
            let talked = |ledger: &Ledger| ledger.talked.get(&conn).copied().unwrap_or_default();
            let (limited, before) = (foe.limited, talked(&self.ledger));
            self.endpoint.handle_bytes(self.now, &mut self.ledger, conn, &out);
            let at_once = talked(&self.ledger) - before;
            if limited && at_once > u64::from(BURST) {
                return Err(format!("foe {which}: {at_once} messages were let through at once"));
            }
        }
        Ok(())
    }

    /// Whether it is let in.
    fn knock(&mut self, which: usize) -> Result<bool, String> {
        if self.away {
            return Ok(false);
        }
        match self.endpoint.handle_connect(self.now, None) {
            Ok(conn) => {
                let tag = self.foes[which].tag;
                let now = self.now;
                self.foes[which] = Foe { conn: Some(conn), since: now, opened: now, heard: now, tag, ..Foe::default() };
                Ok(true)
            }
            Err(error) => {
                self.counted.turned_away += 1;
                let stats = self.endpoint.stats().hub;
                let needed = stats.connections >= self.shape.capacity.connections;
                if needed { Ok(false) } else { Err(format!("a foe was refused without need: {error} {stats:?}")) }
            }
        }
    }

    /// Its connection is no more, whatever it was about to say.
    pub(super) fn vanish(&mut self, which: usize) -> Result<(), String> {
        if let Some(conn) = self.foes[which].conn.take() {
            self.endpoint.handle_close(self.now, &mut self.ledger, conn);
            self.ledger.owed.remove(&conn);
        }
        Ok(())
    }

    /// They read, if they do, and go when they are told to.
    pub(super) fn foes_turn(&mut self) -> Result<bool, String> {
        let mut moved = false;
        for which in 0..FOES {
            let Some(conn) = self.foes[which].conn else { continue };
            let foe = &mut self.foes[which];
            while !foe.deaf {
                let bytes = read(&mut self.endpoint, conn);
                if bytes.is_empty() {
                    break;
                }
                moved = true;
                self.endpoint.advance(self.now, conn, bytes.len());
                if let Some(tap) = &mut foe.tap {
                    tap.listen(&bytes, &mut self.ledger, conn).map_err(|what| format!("foe {which}: {what}"))?;
                }
            }
            if self.endpoint.is_finished(conn) {
                moved = true;
                self.vanish(which)?;
            }
        }
        Ok(moved)
    }

    /// That none has more than it may, or stays for longer.
    pub(super) fn check_foes(&self) -> Result<(), String> {
        for (which, foe) in self.foes.iter().enumerate() {
            let Some(conn) = foe.conn else { continue };
            let fail = |what: &str| Err(format!("foe {which} ({conn:?}, limited: {}): {what}", foe.limited));
            let (age, silent) = (self.now - foe.opened, self.now - foe.heard);
            if !foe.upgraded && age > HANDSHAKE {
                return fail("it has not said what it wants, and is there still");
            }
            if silent > self.shape.idle_timeout + GOODBYE {
                return fail("it is silent for long, and is there still");
            }
            let joins = self.ledger.joins_of(conn);
            let most = if foe.limited { FOE_JOINS } else { usize::MAX };
            if joins > most.min(self.shape.capacity.joins_per_connection) {
                return fail(&format!("it has {joins} joins"));
            }
            let handled = self.ledger.talked.get(&conn).copied().unwrap_or_default();
            let allowed = u64::from(BURST) + u64::from(PER_SECOND) * ((self.now - foe.since).as_secs() + 1);
            if foe.limited && handled > allowed {
                return fail(&format!("{handled} messages were let through in {age:?}, {allowed} may be"));
            }
            let open = foe.tap.as_ref().is_some_and(Tap::is_open);
            let reads = open && !foe.deaf && !foe.ended && !foe.garbled;
            if foe.limited && reads && foe.offences > u64::from(OFFENCES) {
                return fail(&format!("{} offences in a row, and it was not closed", foe.offences));
            }
        }
        Ok(())
    }
}

impl Foe {
    /// Whole messages, well framed.
    fn speak(&mut self, which: usize, foul: Foul, ledger: &mut Ledger, out: &mut Vec<u8>) {
        let before = self.offences;
        match foul {
            Foul::Nonsense(number) => {
                let nonsense = ["", "nonsense", "{}", "[1]", r#"["1","2","room:a"]"#, r#"["1",2,3,4,5]"#];
                ledger.nonsense += 1;
                say(nonsense[usize::from(number) % nonsense.len()], out);
            }
            Foul::Flood(flood, times) => {
                // A message that is in pieces and never ends makes nonsense of all others.
                self.garbled |= flood == Flood::Fragments && times > 0;
                ledger.flooded |= flood == Flood::Heartbeats;
                if flood == Flood::Talk {
                    say(&message("foe:0", "phx_join", "{}", 9), out);
                }
                (0..times).for_each(|at| flood.one(at, out));
            }
            Foul::Join(number) => say(&message(&format!("foe:{}", number % 6), "phx_join", "{}", 9), out),
            Foul::Spy(number) => {
                say(
                    &message(TOPICS[usize::from(number) % TOPICS.len()], "phx_join", &(1000 + which).to_string(), 9),
                    out,
                );
            }
            Foul::Push(number) => {
                self.tag += 1;
                let said = Said { peer: 1000 + which, tag: self.tag, answer: Answer::Ok };
                let (event, topic) = (["say", "whisper", "ask", "stop"], TOPICS[usize::from(number) % TOPICS.len()]);
                let text = match number % 16 {
                    // Not what the handler expects.
                    0 => "[[]]".to_owned(),
                    _ => to_json(&said).as_json().as_str().to_owned(),
                };
                say(&message(topic, event[usize::from(number / 16) % 4], &text, 9), out);
            }
            Foul::Talk(number) => Flood::Talk.one(number, out),
            Foul::Offend(times) => {
                for _ in 0..times % 32 {
                    self.offences += 1;
                    say(r#"[null,"1","nowhere","anything",{}]"#, out);
                }
            }
            _ => {}
        }
        if self.offences == before {
            // It may have been good, so those before do not count any more.
            self.offences = 0;
        }
    }
}

impl Flood {
    fn one(self, at: u8, out: &mut Vec<u8>) {
        match self {
            Self::Pings => ws::control(Control::Ping, &[at; 100], MASK, out),
            Self::Heartbeats => say(&format!(r#"[null,"{at}","phoenix","heartbeat",{{}}]"#), out),
            // One text message in pieces of one byte, never ended; masked with zeroes.
            Self::Fragments => out.extend([u8::from(at == 0), 0x81, 0, 0, 0, 0, b'x']),
            Self::Talk => {
                let event = ["echo", "say"][usize::from(at % 2)];
                let payload = format!(r#"{{"pad":"{}"}}"#, "x".repeat(80));
                say(&message(&format!("foe:{}", at / 128), event, &payload, 9), out);
            }
            Self::Joins => say(&message(&format!("foe:{at}"), "phx_join", "{}", at), out),
        }
    }
}

fn message(topic: &str, event: &str, payload: &str, join: u8) -> String {
    format!(r#"["{join}","{join}","{topic}","{event}",{payload}]"#)
}

fn say(text: &str, out: &mut Vec<u8>) {
    ws::data(Data::Text, text.as_bytes(), MASK, out);
}

/// Frames that are none.
fn malformed(number: u8, out: &mut Vec<u8>) {
    let frames: [&[u8]; 9] = [
        // Not masked; with a reserved bit; with a reserved opcode.
        &[0x81, 0x02, b'h', b'i'],
        &[0xc1, 0x80, 1, 2, 3, 4],
        &[0x83, 0x80, 1, 2, 3, 4],
        // Longer than there is anything; longer than allowed; a length that is not the shortest.
        &[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        &[0x82, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0],
        &[0x81, 0xfe, 0, 2, 0, 0, 0, 0, b'h', b'i'],
        // A ping in pieces; a continuation of nothing; text that is no UTF-8.
        &[0x09, 0x80, 0, 0, 0, 0],
        &[0x80, 0x80, 0, 0, 0, 0],
        &[0x81, 0x81, 0, 0, 0, 0, 0xff],
    ];
    out.extend(frames[usize::from(number) % frames.len()]);
}

fn head(path: &str) -> String {
    format!(
        "GET {path}/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

fn read(endpoint: &mut Endpoint<Ledger>, conn: ConnId) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 16];
    let count = endpoint.pending(conn, &mut slices);
    slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
}

impl Foe {
    /// The clock jumped: nobody could act in that time.
    pub(super) fn excuse(&mut self, time: Duration) {
        (self.opened, self.heard) = (self.opened + time, self.heard + time);
    }
}

const MASK: Option<[u8; 4]> = Some([0; 4]);
/// Handshakes end after 5 s, and what is closed has 5 s more.
const HANDSHAKE: Duration = Duration::from_secs(11);
/// What is closed for silence has a while for its close frame.
const GOODBYE: Duration = Duration::from_secs(11);
