//! What the threads of a client share, in every order in which they can take their turns. Only under `--cfg loom`:
//! `RUSTFLAGS="--cfg loom" cargo test -p chanson-std --lib loom`.

mod loom {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use ::loom::sync::{Condvar, Mutex};
    use ::loom::thread;
    use chanson_core::PayloadBuf;
    use chanson_core::client::{ChannelId, Event};

    use crate::client::bell::Bell;
    use crate::client::cancel::Cancel;
    use crate::client::events::{Events, Queue};
    use crate::client::tell::Teller;

    /// Every order in which threads interrupt each other at most so many times: more finds nothing new, and takes long.
    fn model(run: impl Fn() + Send + Sync + 'static) {
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(3));
        builder.check(run);
    }

    /// A bounded channel as plain as can be. A wake-up that is missed leaves nobody to end the wait: loom calls it a deadlock.
    struct Channel {
        items: Mutex<VecDeque<Item>>,
        came: Condvar,
        capacity: usize,
    }

    #[derive(PartialEq)]
    enum Item {
        Wake,
        Other,
    }

    impl Channel {
        fn new(capacity: usize) -> Self {
            Self { items: Mutex::new(VecDeque::new()), came: Condvar::new(), capacity }
        }

        fn try_send(&self, item: Item) {
            let mut items = self.items.lock().unwrap();
            if items.len() < self.capacity {
                items.push_back(item);
                self.came.notify_one();
            }
        }

        fn try_recv(&self) -> Option<Item> {
            self.items.lock().unwrap().pop_front()
        }

        fn recv(&self) -> Item {
            let mut items = self.items.lock().unwrap();
            loop {
                match items.pop_front() {
                    Some(item) => return item,
                    None => items = self.came.wait(items).unwrap(),
                }
            }
        }
    }

    /// What is asked for behind the lock, and how its thread hears of it.
    struct Shared {
        asked: Mutex<u32>,
        bell: Bell,
        inputs: Channel,
    }

    impl Shared {
        fn new(capacity: usize) -> Arc<Self> {
            Arc::new(Self { asked: Mutex::new(0), bell: Bell::new(), inputs: Channel::new(capacity) })
        }

        fn ask(&self) {
            *self.asked.lock().unwrap() += 1;
            self.bell.ring(|| self.inputs.try_send(Item::Wake));
        }

        /// As the client's thread does: how much was asked for.
        fn turn(&self) -> u32 {
            let mut input = Some(self.inputs.recv());
            let asked = self.asked.lock().unwrap();
            while input.is_some() {
                input = self.inputs.try_recv();
            }
            self.bell.rise();
            *asked
        }
    }

    #[test]
    fn no_wish_is_missed() {
        model(|| {
            let shared = Shared::new(4);
            let askers = [0; 2].map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.ask())
            });
            while shared.turn() < 2 {}
            askers.into_iter().for_each(|asker| asker.join().unwrap());
        });
    }

    #[test]
    fn no_wish_is_missed_when_the_channel_is_full() {
        model(|| {
            let shared = Shared::new(1);
            shared.inputs.try_send(Item::Other);
            let askers = [0; 2].map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.ask())
            });
            while shared.turn() < 2 {}
            askers.into_iter().for_each(|asker| asker.join().unwrap());
        });
    }

    fn message(number: u8) -> Event {
        let payload = PayloadBuf::from_binary(vec![number]);
        Event::Message { channel: ChannelId::from_bits(0), event: "e".into(), payload }
    }

    #[test]
    fn each_event_has_one_reader_and_the_end_has_all() {
        model(|| {
            let queue = Arc::new(Queue::new());
            let readers = [0; 2].map(|_| {
                let mut events = Events(Arc::clone(&queue));
                thread::spawn(move || events.by_ref().count())
            });
            queue.push(message(1));
            queue.close();
            assert_eq!(readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>(), 1);
        });
    }

    #[test]
    fn each_event_is_told_once_and_in_order_whoever_sets_the_callback_when() {
        model(|| {
            let teller = Arc::new(Teller::new());
            let told = Arc::new(Mutex::new(Vec::new()));
            let hear = |who: u8| {
                let told = Arc::clone(&told);
                Box::new(move |event| told.lock().unwrap().push((who, event)))
            };
            teller.set(Some(hear(1)));
            let (other, second) = (Arc::clone(&teller), hear(2));
            let setter = thread::spawn(move || other.set(Some(second)));
            teller.tell(message(1));
            teller.tell(message(2));
            setter.join().unwrap();
            // It was woken by that.
            teller.run();
            teller.tell(message(3));
            let told = told.lock().unwrap();
            assert!(told.iter().map(|(_, event)| event).eq(&[message(1), message(2), message(3)]), "{told:?}");
            assert!(told.is_sorted_by_key(|(who, _)| *who) && told[2].0 == 2, "{told:?}");
        });
    }

    #[test]
    fn what_is_cancelled_is_ended_or_not_begun() {
        model(|| {
            let cancel = Arc::new(Cancel::new());
            let canceller = {
                let cancel = Arc::clone(&cancel);
                thread::spawn(move || cancel.cancel(|ended: &Mutex<bool>| *ended.lock().unwrap() = true))
            };
            // Two addresses, one after the other.
            let begun = [0; 2].map(|_| Arc::new(Mutex::new(false)));
            let went_on = [cancel.hold(&begun[0]), cancel.hold(&begun[1])];
            canceller.join().unwrap();
            assert!(cancel.is_cancelled());
            assert!(!went_on[1] || *begun[1].lock().unwrap(), "it goes on, and nobody ends it");
            assert!(went_on[0] || !went_on[1], "it does not begin again");
        });
    }
}
