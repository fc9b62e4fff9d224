//! The key commands: on the key file, and none of them needs a running service.

mod list;
mod value;
mod verify;

use std::{
    convert::Infallible,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};

use self::{
    value::{Unshown, client_name, grace, key_id, life, no_key},
    verify::Rejection,
};
use super::output::Outcome;
use crate::{
    callers::{
        KeyRecord,
        file::{
            self, FileError,
            edit::{self, Removal},
            written,
        },
        key::{KeyId, NewKey},
    },
    config::ConfigErrors,
};

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key: it is shown once, alone on standard output; the service stores
    /// only its digest
    New(NewArgs),
    /// What needs a key file.
    #[command(flatten)]
    InFile(FileCommand),
}

/// What can be done with the keys of a file.
#[derive(Debug, Subcommand)]
pub enum FileCommand {
    /// List the keys: client, id, expiry and limit, never a key or its digest
    List(ListArgs),
    /// Make a second key for a key's client, and give the old one an end
    Rotate(RotateArgs),
    /// Take a key out of the file
    Revoke(RevokeArgs),
    /// Say whether the file knows the key on standard input, without showing it
    Verify(VerifyArgs),
}

/// How a key is to be.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The team or service that the key is for, such as billing
    #[arg(long, value_parser = client_name)]
    pub client: String,
    /// How long the key is good for, such as 90d or 12h; for ever if not given
    #[arg(long, value_parser = life)]
    pub expires: Option<Duration>,
    /// The key file to append the record to, made if missing; without it no file
    /// is changed, and the record is printed
    #[arg(long)]
    pub file: Option<PathBuf>,
}

/// The file that a command is about.
#[derive(Debug, Args)]
pub struct KeyFile {
    /// The key file; the one that `D7B_KEYS_FILE` names if not given
    #[arg(long)]
    pub file: Option<PathBuf>,
}

/// How keys are listed.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The file.
    #[command(flatten)]
    pub keys: KeyFile,
    /// Print JSON: an array of objects
    #[arg(long)]
    pub json: bool,
}

/// How a key is rotated.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The file.
    #[command(flatten)]
    pub keys: KeyFile,
    /// The id of the old key, as `key list` shows it
    #[arg(long, value_parser = Unshown(key_id))]
    pub id: KeyId,
    /// How long the old key still works; 0s ends it at once
    #[arg(long, value_parser = grace, default_value = "7d")]
    pub grace: Duration,
    /// How long the new key is good for, such as 90d; for ever if not given
    #[arg(long, value_parser = life)]
    pub expires: Option<Duration>,
}

/// Which key is revoked.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The file.
    #[command(flatten)]
    pub keys: KeyFile,
    /// The id of the key, as `key list` shows it
    #[arg(long, value_parser = Unshown(key_id))]
    pub id: KeyId,
}

/// Where a key is looked for.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The file.
    #[command(flatten)]
    pub keys: KeyFile,
    /// Refused: a key on the command line is seen by others.
    #[arg(hide = true, value_parser = Unshown(no_key))]
    pub given: Vec<Infallible>,
}

