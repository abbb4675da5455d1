//! One step of the model for all requests: tokens in, logits out, and what each makes of its own.

use std::{
    collections::BTreeMap,
    ops::{ControlFlow, Range},
};

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::{Due, Kind, Role},
    session::{Feed, SequenceId, Stepped},
    token::Token,
};

use super::{
    Batch, BatchObserver, EngineError, Event, Request, StepBudget, Stop, overflow,
    took::{Texts, Took},
};
use crate::recording::{Recorder, Recording};

/// A request that has come to its end.
#[derive(Debug)]
pub struct Ended {
    /// Which one.
    pub id: SequenceId,
    /// Why it stopped, or what went wrong; what it had written until then, it keeps.
    pub end: Result<Stop, EngineError>,
}

/// Tokens of a request that are to go in.
struct Portion {
    id: SequenceId,
    role: Role,
    ids: Vec<u32>,
}

/// What a step computed for a portion.
struct Computed {
    accepted: usize,
    /// Of the rows that the request wants.
    logits: Vec<f32>,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Batch<'_, B, K> {
    /// Advances all requests that have something to do, as far as `budget` lets them in, by one step of the model.
    /// Returns those that have come to their end.
    ///
    /// One that cannot go on, because there is no room for it under the cap, say, ends with that error; the others go
    /// on as if it had not been there.
    ///
    /// # Errors
    /// Where the model or the session fails for all: every request is then as it was before.
    pub fn step(
        &mut self,
        budget: StepBudget,
        observer: &mut BatchObserver<'_>,
    ) -> Result<Vec<Ended>, EngineError> {
        let (portions, unknown) = self.portions(budget);
        let computed = self.compute(&portions)?;
        let computed = portions.iter().map(|portion| portion.id).zip(computed);
        let refused = unknown.into_iter().map(|(id, error)| (id, Err(error)));
        let mut ended = Vec::new();
        for (id, result) in computed.chain(refused) {
            ended.extend(self.hand_out(id, result, observer)?);
        }
        Ok(ended)
    }

    /// What goes in; and apart from it the requests that want tokens in that the model does not have.
    fn portions(&self, budget: StepBudget) -> (Vec<Portion>, Vec<(SequenceId, EngineError)>) {
        let (mut portions, mut unknown) = (Vec::new(), Vec::new());
        let busy: Vec<(SequenceId, &Request)> = self.requests().filter(|(_, r)| r.is_busy()).collect();
        let wants: Vec<_> = busy.iter().map(|(_, request)| request.want()).collect();
        for (number, tokens) in budget.share(&wants) {
            let (id, request) = busy[number];
            let ids = request.wanted.as_slice()[..tokens].to_vec();
            match self.model.check_ids(&ids) {
                Ok(()) => portions.push(Portion { id, role: request.turn.role(), ids }),
                Err(error) => unknown.push((id, error.into())),
            }
        }
        (portions, unknown)
    }

    /// Computes what the portions' requests want to know.
    fn compute(&mut self, portions: &[Portion]) -> Result<Vec<Result<Computed, EngineError>>, EngineError> {
        if portions.is_empty() {
            return Ok(Vec::new());
        }
        let Stepped { feeds, output } = self.forward(portions)?;
        let rows = self.wanted_rows(portions, &feeds)?;
        let logits = output.map(|hidden| self.logits(hidden, &rows)).unwrap_or_default();
        let width = logits.len() / rows.iter().map(ExactSizeIterator::len).sum::<usize>().max(1);
        let mut logits = logits.as_slice();
        let computed = feeds.into_iter().zip(rows).zip(portions).map(|((accepted, rows), portion)| {
            let (own, rest) = logits.split_at(rows.len() * width);
            logits = rest;
            let accepted = accepted?;
            if let Some(overflow) = overflow::of(own, width) {
                let layer = overflow::first_layer(self.model, &portion.ids[..accepted]);
                return Err(EngineError::Overflow { overflow, layer });
            }
            Ok(Computed { accepted, logits: own.to_vec() })
        });
        Ok(computed.collect())
    }

