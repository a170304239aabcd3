//! Clients and a server, in whatever order things are said and go wrong: all that the simulation looks at holds.

use arbitrary::{Arbitrary, Unstructured};

use crate::simulation::{Op, Options, run_ops};

/// A seed, from which bounds, time limits and the weather are drawn, and what is done.
pub fn hub(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(seed) = u16::arbitrary(&mut input) else { return };
    let Ok(ops) = input.arbitrary_iter::<Op>() else { return };
    let ops: Vec<Op> = ops.map_while(Result::ok).take(MOST).collect();
    if let Err(failure) = run_ops(u64::from(seed), Options::default(), &ops) {
        panic!("{failure}\n{ops:#?}");
    }
}

const MOST: usize = 100;
