//! H2O, the heavy-hitter oracle (arXiv 2306.14048).
//!
//! Each head keeps the tokens that have gathered most attention, and the most recent ones: half of the budget
//! each, as in the paper. A token's score is the sum of the attention weights that it got from all rows since it
//! came; after every row of a generated token, the head destroys the token with the lowest score that is not
//! among the recent.
//!
//! As in the authors' code, rows of a prompt see all of it, and all of it counts into the scores. What is over
//! the budget of a prompt goes after the first generated token, because only then is it known that the prompt
//! has ended (ours; the authors' code, which is given whole prompts, drops it one row earlier). The paper has a
//! KV head per query head; with grouped queries, a KV head's score is the sum over the query heads that read it
//! (ours).

use super::{Eviction, Evictor, Keys, Policy};
use crate::select::{add_softmax, best};

/// Heavy hitters and recent tokens.
#[derive(Clone, Copy, Debug)]
pub struct H2o {
    /// Tokens that each KV head keeps.
    pub budget: usize,
}

impl Policy for H2o {
    fn name(&self) -> &'static str {
        "h2o"
    }

    fn keeps_detail(&self) -> bool {
        false
    }

    fn eviction(&self) -> Option<&dyn Eviction> {
        Some(self)
    }
}

impl Eviction for H2o {
    fn budget(&self) -> usize {
        self.budget
    }

    fn last_due(&self, generated: usize) -> usize {
        generated
    }

    fn evictor(&self) -> Box<dyn Evictor> {
        Box::new(Accumulated::default())
    }
}

/// The attention that each token has gathered: `[kv_heads][tokens]`.
#[derive(Clone, Debug, Default)]
struct Accumulated(Vec<Vec<f64>>);

impl Evictor for Accumulated {
    fn observe(&mut self, queries: &[Vec<f32>], keys: &dyn Keys) {
        let (heads, tokens) = (keys.heads(), keys.tokens());
        self.0.resize(heads, Vec::new());
        self.0.iter_mut().for_each(|gathered| gathered.resize(tokens, 0.0));
        let scores = keys.scores(queries);
        let group = scores.len() / (queries.len() * heads * tokens);
        let before = tokens - queries.len();
        for (row, scores) in scores.chunks_exact(heads * group * tokens).enumerate() {
            // A row sees itself and what came before.
            let seen = before + row + 1;
            for (head, scores) in scores.chunks_exact(tokens).enumerate() {
                add_softmax(&scores[..seen], &mut self.0[head / group]);
            }
        }
    }

    fn keep(&mut self, budget: usize, keys: &dyn Keys) -> Vec<Vec<usize>> {
        let heavy = budget / 2;
        let older = keys.tokens() - (budget - heavy);
        let keep = |gathered: &mut Vec<f64>| {
            let mut kept = best(&gathered[..older], heavy);
            kept.sort_unstable();
            kept.extend(older..gathered.len());
            *gathered = kept.iter().map(|&token| gathered[token]).collect();
            kept
        };
        self.0.iter_mut().map(keep).collect()
    }

    fn fork(&self) -> Box<dyn Evictor> {
        Box::new(self.clone())
    }
}