    /// Runs the model over the portions: the hidden states `[rows, hidden]`.
    fn forward(&mut self, portions: &[Portion]) -> Result<Stepped<Tensor<B, 2>>, EngineError> {
        let (model, texts) = (self.model, Texts(self.tokenizer));
        let tokens = |portion: &Portion| -> Vec<Token<'_>> {
            portion.ids.iter().map(|&id| Token { id, text: texts.of(id) }).collect()
        };
        let tokens: Vec<_> = portions.iter().map(tokens).collect();
        let scope = self.session.settings().scope;
        let feeds: Vec<_> = (portions.iter().zip(&tokens))
            .map(|(&Portion { id, role, .. }, tokens)| Feed { sequence: id, tokens, role, scope })
            .collect();
        let mut recordings = recordings(&mut self.requests, portions);
        let stepped = self.session.step(&feeds, |pass, accepted| {
            let rows = portions.iter().zip(accepted).flat_map(|(portion, &rows)| &portion.ids[..rows]);
            let ids: Vec<u32> = rows.copied().collect();
            if recordings.is_empty() {
                return model.hidden(&ids, pass);
            }
            let starts = starts(accepted);
            let recordings = recordings.iter_mut().map(|(number, recording)| {
                (starts[*number]..starts[*number] + accepted[*number], &mut **recording)
            });
            model.hidden(&ids, &mut Recorder { recordings: recordings.collect(), hook: pass })
        })?;
        Ok(stepped)
    }

    /// The rows of the step whose logits each portion's request wants.
    fn wanted_rows(
        &self,
        portions: &[Portion],
        feeds: &[Result<usize, zoomr_core::Error>],
    ) -> Result<Vec<Range<usize>>, EngineError> {
        let accepted: Vec<usize> = feeds.iter().map(|accepted| *accepted.as_ref().unwrap_or(&0)).collect();
        let rows = |((portion, &accepted), start): ((&Portion, &usize), usize)| {
            let rows = if accepted > 0 { self.request(portion.id)?.rows(accepted) } else { 0..0 };
            Ok(start + rows.start..start + rows.end)
        };
        portions.iter().zip(&accepted).zip(starts(&accepted)).map(rows).collect()
    }

    /// The logits of some of the rows, in ascending order, row-major, as f32 whatever the backend computes in.
    fn logits(&self, hidden: Tensor<B, 2>, rows: &[Range<usize>]) -> Vec<f32> {
        let [all, width] = hidden.dims();
        let parts = merged(rows);
        let hidden = match &parts[..] {
            [] => return Vec::new(),
            [part] if part.len() == all => hidden,
            [part] => hidden.slice([part.clone(), 0..width]),
            parts => {
                let slice = |part: &Range<usize>| hidden.clone().slice([part.clone(), 0..width]);
                Tensor::cat(parts.iter().map(slice).collect(), 0)
            }
        };
        self.model.logits(hidden).into_data().convert::<f32>().into_vec().expect("just converted to f32")
    }

    /// Gives a request what a step did for it, and tells the session of summaries that begin or end with that.
    fn hand_out(
        &mut self,
        id: SequenceId,
        result: Result<Computed, EngineError>,
        observer: &mut BatchObserver<'_>,
    ) -> Result<Option<Ended>, EngineError> {
        let Some(request) = self.requests.get_mut(&id) else { return Ok(None) };
        let mut observer = |event: Event<'_>| observer(id, event);
        let wrote_summary = request.turn.writes_summary();
        let flow = match result {
            Ok(Computed { accepted, logits }) => {
                let step = Took {
                    accepted,
                    kind: self.session.stream(id)?.segments().last().map_or(Kind::Prompt, |s| s.kind),
                    due: self.session.due(id)? == Due::Summary,
                    logits: &logits,
                    stats: self.session.last_step(),
                    run: self.session.run_stats(),
                    texts: Texts(self.tokenizer),
                };
                request.took(&step, &mut observer)
            }
            Err(error) => ControlFlow::Break(request.refused(error)),
        };
        let end = flow.break_value().map(|end| request.end(end, &mut observer));
        match (wrote_summary, request.turn.writes_summary()) {
            (false, true) => self.session.open_summary(id)?,
            (true, false) => self.session.close_summary(id)?,
            _ => {}
        }
        Ok(end.map(|end| Ended { id, end }))
    }
}

/// The recordings of those portions whose requests are recorded, with the portion's number.
fn recordings<'a>(
    requests: &'a mut BTreeMap<SequenceId, Request>,
    portions: &[Portion],
) -> Vec<(usize, &'a mut Recording)> {
    let recorded = requests.iter_mut().filter_map(|(id, request)| {
        let number = portions.iter().position(|portion| portion.id == *id)?;
        Some((number, request.recording.as_mut()?))
    });
    recorded.collect()
}

/// Where each portion's rows begin, given how many each has.
fn starts(rows: &[usize]) -> Vec<usize> {
    let mut end = 0;
    rows.iter()
        .map(|rows| {
            end += rows;
            end - rows
        })
        .collect()
}

/// Ascending ranges without empty ones, and with those put together that follow on each other.
fn merged(rows: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for rows in rows.iter().filter(|rows| !rows.is_empty()) {
        match parts.last_mut() {
            Some(last) if last.end == rows.start => last.end = rows.end,
            _ => parts.push(rows.clone()),
        }
    }
    parts
}