impl FileCommand {
    /// The file that the command is about: what was given, or what
    /// `D7B_KEYS_FILE` names; empty is unset.
    ///
    /// # Errors
    /// Where there is neither.
    pub fn path(
        &self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<PathBuf, ConfigErrors> {
        let (Self::List(ListArgs { keys, .. })
        | Self::Rotate(RotateArgs { keys, .. })
        | Self::Revoke(RevokeArgs { keys, .. })
        | Self::Verify(VerifyArgs { keys, .. })) = self;
        let mut variables = variables.into_iter();
        keys.file
            .clone()
            .or_else(|| {
                let (_, path) = variables.find(|(name, _)| name == "D7B_KEYS_FILE")?;
                Some(PathBuf::from(path)).filter(|path| !path.as_os_str().is_empty())
            })
            .ok_or_else(|| {
                let mut errors = ConfigErrors::default();
                errors.add(
                    "KEYS_FILE",
                    "is not set; name the key file by it or by --file",
                );
                errors
            })
    }
}

/// Why a key command did not do what was asked. Never shows a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No randomness.
    #[error("the system gives no random bytes")]
    Random,
    /// Later than a key file can say.
    #[error("{0} lies too far ahead")]
    TooFarAhead(&'static str),
    /// Something is the matter with the key file.
    #[error("{}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What.
        source: FileError,
    },
    /// No key could be read.
    #[error("standard input cannot be read")]
    Input(#[source] io::Error),
    /// The key is not one that would be let in.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

impl KeyError {
    fn of(path: &Path) -> impl FnOnce(FileError) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

const SHOWN_ONCE: &str = "It is shown this once: hand it over now.\n";

const TAKEN_OVER: &str = "A running service takes the change over within D7B_RELOAD_INTERVAL (5s if not set), or at once on SIGHUP.\n";

/// Makes a key, and stores its record if that was asked for; the key is shown
/// once.
///
/// # Errors
/// Where there is no randomness, or the file cannot be changed.
pub fn make(args: NewArgs, now: SystemTime) -> Result<Outcome, KeyError> {
    let new = NewKey::generate().map_err(|_| KeyError::Random)?;
    let record = KeyRecord {
        client: args.client,
        id: new.id,
        digest: new.digest,
        expires: end_of_new(args.expires, now)?,
        rate_limit: None,
    };
    let shown = format!("This is the key of {}. {SHOWN_ONCE}", record.client);
    let Some(path) = args.file else {
        let result = format!("{}\n\n{}", new.key.expose_secret(), file::record(&record));
        let inline = match record.expires {
            // It knows none.
            Some(_) => ".\n".to_owned(),
            None => format!(
                ", or this to the list in D7B_KEYS:\n\n{}\n",
                file::inline(&record)
            ),
        };
        return Ok(Outcome {
            result: SecretString::from(result),
            remarks: format!(
                "{shown}No file was changed: that takes --file, whatever D7B_KEYS_FILE names.\n\
                 Add the record under the key to the key file{inline}"
            ),
            change: None,
        });
    };
    edit::append(&path, &record).map_err(KeyError::of(&path))?;
    Ok(Outcome {
        result: alone(&new),
        remarks: format!(
            "{shown}Its record was added to {}.\n{TAKEN_OVER}",
            path.display()
        ),
        change: Some(unseen(&new, &path)),
    })
}

/// A key on a line of its own, as other programs take it.
fn alone(new: &NewKey) -> SecretString {
    SecretString::from(format!("{}\n", new.key.expose_secret()))
}

/// What there is to say of a key that is stored and cannot be shown.
fn unseen(new: &NewKey, path: &Path) -> String {
    format!(
        "{} was changed, but nobody has seen the new key: take it out by \
         `d7-balance key revoke --id {}`",
        path.display(),
        new.id
    )
}

fn end_of_new(life: Option<Duration>, now: SystemTime) -> Result<Option<SystemTime>, KeyError> {
    let end = |life| file::expiry(now, life).ok_or(KeyError::TooFarAhead("the end of --expires"));
    life.map(end).transpose()
}

/// Does what was asked with the file at `path`; the key that a rotation has made
/// is shown once.
///
/// # Errors
/// Where the file cannot be read or changed, or the key on standard input is
/// not one of it.
pub fn run(command: FileCommand, path: PathBuf, now: SystemTime) -> Result<Outcome, KeyError> {
    let read = || file::read(&path).map_err(KeyError::of(&path));
    match command {
        FileCommand::List(args) => {
            let list = list::text(&read()?, now, args.json);
            Ok(Outcome::of(SecretString::from(list)))
        }
        FileCommand::Rotate(args) => rotate(&args, &path, now),
        FileCommand::Revoke(args) => revoke(args.id, &path, now),
        FileCommand::Verify(_) => verify::of_stdin(&read()?, now).map(Outcome::of),
    }
}

fn rotate(args: &RotateArgs, path: &Path, now: SystemTime) -> Result<Outcome, KeyError> {
    let new = NewKey::generate().map_err(|_| KeyError::Random)?;
    let until = file::expiry(now, args.grace).ok_or(KeyError::TooFarAhead("the end of --grace"))?;
    let expires = end_of_new(args.expires, now)?;
    let rotated = edit::rotate(path, args.id, until, &new, expires).map_err(KeyError::of(path))?;
    let works = if rotated.until > now {
        "works until"
    } else {
        "ended at"
    };
    let never_ends = if rotated.had_end && expires.is_none() {
        "The new key never ends; give it an end with --expires.\n"
    } else {
        ""
    };
    let remarks = format!(
        "This is the new key of {}. {SHOWN_ONCE}\
         Its record was added to {}, and the old key, {}, {works} {}.\n{never_ends}{TAKEN_OVER}",
        rotated.new.client,
        path.display(),
        args.id,
        written(rotated.until),
    );
    Ok(Outcome {
        result: alone(&new),
        remarks,
        change: Some(unseen(&new, path)),
    })
}

fn revoke(id: KeyId, path: &Path, now: SystemTime) -> Result<Outcome, KeyError> {
    let now =
        file::expiry(now, Duration::ZERO).ok_or(KeyError::TooFarAhead("the system's time"))?;
    let revoked = edit::revoke(path, id, now).map_err(KeyError::of(path))?;
    let (client, path) = (revoked.client, path.display());
    let done = match revoked.record {
        Removal::Removed { heir: None } => {
            format!("The key {id} of {client} was taken out of {path}.\n")
        }
        Removal::Removed {
            heir: Some((heir, limit)),
        } => format!(
            "The key {id} of {client} was taken out of {path}. \
             Its limit of {limit} was the client's: the key {heir} has it now.\n"
        ),
        Removal::Ended { at } => format!(
            "The key {id} of {client} ended at {}. It is the only one in {path}, and a service \
             takes over no file without a key: so its record stays until there is another.\n",
            written(at)
        ),
    };
    Ok(Outcome {
        result: SecretString::from(done + TAKEN_OVER),
        remarks: String::new(),
        change: Some(format!("{path} was changed: the key {id} is revoked")),
    })
}
