"""Makes the adapters beside this file and the logits that PEFT computes with them.

Made with PEFT 0.21.2, transformers 5.2.0 and torch 2.15.0, in f32 on the CPU with eager attention:

    python make.py            every adapter below, and its logits
    python make.py kept       the logits of `kept` alone, whose adapter zoomr wrote

Each folder holds an adapter as PEFT saves it, in bf16, and `expected.safetensors`: the `tokens`, and their `logits`
`[tokens, vocabulary]` after the adapter was read back from its files into a fresh base model. Base models are those of `tests/golden`; `kept` has its own, and was made
by `zoomr train --lora 2 --keep-adapter --dtype f32` on markers that the model did not have.
"""

import json, pathlib, sys
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
TOKENS = [46, 210, 305, 283, 259, 57, 191, 289]
QV = ["q_proj", "v_proj"]

# name: (base model, the tokens that its vocabulary grows to, what the adapter is)
ADAPTERS = {
    "tied_embedding": ("llama_tied_theta", None, dict(target_modules=QV, modules_to_save=["embed_tokens"])),
    "tied_ensured": (
        "llama_tied_theta",
        None,
        dict(target_modules=QV, modules_to_save=["embed_tokens"], ensure_weight_tying=True),
    ),
    "tied_head": ("llama_tied_theta", None, dict(target_modules=["q_proj"], modules_to_save=["lm_head"])),
    "tied_head_beside": ("llama_tied_theta", None, dict(target_modules=["q_proj", "lm_head"])),
    "tied_grown": ("llama_tied_theta", 310, dict(target_modules=QV)),
    "patterns": (
        "llama",
        None,
        dict(
            target_modules=r"^(?!.*\.layers\.1\.).*\.(self_attn\.(q|v)_proj|mlp\.(?:up|down)_proj)",
            use_rslora=True,
            rank_pattern={r"layers\.0\.self_attn\.q_proj": 3, "down_proj": 1},
            alpha_pattern={"up_proj": 5, r"layers.2.mlp.*": 9},
        ),
    ),
    "layers": (
        "llama",
        None,
        dict(
            target_modules=["q_proj", "up_proj", "model.layers.1.mlp.down_proj"],
            layers_to_transform=[0, 2],
            layers_pattern="layers",
            exclude_modules=["layers.2.mlp.up_proj"],
        ),
    ),
    "all_linear": ("phi3", None, dict(target_modules="all-linear", modules_to_save=["norm"])),
    "biases": ("qwen2", None, dict(target_modules=["q_proj"], bias="all")),
}


def base(name, tokens):
    folder = HERE / name if name == "kept/base" else HERE.parent / "golden" / name
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    if tokens:
        model.resize_token_embeddings(tokens, mean_resizing=False)
    return model.eval()


def make(name, architecture, tokens, options):
    torch.manual_seed(len(name))
    model = get_peft_model(base(architecture, tokens), LoraConfig(r=2, lora_alpha=8, task_type="CAUSAL_LM", **options))
    with torch.no_grad():
        for key, value in model.named_parameters():
            changed = value.requires_grad or (tokens and "embed_tokens" in key)
            if changed:
                value.add_(torch.randn_like(value) * 0.1)
                value.copy_(value.bfloat16().float())
    model.save_pretrained(HERE / name, save_embedding_layers=tokens is not None)
    file = HERE / name / "adapter_model.safetensors"
    save_file({k: v.bfloat16() for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    (HERE / name / "README.md").unlink()
    config = HERE / name / "adapter_config.json"
    fields = json.loads(config.read_text()) | {"base_model_name_or_path": architecture}
    for field in ("target_modules", "exclude_modules"):
        if isinstance(fields[field], list):
            fields[field].sort()
    config.write_text(json.dumps(fields, indent=2) + "\n")


def expect(name, architecture, tokens):
    model = PeftModel.from_pretrained(base(architecture, tokens), HERE / name).eval()
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0]
    save_file({"tokens": torch.tensor(TOKENS), "logits": logits.contiguous()}, HERE / name / "expected.safetensors")
    plain = base(architecture, tokens)(torch.tensor([TOKENS])).logits[0]
    print(name, "changes logits by", (plain - logits).abs().max().item())


if sys.argv[1:] == ["kept"]:
    expect("kept", "kept/base", 700)
else:
    for name, (architecture, tokens, options) in ADAPTERS.items():
        make(name, architecture, tokens, options)
        expect(name, architecture, tokens)
