//! Eviction: what a policy adds that destroys tokens one by one, each KV head its own.
//!
//! Now and then ([`Eviction::due`]) every KV head keeps as many tokens as the budget allows, and the rest is
//! gone for good; an [`Evictor`], one per layer of a sequence, says which. It goes by numbers on the host, as votes
//! do, so that every backend keeps the same tokens for the same products.
//!
//! Tokens are numbered per KV head, from the oldest that it holds to the newest. Where they lie is the business
//! of [`Slots`](crate::cache::Slots).

use std::fmt::Debug;

use crate::segment::Stream;

/// How a policy evicts.
pub trait Eviction: Send + Sync + Debug {
    /// Tokens that each KV head keeps.
    fn budget(&self) -> usize;

    /// The last of the first `generated` tokens after a prompt, at least one of them, once whose row has attended
    /// what is over the budget goes.
    fn last_due(&self, generated: usize) -> usize;

    /// Whether that is so of the stream's last token.
    fn due(&self, stream: &Stream) -> bool {
        let generated = stream.since_prompt();
        generated > 0 && stream.len() > self.budget() && self.last_due(generated) == generated
    }

    /// What decides in one layer of a new sequence.
    fn evictor(&self) -> Box<dyn Evictor>;
}

/// What decides which tokens stay, in one layer of one sequence.
pub trait Evictor: Send + Sync + Debug {
    /// Takes note of a step: `queries` are those of its rows, each `[query_heads, head_dim]`, and the tokens of
    /// its rows are the newest of `keys`.
    fn observe(&mut self, queries: &[Vec<f32>], keys: &dyn Keys);

    /// The tokens that each KV head keeps, `[kv_heads][budget]`, oldest first; `keys` holds more than that.
    fn keep(&mut self, budget: usize, keys: &dyn Keys) -> Vec<Vec<usize>>;

    /// What goes on from here for a fork of the sequence.
    fn fork(&self) -> Box<dyn Evictor>;
}

/// The keys that one layer of a sequence holds.
pub trait Keys {
    /// How many KV heads there are.
    fn heads(&self) -> usize;

    /// How many tokens each of them holds.
    fn tokens(&self) -> usize;

    /// The scaled products of `queries`, each `[query_heads, head_dim]`, with the keys that they read:
    /// `[queries, query_heads, tokens]`.
    fn scores(&self, queries: &[Vec<f32>]) -> Vec<f64>;

    /// The products of one KV head's keys with one another, `[tokens, tokens]`.
    fn products(&self, head: usize) -> Vec<f32>;
}
