//! The program: subcommands, and the one place with exit codes.

use std::{process::ExitCode, sync::Arc};

use d7_balance::{
    app::{App, Prepared, Seams},
    cli::{
        self, Asked, Command, UsageError,
        keys::{self, KeyCommand},
    },
    clock::{Clock, SystemClock},
    config::{self, ConfigErrors, Draft},
    demo::{Demo, Fault, FaultError},
    shutdown::Signals,
    telemetry,
};

/// Bad configuration or usage: `EX_USAGE` of sysexits.h.
const MISUSED: u8 = 64;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            cli::complain(&*failure);
            let is_misuse = failure.is::<UsageError>() || failure.is::<FaultError>();
            if is_misuse || failure.is::<ConfigErrors>() {
                ExitCode::from(MISUSED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run() -> Result<(), Failure> {
    let command = match cli::parse(std::env::args_os())? {
        Asked::Command(command) => command,
        Asked::Text(text) => return Ok(cli::print(&text.into())?),
    };
    match command {
        Command::Serve => serve(Draft::read(config::environment()), None),
        Command::Demo { fault } => {
            let fault = fault.as_deref().map(Fault::parse).transpose()?;
            let (demo, draft) = Demo::start(config::environment(), fault)?;
            serve(draft, Some(demo))
        }
        Command::Key(command) => key(command),
        Command::Healthcheck => Ok(cli::healthcheck(
            config::admin_addr(config::environment())?,
        )?),
        Command::CheckConfig => {
            let prepared = Prepared::new(Draft::read(config::environment()))?;
            Ok(cli::print(&prepared.config().redacted().into())?)
        }
    }
}

fn key(command: KeyCommand) -> Result<(), Failure> {
    let now = SystemClock::new().wall();
    match command {
        KeyCommand::New(args) => Ok(keys::make(args, now)?.print()?),
        KeyCommand::InFile(command) => {
            let path = command.path(config::environment())?;
            Ok(keys::run(command, path, now)?.print()?)
        }
    }
}

fn serve(draft: Draft, demo: Option<Demo>) -> Result<(), Failure> {
    let prepared = Prepared::new(draft)?;
    let log = telemetry::open(&prepared.config().telemetry, Arc::new(SystemClock::new()))?;
    let system = actix_rt::System::new();
    let ended = system.block_on(async {
        let signals = Signals::of_process(demo.as_ref().and_then(Demo::signal))?;
        let mut seams = Seams::of_process(Some(log.dropped()));
        seams.wrap_source = demo.as_ref().and_then(Demo::wrap_source);
        let app = App::bind(prepared, seams)?;
        if let Some(demo) = &demo {
            cli::print(&demo.announcement(app.addr(), app.admin_addr()))?;
        }
        Ok(app.run_until(signals).await?)
    });
    // Not dropped: that would wait for a look-up of D7's name or a read of a
    // file that hangs. Everything that matters has ended.
    std::mem::forget(system);
    ended
}
