//! Programs of the system that the tests need.

use std::{env, path::PathBuf};

/// Where a program is. Without it there is no test, which is a failure.
pub(crate) fn find(name: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian has servers where only root looks.
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is missing: install it by `apt-get install {package}`, or run tests/run")
        })
}
