//! Worked examples ("shots") that go before each problem.

use std::path::{Path, PathBuf};

use crate::data::{
    DataError,
    exercise::{self, Exercise},
};

/// A file's first exercises, so many of which are shown before each problem, but never the problem itself.
#[derive(Clone, Debug)]
pub struct Shots {
    path: PathBuf,
    count: usize,
    /// One more than are shown, if the file has it; no two of them ask the same.
    exercises: Vec<Exercise>,
}

/// Why there are no worked examples.
#[derive(Debug, thiserror::Error)]
pub enum ShotsError {
    /// The file has too few.
    #[error(
        "{path} has {found} worked examples, and {wanted} are wanted; ask for fewer, or give another file"
    )]
    Few {
        /// The file.
        path: PathBuf,
        /// How many it has.
        found: usize,
        /// How many are to be shown.
        wanted: usize,
    },
    /// The file has too few besides the problem itself.
    #[error(
        "{path} has {found} worked examples besides this very problem, and {wanted} are wanted; ask for fewer, or \
         give another file"
    )]
    FewOthers {
        /// The file.
        path: PathBuf,
        /// How many others it has.
        found: usize,
        /// How many are to be shown.
        wanted: usize,
    },
    /// The file cannot be read, or a line of it is no exercise.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl Shots {
    /// The first `count` exercises of a file.
    ///
    /// # Errors
    /// [`ShotsError`] where it has too few, or cannot be read so far.
    pub fn read(path: &Path, count: usize) -> Result<Self, ShotsError> {
        let mut exercises: Vec<Exercise> = Vec::new();
        for exercise in exercise::read(path)? {
            let exercise = exercise?;
            if !exercises.iter().any(|known| known.asks_the_same_as(&exercise)) {
                exercises.push(exercise);
            }
            if exercises.len() > count {
                break;
            }
        }
        let (path, found) = (path.to_owned(), exercises.len());
        match found < count {
            true => Err(ShotsError::Few { path, found, wanted: count }),
            false => Ok(Self { path, count, exercises }),
        }
    }

    /// Those that are shown before an exercise.
    ///
    /// # Errors
    /// [`ShotsError::FewOthers`] where it is one of them itself, and the file has no other in its place.
    pub(super) fn before(&self, asked: &Exercise) -> Result<Vec<&Exercise>, ShotsError> {
        let others = self.exercises.iter().filter(|exercise| !exercise.asks_the_same_as(asked));
        let shown: Vec<&Exercise> = others.take(self.count).collect();
        match shown.len() < self.count {
            true => {
                let (path, found) = (self.path.clone(), shown.len());
                Err(ShotsError::FewOthers { path, found, wanted: self.count })
            }
            false => Ok(shown),
        }
    }
}
