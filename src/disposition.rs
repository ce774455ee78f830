//! What became of findings, counted in one place.

/// What becomes of a finding that waited to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    Published,
    /// Recorded and not sent: it says nothing new.
    Held,
    /// Recorded and not sent: its principal is muted.
    Muted,
    /// Recorded and not sent: the alerts of its hour were spent.
    RateLimited,
    /// Recorded and not sent: shadow mode.
    Shadowed,
}

/// How many findings had each disposition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dispositions([u32; 5]);

impl Dispositions {
    pub const fn record(&mut self, disposition: Disposition) {
        self.0[disposition as usize] += 1;
    }

    pub const fn count(&self, disposition: Disposition) -> u32 {
        self.0[disposition as usize]
    }

    /// Whether a finding is recorded that was not sent.
    pub fn any_unsent(&self) -> bool {
        self.0.iter().sum::<u32>() > self.count(Disposition::Published)
    }
}

impl std::ops::AddAssign for Dispositions {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}
