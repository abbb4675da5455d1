//! Time per output token.
//!
//! From one output token to the next, everything counts that happens in between: choosing it, the model, the
//! cache, and what the observer does with it.

use std::time::{Duration, Instant};

/// When tokens came.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long the prompt took.
    prompt: Duration,
    /// The time that each streamed token took.
    tokens: Vec<Duration>,
    last: Instant,
}

impl Timing {
    /// A clock that starts now.
    pub(super) fn start() -> Self {
        Self { prompt: Duration::ZERO, tokens: Vec::new(), last: Instant::now() }
    }

    /// The prompt has been computed.
    pub(super) fn end_prompt(&mut self) {
        self.prompt = self.lap();
    }

    /// So many tokens have come since the last call.
    pub(super) fn add(&mut self, tokens: usize) {
        if tokens > 0 {
            let each = self.lap().div_f64(tokens as f64);
            self.tokens.extend(std::iter::repeat_n(each, tokens));
        }
    }

    fn lap(&mut self) -> Duration {
        let now = Instant::now();
        let lap = now - self.last;
        self.last = now;
        lap
    }

    /// How long the prompt took.
    pub fn prompt(&self) -> Duration {
        self.prompt
    }

    /// How long all streamed tokens took.
    pub fn stream(&self) -> Duration {
        self.tokens.iter().sum()
    }

    /// Streamed tokens per second; 0 without any.
    pub fn tokens_per_second(&self) -> f64 {
        let seconds = self.stream().as_secs_f64();
        if seconds > 0.0 { self.tokens.len() as f64 / seconds } else { 0.0 }
    }

    /// The time per token that a share of the tokens, 0 to 1, keeps within: 0.5 gives the median. Zero without
    /// tokens.
    pub fn percentile(&self, share: f64) -> Duration {
        let mut sorted = self.tokens.clone();
        sorted.sort_unstable();
        let rank = (share.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_tokens() {
        let mut timing = Timing::start();
        assert_eq!((timing.percentile(0.5), timing.tokens_per_second()), (Duration::ZERO, 0.0));
        timing.tokens = [4, 1, 3, 2].map(Duration::from_secs).to_vec();
        assert_eq!(timing.percentile(0.5), Duration::from_secs(2));
        assert_eq!(timing.percentile(0.95), Duration::from_secs(4));
        assert_eq!(timing.percentile(0.0), Duration::from_secs(1));
        assert_eq!(timing.tokens_per_second(), 0.4);
    }

    #[test]
    fn tokens_of_one_step_share_its_time() {
        let mut timing = Timing::start();
        timing.add(0);
        timing.add(3);
        assert_eq!(timing.tokens.len(), 3);
        assert!(timing.tokens.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
