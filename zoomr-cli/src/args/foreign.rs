//! Flags of other programs that people's fingers know, and what does the same here.

/// Flags of llama.cpp, vLLM, transformers and mlx-lm whose names say nothing to us, and what to do instead.
const FLAGS: [(&[&str], &str); 20] = [
    (
        &[
            "-ngl",
            "--n-gpu-layers",
            "--gpu-layers",
            "--device",
            "--tensor-parallel-size",
            "--gpu-memory-utilization",
        ],
        "the whole model runs on one backend; a zoomr with the Cargo feature `cuda` has --backend cuda",
    ),
    (
        &["-ctk", "-ctv", "--cache-type-k", "--cache-type-v", "--kv-bits", "--kv-cache-dtype"],
        "--kv f32|f16|bf16|q8 says what keys and values are stored as; --cap bounds the memory they take",
    ),
    (&["--max-kv-size"], "--cap bounds KV memory in bytes, --window the tokens always attended"),
    (
        &["-i", "--interactive", "-cnv", "--conversation", "--interactive-first"],
        "there is no conversation yet; --chat gives the text as a user's turn",
    ),
    (&["-sys", "--system-prompt"], "--system TEXT, with --chat"),
    (&["--chat-template", "--jinja"], "--chat uses the template that the model brings"),
    (&["-hf", "--hf-repo", "--model-path", "--pretrained"], "--model DIR, or --model ORG/NAME from the hub"),
    (&["--lora", "--lora-path", "--lora-modules", "--adapter-path"], "--adapter DIR"),
    (
        &["-b", "-ub", "--batch-size", "--ubatch-size", "--prefill-step-size", "--max-num-batched-tokens"],
        "--chunk TOKENS: tokens of a prompt that are computed at once",
    ),
    (&["-tb", "--threads-batch"], "--threads N, for prompt and text alike"),
    (&["--keep"], "--keep-prompt TOKENS: of the prompt's first tokens, how many stay visible"),
    (
        &["--max-length", "--max-model-len", "--max-seq-len"],
        "--ctx-size TOKENS bounds prompt and text, --max-tokens the text",
    ),
    (
        &["-r", "--reverse-prompt", "--stop-strings", "--stop-sequence"],
        "--stop TEXT, several times where there are several",
    ),
    (&["--do-sample"], "--temperature above 0 samples, 0 takes the likeliest token"),
    (&["--num-beams"], "there is no beam search"),
    (&["--logprobs", "--perplexity"], "`zoomr score` says how likely a text is"),
    (
        &["--dtype", "--torch-dtype", "--load-in-4bit", "--load-in-8bit", "--quantization"],
        "weights are used in the type that their file has; --weights q8_0 (or q4_0, q4_K) makes them smaller",
    ),
    (&["--mlock", "--no-mmap", "--numa"], "weights are memory-mapped, always"),
    (
        &["--stream", "--no-stream", "--no-display-prompt"],
        "the text streams, without the prompt; --json gives it at the end",
    ),
    (&["--host", "--port", "--serve"], "there is no server yet"),
];

/// What to say of those of `args` that are other programs' flags.
pub(crate) fn tips(args: impl Iterator<Item = String>) -> Vec<String> {
    let tip = |arg: String| {
        let name = arg.split('=').next().unwrap_or_default();
        // transformers writes underscores.
        let name = name.replace('_', "-");
        let flag = name.strip_prefix('-')?.trim_start_matches('-');
        let is_it = |known: &&str| known.trim_start_matches('-') == flag;
        let (_, instead) = FLAGS.iter().find(|(names, _)| names.iter().any(is_it))?;
        Some(format!("  tip: {arg}: {instead}"))
    };
    args.filter_map(tip).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn other_programs_flags_are_known() {
        let args = ["zoomr", "generate", "keep", "--ngl", "99", "--max_model_len=8", "--window", "5"];
        let tips = tips(args.map(str::to_owned).into_iter());
        assert_eq!(tips.len(), 2);
        assert!(tips[0].contains("--ngl: the whole model") && tips[1].contains("--ctx-size"), "{tips:?}");
    }

    #[test]
    fn what_tips_name_is_there_and_what_they_replace_is_not() {
        let command = Cli::command();
        let generate = command.find_subcommand("generate").unwrap();
        let ours: Vec<String> =
            generate.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        for (names, instead) in FLAGS {
            assert!(names.iter().all(|name| !ours.iter().any(|own| own == name)), "{names:?}");
            let named = instead.split_whitespace().filter(|word| word.starts_with("--"));
            let mut named = named.map(|word| word.trim_end_matches([',', ';', ':']));
            assert!(named.all(|flag| flag == "--backend" || ours.iter().any(|own| own == flag)), "{instead}");
        }
    }
}
