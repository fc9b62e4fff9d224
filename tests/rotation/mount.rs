//! A file that is replaced in all the ways in which files are.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// How a file gets other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Another file takes its place at one stroke, as careful programs do it.
    Rename,
    /// It is emptied and written anew, as a shell's `>` does it.
    InPlace,
    /// A link above it is turned to another folder, as Kubernetes does it.
    Swap,
}

/// A folder with one file that the service reads.
pub(crate) struct Mount {
    directory: TempDir,
    name: &'static str,
    versions: usize,
}

impl Mount {
    pub(crate) fn new(name: &'static str, content: &[u8]) -> Self {
        let mut mount = Self {
            directory: tempfile::tempdir().unwrap(),
            name,
            versions: 0,
        };
        mount.write(Way::Swap, content);
        mount
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(self.name)
    }

    pub(crate) fn write(&mut self, way: Way, content: &[u8]) {
        match way {
            Way::Rename => {
                let new = self.directory.path().join("new");
                fs::write(&new, content).unwrap();
                fs::rename(new, self.path()).unwrap();
            }
            Way::InPlace => fs::write(self.path(), content).unwrap(),
            Way::Swap => self.swap(content),
        }
    }

    fn swap(&mut self, content: &[u8]) {
        self.versions += 1;
        let folder = format!("..{}", self.versions);
        let top = self.directory.path();
        fs::create_dir(top.join(&folder)).unwrap();
        fs::write(top.join(&folder).join(self.name), content).unwrap();
        self.link(Path::new(&folder), "..data");
        // By now it may be a file, by a rename.
        if !self.path().is_symlink() {
            self.link(&Path::new("..data").join(self.name), self.name);
        }
        // Whoever reads at this moment still finds the last one.
        if self.versions > 2 {
            fs::remove_dir_all(top.join(format!("..{}", self.versions - 2))).unwrap();
        }
    }

    /// Has `name` lead to `target`, at one stroke.
    fn link(&self, target: &Path, name: &str) {
        let new = self.directory.path().join("new-link");
        symlink(target, &new).unwrap();
        fs::rename(new, self.directory.path().join(name)).unwrap();
    }
}
