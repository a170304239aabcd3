//! Handles and their server on several threads, in every order that is possible. Only under `--cfg loom`:
//! `RUSTFLAGS="--cfg loom" cargo test -p chanson-core --lib loom`.

mod loom {
    use std::sync::mpsc::TryRecvError;

    use ::loom::sync::atomic::{AtomicUsize, Ordering};
    use ::loom::sync::{Arc, Condvar, Mutex};
    use ::loom::thread;

    use crate::driver::command::Command;
    use crate::driver::{Bell, Handle, HandleError, Inbox, Stats};

    /// What a driver waits at: once woken it stays so until somebody has waited, as an eventfd does.
    #[derive(Default)]
    struct Poll {
        woken: Mutex<usize>,
        changed: Condvar,
    }

    impl Poll {
        fn wake(&self) {
            *self.woken.lock().unwrap() += 1;
            self.changed.notify_one();
        }

        /// A wake-up that is missed leaves nobody to end this: loom calls it a deadlock.
        fn wait(&self) {
            let mut woken = self.woken.lock().unwrap();
            while *woken == 0 {
                woken = self.changed.wait(woken).unwrap();
            }
            *woken = 0;
        }
    }

    /// A driver that has nothing to do but what handles ask for, `most` commands a turn. It has no hub, for which loom's
    /// threads have too small a stack.
    struct Server {
        inbox: Inbox,
        commands: u64,
        poll: Arc<Poll>,
        most: usize,
        /// How many commands were carried out when each wish for a shutdown was heard.
        stops: Vec<u64>,
    }

    impl Server {
        fn new(capacity: usize, most: usize) -> Self {
            let poll = Arc::new(Poll::default());
            let waker = Arc::clone(&poll);
            let inbox = Inbox::new(capacity, move || {
                waker.wake();
                Ok(())
            });
            Self { inbox, commands: 0, poll, most, stops: Vec::new() }
        }

        /// As drivers do: waits unless there is more.
        fn turn(&mut self) {
            if !self.inbox.has_more() {
                self.poll.wait();
            }
            self.inbox.begin_turn(self.most);
            while self.obey() {}
            while self.inbox.take_stop() {
                self.stops.push(self.commands);
            }
        }

        /// Whether there was a command. Questions are answered 7.
        fn obey(&mut self) -> bool {
            let Some(command) = self.inbox.next() else { return false };
            self.commands += 1;
            if let Command::SubscriberCount { to, .. } = command {
                to.send(7).unwrap();
            }
            true
        }
    }

