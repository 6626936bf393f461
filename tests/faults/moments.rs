//! Moments to strike at.

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;

/// Moments within the time that a command takes, the same ones for the same seed. A strike that finds the command at its
/// end proves nothing: it does not count, and those after it come earlier.
pub struct Moments {
    random: StdRng,
    from: f64,
    longest: Duration,
    left: u32,
    tries: u32,
}

impl Moments {
    /// `from`: the part of the time that is passed over; `longest`: the whole of it.
    pub fn new(seed: u64, from: f64, longest: Duration) -> Self {
        Self { random: StdRng::seed_from_u64(seed), from, longest, left: 0, tries: 0 }
    }

    /// So many strikes are to meet the command at work from now on.
    pub fn want(&mut self, strikes: u32) {
        self.left = strikes;
        self.tries = 4 * strikes + 4;
    }

    /// The next one; `None`: enough of them met it.
    pub fn draw(&mut self) -> Option<Duration> {
        if self.left == 0 {
            return None;
        }
        assert!(
            self.tries > 0,
            "nearly every strike came too late; the command takes less than {:?}",
            self.longest
        );
        self.tries -= 1;
        Some(self.longest.mul_f64(self.random.random_range(self.from..1.0)))
    }

    /// Whether the last strike met the command at work.
    pub fn met(&mut self, at_work: bool) {
        if at_work {
            self.left -= 1;
        } else {
            self.longest = self.longest.mul_f64(0.85);
        }
    }
}
