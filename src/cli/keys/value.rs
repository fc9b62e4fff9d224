//! Values of arguments: text in, a checked value or a complaint out.

use std::{convert::Infallible, ffi::OsStr, time::Duration};

use clap::{Arg, Command, Error, builder::TypedValueParser, error::ErrorKind};

use crate::{
    callers::{file, key::KeyId},
    config,
};

pub(super) fn client_name(text: &str) -> Result<String, &'static str> {
    if file::is_client_name(text) {
        Ok(text.to_owned())
    } else {
        Err("must match [a-z0-9][a-z0-9._-]{0,62}")
    }
}

pub(super) fn life(text: &str) -> Result<Duration, &'static str> {
    config::parse_duration(text)
        .filter(|life| *life >= Duration::from_secs(1))
        .ok_or("must be a duration of a second or more, such as 90d, 12h or 30m: a whole number and one unit")
}

pub(super) fn grace(text: &str) -> Result<Duration, &'static str> {
    config::parse_duration(text)
        .ok_or("must be a duration such as 7d, 12h or 0s: a whole number and one unit")
}

pub(super) fn key_id(text: &str) -> Result<KeyId, &'static str> {
    KeyId::parse(text).ok_or(
        "--id takes the 8 characters between `d7b_` and the next `_` of a key (k3j9x2ab of \
         d7b_k3j9x2ab_…), never a whole key; `d7-balance key list` shows the ids",
    )
}

pub(super) fn no_key(_: &str) -> Result<Infallible, &'static str> {
    Err("the key is read from standard input: on the command line others can see it")
}

/// Reads a value in whose place somebody may put a key: clap itself would show
/// what it complains of.
#[derive(Clone)]
pub(super) struct Unshown<T>(pub(super) fn(&str) -> Result<T, &'static str>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Unshown<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        // What is not UTF-8 is no value of ours either.
        (self.0)(&value.to_string_lossy()).map_err(|problem| {
            let text = format!("{problem}\n\nFor more information, try '--help'.\n");
            Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}
