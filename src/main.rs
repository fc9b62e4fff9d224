//! The program: subcommands, and the one place with exit codes.

use std::{io::Write, process::ExitCode};

use clap::Parser;
use d7_balance::{
    app::{App, Prepared, Seams},
    cli::{
        self, Cli, Command,
        keys::{self, KeyCommand},
    },
    clock::{Clock, SystemClock},
    config::{self, ConfigErrors, Draft},
    demo::Demo,
    shutdown::Signals,
    telemetry,
};
use secrecy::{ExposeSecret, SecretString};

/// Bad configuration or usage: `EX_USAGE` of sysexits.h.
const MISUSED: u8 = 64;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) => {
            let printed = asked.print();
            return match (asked.use_stderr(), printed) {
                (true, _) => ExitCode::from(MISUSED),
                (false, Ok(())) => ExitCode::SUCCESS,
                (false, Err(_)) => ExitCode::FAILURE,
            };
        }
    };
    match run(cli.command.unwrap_or(Command::Serve)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let is_misuse = failure.is::<ConfigErrors>();
            complain(&*failure);
            if is_misuse {
                ExitCode::from(MISUSED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve => serve(Draft::read(config::environment()), None),
        Command::Demo => {
            let (demo, draft) = Demo::start(config::environment())?;
            serve(draft, Some(demo))
        }
        Command::Key(command) => key(command),
        Command::Healthcheck => Ok(cli::healthcheck(
            config::admin_addr(config::environment())?,
        )?),
        Command::CheckConfig => {
            let prepared = Prepared::new(Draft::read(config::environment()))?;
            print(&SecretString::from(prepared.config().redacted()))
        }
    }
}

fn key(command: KeyCommand) -> Result<(), Failure> {
    let now = SystemClock::new().wall();
    match command {
        KeyCommand::New(args) => print(&keys::make(args, now)?),
        KeyCommand::InFile(command) => {
            let path = command.path(config::environment())?;
            print(&keys::run(command, path, now)?)
        }
    }
}

fn serve(draft: Draft, demo: Option<Demo>) -> Result<(), Failure> {
    let prepared = Prepared::new(draft)?;
    let log = telemetry::open(&prepared.config().telemetry)?;
    let system = actix_rt::System::new();
    let ended = system.block_on(async {
        let signals = Signals::of_process()?;
        let app = App::bind(prepared, Seams::of_process(Some(log.dropped())))?;
        if let Some(demo) = &demo {
            print(&demo.announcement(app.addr(), app.admin_addr()))?;
        }
        Ok(app.run_until(signals).await?)
    });
    // Not dropped: that would wait for a look-up of D7's name or a read of a
    // file that hangs. Everything that matters has ended.
    std::mem::forget(system);
    ended
}

/// Prints what a command was asked for; a key may stand in it.
fn print(text: &SecretString) -> Result<(), Failure> {
    Ok(std::io::stdout().write_all(text.expose_secret().as_bytes())?)
}

/// Says what went wrong, with its causes.
#[expect(
    clippy::print_stderr,
    reason = "there may be no log, and this is for whoever started it"
)]
fn complain(failure: &(dyn std::error::Error + 'static)) {
    eprint!("d7-balance: ");
    if failure.is::<ConfigErrors>() {
        eprint!("the configuration cannot be used:\n{failure}");
        return;
    }
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    eprintln!("{text}");
}