    /// Every order in which threads interrupt each other at most so many times: more finds nothing new, and takes long.
    fn model(run: impl Fn() + Send + Sync + 'static) {
        let mut builder = ::loom::model::Builder::new();
        builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(3));
        builder.check(run);
    }

    fn say(handle: &Handle) -> Result<(), HandleError> {
        handle.publish("a", "text")
    }

    #[test]
    fn no_command_is_missed() {
        model(|| {
            let mut server = Server::new(4, 8);
            let (first, second) = (server.inbox.handle(), server.inbox.handle());
            let speaker = thread::spawn(move || say(&first).unwrap());
            let other = thread::spawn(move || say(&second).unwrap());
            while server.commands < 2 {
                server.turn();
            }
            speaker.join().unwrap();
            other.join().unwrap();
        });
    }

    #[test]
    fn no_command_is_missed_when_a_turn_takes_one() {
        model(|| {
            let mut server = Server::new(4, 1);
            let handle = server.inbox.handle();
            let speaker = thread::spawn(move || (0..3).for_each(|_| say(&handle).unwrap()));
            while server.commands < 3 {
                server.turn();
            }
            speaker.join().unwrap();
        });
    }

    #[test]
    fn a_command_that_is_refused_wakes_nobody_and_the_next_is_heard() {
        model(|| {
            let mut server = Server::new(1, 8);
            let handle = server.inbox.handle();
            let speaker = thread::spawn(move || (0..2).filter(|_| say(&handle).is_ok()).count());
            server.turn();
            let said = speaker.join().unwrap();
            while server.commands < said as u64 {
                server.turn();
            }
        });
    }

    #[test]
    fn a_shutdown_is_heard_once_and_behind_the_commands() {
        model(|| {
            let mut server = Server::new(4, 1);
            let handle = server.inbox.handle();
            let speaker = thread::spawn(move || {
                say(&handle).unwrap();
                say(&handle).unwrap();
                handle.shutdown();
            });
            while server.stops.is_empty() {
                server.turn();
            }
            speaker.join().unwrap();
            assert_eq!(server.stops, [2]);
            assert!(!server.inbox.has_more());
        });
    }

    #[test]
    fn two_shutdowns_are_heard_twice() {
        model(|| {
            let mut server = Server::new(4, 8);
            let (first, second) = (server.inbox.handle(), server.inbox.handle());
            let speaker = thread::spawn(move || first.shutdown());
            let other = thread::spawn(move || second.shutdown());
            while server.stops.len() < 2 {
                server.turn();
            }
            speaker.join().unwrap();
            other.join().unwrap();
            assert_eq!(server.stops, [0, 0]);
            assert!(!server.inbox.has_more());
        });
    }

    #[test]
    fn behind_the_end_nothing_is_taken_and_nobody_waits_for_an_answer() {
        model(|| {
            let mut server = Server::new(4, 8);
            let (handle, late) = (server.inbox.handle(), server.inbox.handle());
            let speaker = thread::spawn(move || {
                let closed = handle.is_closed();
                let question = handle.subscriber_count("a");
                assert!(!closed || question.is_err(), "closed, and still taken");
                question
            });
            server.inbox.begin_turn(8);
            server.obey();
            server.inbox.close();
            match speaker.join().unwrap() {
                Ok(answer) if server.commands == 1 => assert_eq!(answer.try_recv(), Ok(7)),
                Ok(answer) => assert_eq!(answer.try_recv(), Err(TryRecvError::Disconnected)),
                Err(error) => assert_eq!(error, HandleError::Closed),
            }
            assert!(late.is_closed());
            assert_eq!(say(&late), Err(HandleError::Closed));
            late.shutdown();
        });
    }

    #[test]
    fn counters_are_whole() {
        model(|| {
            let server = Server::new(4, 8);
            let handle = server.inbox.handle();
            let asker = thread::spawn(move || handle.stats());
            server.inbox.set_stats(Stats { commands: 3, failed_commands: 3, ..Stats::default() });
            let stats = asker.join().unwrap();
            assert_eq!(stats.commands, stats.failed_commands);
        });
    }

    /// What a thread is sent, and how it is woken.
    struct Post {
        sent: AtomicUsize,
        bell: Bell,
    }

    fn post(poll: &Arc<Poll>) -> Arc<Post> {
        let waker = Arc::clone(poll);
        let bell = Bell::new(move || {
            waker.wake();
            Ok(())
        });
        Arc::new(Post { sent: AtomicUsize::new(0), bell })
    }

    /// Sleeps until all have come; a wake-up that is missed is a deadlock.
    fn receive(post: &Post, poll: &Poll, count: usize) {
        let mut came = 0;
        loop {
            post.bell.get_up();
            came += post.sent.swap(0, Ordering::Relaxed);
            if came == count {
                return;
            }
            post.bell.lie_down();
            if post.sent.load(Ordering::Relaxed) == 0 {
                poll.wait();
            }
        }
    }

    fn send(post: &Post) {
        post.sent.fetch_add(1, Ordering::Relaxed);
        post.bell.ring();
    }

    #[test]
    fn nobody_sleeps_with_something_to_do() {
        model(|| {
            let poll = Arc::new(Poll::default());
            let post = post(&poll);
            let other = Arc::clone(&post);
            let sender = thread::spawn(move || (0..2).for_each(|_| send(&other)));
            receive(&post, &poll, 2);
            sender.join().unwrap();
        });
    }

    #[test]
    fn nobody_sleeps_with_something_to_do_from_either_of_two() {
        model(|| {
            let poll = Arc::new(Poll::default());
            let post = post(&poll);
            let others = [Arc::clone(&post), Arc::clone(&post)];
            let senders = others.map(|other| thread::spawn(move || send(&other)));
            receive(&post, &poll, 2);
            senders.into_iter().for_each(|sender| sender.join().unwrap());
        });
    }
}
