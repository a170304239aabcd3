//! A hub, its shards, and the mail between them, which is carried when it is told.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};

use chanson_core::endpoint::{Config, Inputs, Outputs, Shard, Sharded};
use chanson_core::error::CommandError;
use chanson_core::time::Instant;
use chanson_core::{ConnId, Hub};

use super::super::rooms::Later;

/// In which shard a connection is, and what that calls it.
pub(super) type Place = (usize, ConnId);

pub(super) struct Host {
    pub(super) hub: Sharded<Later>,
    pub(super) shards: Vec<Shard>,
    pub(super) later: Later,
    pub(super) now: Instant,
    links: Vec<Link>,
    /// Connections that their shards know of.
    present: Vec<Place>,
}

/// What is on its way between the hub and a shard, as drivers have it: each kind in order.
#[derive(Default)]
struct Link {
    to_hub: VecDeque<Inputs>,
    to_shard: VecDeque<(Vec<ConnId>, Outputs)>,
    /// To be sent with the next batch.
    connections: Vec<ConnId>,
}

/// By which handlers tell connections apart.
pub(super) fn address(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Host {
    pub(super) fn new(hub: Hub<Later>, config: Config, shards: usize) -> Self {
        let (hub, shards) = Sharded::new(hub, config, shards);
        let links = shards.iter().map(|_| Link::default()).collect();
        Self { hub, shards, later: Later::default(), now: Instant::ORIGIN, links, present: Vec::new() }
    }

    pub(super) fn connect(&mut self, port: u16) -> Result<Place, CommandError> {
        let place = self.hub.handle_connect(self.now, Some(address(port)))?;
        self.links[place.0].connections.push(place.1);
        Ok(place)
    }

    /// Whether the shard knows of it (still).
    pub(super) fn has(&self, place: Place) -> bool {
        self.present.contains(&place)
    }

    pub(super) fn close(&mut self, place: Place) {
        self.present.retain(|known| *known != place);
        self.shards[place.0].handle_close(self.now, place.1);
    }

    /// What waits to be sent, all shards together.
    pub(super) fn queued(&self) -> usize {
        self.shards.iter().map(|shard| shard.stats().queued_bytes).sum()
    }

    /// Whether a queue has been full.
    pub(super) fn has_been_full(&self) -> bool {
        self.hub.stats().slow_consumers > 0 || self.shards.iter().any(|shard| shard.stats().dropped > 0)
    }

    pub(super) fn pass_time_of_shard(&mut self, shard: usize) {
        if self.shards[shard].poll_timeout().is_some_and(|due| due <= self.now) {
            self.shards[shard].handle_timeout(self.now);
        }
    }

    pub(super) fn pass_time_of_hub(&mut self) {
        if self.hub.poll_timeout().is_some_and(|due| due <= self.now) {
            self.hub.handle_timeout(self.now, &mut self.later);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.shards.iter().map(Shard::poll_timeout).chain([self.hub.poll_timeout()]).flatten().min()
    }

    // --- mail; each says whether there was any ---

    /// A shard sends what has come.
    pub(super) fn report(&mut self, shard: usize) -> bool {
        let Some(inputs) = self.shards[shard].poll_inputs() else { return false };
        let mail = &mut self.links[shard].to_hub;
        mail.push_back(inputs);
        assert!(mail.len() <= 2, "a shard sends more than the hub has answered");
        true
    }

    /// The hub takes one batch, or as much of it as it can at a time.
    pub(super) fn take_inputs(&mut self, shard: usize) -> bool {
        let Some(mut inputs) = self.links[shard].to_hub.pop_front() else { return false };
        if self.hub.handle_inputs(self.now, &mut self.later, shard, &mut inputs) {
            self.links[shard].to_hub.push_front(inputs);
        }
        true
    }

    /// The hub goes on with what it has put off of one connection.
    pub(super) fn resume_hub(&mut self, shard: usize) -> bool {
        let can = self.hub.can_resume(shard);
        self.hub.resume(self.now, &mut self.later, shard);
        can
    }

    /// The hub sends what it has to say.
    pub(super) fn ship(&mut self, shard: usize) -> bool {
        let link = &mut self.links[shard];
        let outputs = self.hub.poll_outputs(shard);
        if outputs.is_none() && link.connections.is_empty() {
            return false;
        }
        link.to_shard.push_back((std::mem::take(&mut link.connections), outputs.unwrap_or_default()));
        true
    }

    /// A shard takes one batch, or as much of it as it can at a time.
    pub(super) fn take_outputs(&mut self, shard: usize) -> bool {
        let Some((connections, mut outputs)) = self.links[shard].to_shard.pop_front() else { return false };
        for conn in connections {
            self.shards[shard].handle_connect(self.now, conn);
            self.present.push((shard, conn));
        }
        if self.shards[shard].handle_outputs(self.now, &mut outputs) {
            self.links[shard].to_shard.push_front((Vec::new(), outputs));
        }
        true
    }

    pub(super) fn resume(&mut self, shard: usize) -> bool {
        let can = self.shards[shard].can_resume();
        self.shards[shard].resume(self.now);
        can
    }

    /// Carries all mail until there is no more.
    pub(super) fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut any = false;
            for shard in 0..self.shards.len() {
                any |= self.report(shard);
                any |= self.take_inputs(shard);
                any |= self.resume_hub(shard);
            }
            for shard in 0..self.shards.len() {
                any |= self.ship(shard);
                any |= self.take_outputs(shard);
                any |= self.resume(shard);
            }
            if !any {
                return;
            }
        }
        panic!("there is no end of mail");
    }

    /// The same, and closes connections while more waits than may, as hosts do who look at the total once a turn.
    pub(super) fn settle_within(&mut self, most: usize) {
        self.settle();
        // Each time one of them goes.
        for _ in 0..=self.hub.connections() {
            if self.queued() <= most {
                break;
            }
            self.hub.mind_the_total(self.queued());
            self.settle();
        }
    }

    /// Nothing is left of the connections, now that all have gone and the hub has heard of it.
    pub(super) fn check_empty(&mut self) {
        assert_eq!((self.hub.connections(), self.queued()), (0, 0), "all have gone");
        let stats = self.hub.stats().hub;
        let left = [stats.connections, stats.joins, stats.topics, stats.presences, stats.tickets];
        assert_eq!(left, [0; 5], "all have gone: {stats:?}");
        assert!(!self.hub.is_waiting(), "it waits for shards that have answered");
        for (at, (shard, link)) in self.shards.iter_mut().zip(&self.links).enumerate() {
            assert!(shard.poll_writable().is_none() && shard.poll_inputs().is_none(), "{shard:?}");
            assert!(shard.has_room() && !shard.can_resume(), "{shard:?}");
            assert!(!self.hub.can_resume(at), "something is put off");
            assert!(self.hub.weight(at) == 0 && self.hub.poll_outputs(at).is_none());
            assert!(link.to_hub.is_empty() && link.to_shard.is_empty() && link.connections.is_empty());
        }
    }
}
