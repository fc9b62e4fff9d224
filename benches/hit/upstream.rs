//! The simulated D7 as a program of its own, which tells when it was asked.
//!
//! `upstream BODY DELAY_MS` prints the port that it listens on, and then a line a
//! request: the milliseconds since its own start at which the request came. It
//! answers `BODY` after `DELAY_MS`. It ends with its standard input, and so never
//! outlives the benchmark that started it.

use std::{
    env,
    error::Error,
    io::{self, Write},
    time::Duration,
};

use d7_balance::{
    clock::{Clock, MonoTime, SystemClock},
    simulator::{Simulator, Step, answer},
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(body), Some(delay)) = (arguments.next(), arguments.next()) else {
        return Err("usage: upstream BODY DELAY_MS".into());
    };
    let mut script = vec![Step::Pause(Duration::from_millis(delay.parse()?))];
    script.extend(answer(200, &body));
    let clock = SystemClock::new();
    let simulator = Simulator::start()?;
    simulator.choose(move |_| {
        let asked = clock.mono().since(MonoTime::default());
        // Where nobody reads any more, the end of the input is near.
        drop(tell(asked.as_millis()));
        script.clone()
    });
    tell(simulator.addr().port().into())?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    Ok(())
}

/// A line with a number, at once.
fn tell(number: u128) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{number}")?;
    out.flush()
}
