//! Some ask for long answers without end, and read them; others of the same shard are not to wait for them.

use std::collections::VecDeque;

use super::*;

/// A driver with one worker: each turn every client that has something to say is read from, the hub takes one step, and all that
/// waits is sent.
struct Driver {
    world: World,
    /// Batches on their way to the hub; the first may be half done.
    mail: VecDeque<Inputs>,
    greedy: Vec<Greedy>,
    /// Whether the hub goes on with what it has put off.
    goes_on: bool,
    /// So much is asked.
    most: usize,
}

/// One that asks as fast as it is read from.
struct Greedy {
    client: Client,
    asked: usize,
    /// How many answers it has got.
    heard: usize,
}

/// One question is as short as this; its answer is some hundred times as long.
fn question(n: usize) -> Vec<u8> {
    frame(0x81, format!(r#"["1","{n}","room:a","long",{{}}]"#).as_bytes())
}

/// As much as is read at a time.
const READ: usize = 80 << 10;

impl Driver {
    fn new(greedy: usize) -> Self {
        let mut world = World::new(1, Capacity::default());
        let greedy = (0..greedy).map(|_| Greedy { client: world.join("room:a"), asked: 0, heard: 0 }).collect();
        Self { world, mail: VecDeque::new(), greedy, goes_on: true, most: usize::MAX }
    }

    fn turn(&mut self) {
        self.world.shards[0].resume(NOW);
        for Greedy { client, asked, .. } in &mut self.greedy {
            if !self.world.shards[0].has_room() || !self.world.shards[0].wants_bytes(client.1) {
                continue;
            }
            let mut bytes = Vec::new();
            while bytes.len() < READ && *asked < self.most {
                bytes.extend(question(*asked));
                *asked += 1;
            }
            self.world.shards[0].handle_bytes(NOW, client.1, &bytes);
        }
        // Whoever had no room is the first next time.
        let count = self.greedy.len();
        self.greedy.rotate_left(1 % count);
        self.mail.extend(self.world.shards[0].poll_inputs());
        assert!(self.mail.len() <= 2);
        if let Some(mut inputs) = self.mail.pop_front()
            && self.world.hub.handle_inputs(NOW, &mut (), 0, &mut inputs)
        {
            self.mail.push_front(inputs);
        }
        self.send();
        if self.goes_on {
            self.world.hub.resume(NOW, &mut (), 0);
            self.send();
        }
    }

    /// All that the hub has said is sent, and read.
    fn send(&mut self) {
        let Some(mut outputs) = self.world.hub.poll_outputs(0) else { return };
        while self.world.shards[0].handle_outputs(NOW, &mut outputs) {
            self.read();
        }
        self.read();
    }

    fn read(&mut self) {
        for Greedy { client, heard, .. } in &mut self.greedy {
            let all = self.world.read(*client);
            let mut answers = all.split(r#""phx_reply""#);
            for before in answers.by_ref().filter(|part| part.contains(r#""room:a","#)) {
                assert!(before.ends_with(&format!(r#"["1","{heard}","room:a","#)), "in order");
                *heard += 1;
            }
        }
    }

    /// How many turns it takes until a question of this client is answered.
    fn wait(&mut self, client: Client, most: usize) -> usize {
        let mut asked = false;
        for turn in 1..=most {
            if !asked && self.world.shards[0].has_room() && self.world.shards[0].wants_bytes(client.1) {
                self.world.say(client, r#"["1","2","room:b","echo",{}]"#);
                asked = true;
            }
            self.turn();
            if self.world.read(client).contains(r#""status":"ok""#) {
                return turn;
            }
        }
        panic!("no answer within {most} turns");
    }
}

#[test]
fn a_quiet_one_waits_a_few_turns_however_long_the_answers_of_others() {
    for greedy in [1, 3] {
        let mut driver = Driver::new(greedy);
        let quiet = driver.world.join("room:b");
        (0..10).for_each(|_| driver.turn());
        let waited: Vec<usize> = (0..20).map(|_| driver.wait(quiet, 5000)).collect();
        assert!(waited.iter().all(|turns| *turns <= 2 + greedy), "{greedy} greedy: {waited:?}");
        assert!(driver.greedy.iter().all(|greedy| greedy.heard > 20), "they are served, too");
    }
}

#[test]
fn what_is_put_off_of_one_is_bounded_and_answered_in_the_end() {
    let mut driver = Driver::new(1);
    let quiet = driver.world.join("room:b");
    driver.goes_on = false;
    for _ in 0..50 {
        driver.turn();
    }
    let asked = driver.greedy[0].asked;
    assert!(driver.wait(quiet, 10) <= 2 && !driver.world.shards[0].wants_bytes(driver.greedy[0].client.1));
    assert!(asked * question(0).len() < 4 * READ, "what was read is put off, and no more is: {asked}");
    // No more is asked, and the hub goes on.
    (driver.goes_on, driver.most) = (true, asked);
    while driver.greedy[0].heard < asked {
        let before = driver.greedy[0].heard;
        (0..3).for_each(|_| driver.turn());
        assert!(driver.greedy[0].heard > before, "it goes on");
    }
    assert!(!driver.world.hub.can_resume(0) && driver.world.shards[0].wants_bytes(driver.greedy[0].client.1));
}

#[test]
fn what_was_asked_before_a_goodbye_is_answered_before_it_though_it_is_put_off() {
    let mut world = World::new(1, Capacity::default().with_queued_bytes_per_connection(1 << 30));
    let client = world.join("room:a");
    let bytes: Vec<u8> = (0..100).flat_map(question).collect();
    world.bytes(client, &[bytes, frame(0x88, &[3, 232])].concat());
    let mut inputs = world.shards[0].poll_inputs().unwrap();
    world.hub_takes(0, &mut inputs);
    world.deliver(0);
    assert!(world.hub.can_resume(0), "most of it is put off");
    assert!(place(&world.raw(client), b"\x88\x02\x03\xe8").is_none(), "it waits for the rest");
    world.turn();
    let heard = world.raw(client);
    let last = place(&heard, br#"["1","99","room:a","phx_reply""#).unwrap();
    assert!(last < place(&heard, b"\x88\x02\x03\xe8").unwrap());
    world.turn();
    assert_eq!(world.hub.hub().stats().closed, 1);
}

#[test]
fn what_one_has_said_that_leaves_is_heard_though_it_is_put_off() {
    let mut world = World::new(1, Capacity::default());
    let (leaving, other) = (world.join("room:a"), world.join("room:a"));
    let mut bytes: Vec<u8> = (0..100).flat_map(question).collect();
    bytes.extend(frame(0x81, br#"["1","2","room:a","new_msg",{"text":"the last"}]"#));
    world.bytes(leaving, &bytes);
    world.shards[0].handle_close(NOW, leaving.1);
    let mut inputs = world.shards[0].poll_inputs().unwrap();
    world.hub_takes(0, &mut inputs);
    assert_eq!((world.hub.can_resume(0), world.hub.connections()), (true, 2));
    world.turn();
    assert!(world.read(other).contains("the last"));
    assert_eq!((world.hub.connections(), world.hub.hub().subscriber_count("room:a")), (1, 1));
    // Its place is another's now, who has nothing to do with that.
    let next = world.join("room:a");
    assert_eq!((next.1.index(), world.hub.places(0)), (leaving.1.index(), 2));
    assert!(world.shards[0].wants_bytes(next.1));
}

#[test]
fn one_of_whom_something_is_put_off_is_not_a_silent_one() {
    let mut world = World::new(1, Capacity::default().with_queued_bytes_per_connection(1 << 30));
    let client = world.join("room:a");
    world.bytes(client, &(0..100).flat_map(question).collect::<Vec<_>>());
    let mut inputs = world.shards[0].poll_inputs().unwrap();
    world.hub_takes(0, &mut inputs);
    // All have slept.
    let later = NOW + Duration::from_secs(61);
    world.hub.handle_timeout(later, &mut ());
    assert_eq!((world.hub.can_resume(0), world.hub.hub().stats().idle_timeouts), (true, 0));
    world.turn();
    world.hub.handle_timeout(later + Duration::from_secs(61), &mut ());
    assert_eq!(world.hub.hub().stats().idle_timeouts, 1);
}
