"""A transformer encoder under a classifier, in torch: teacher, or model to serve."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils.logging import disable_progress_bar

from training.balance import ClassWeights
from training.course import DAMAGE
from training.errors import DataUnreadable, SettingUnfit
from training.files import named_if_full
from training.memory import keep_freed_memory
from training.progress import watched
from worker.inference.cleaning import PLACEHOLDERS
from worker.inference.encoder import computes_in_bf16, cpu_flags

BEST_FILE = "best.pt"
ENCODER_FOLDER = "encoder"
_PREDICTED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """Settings of the fine-tuning; a run keeps them as ``sizes``."""

    epochs: int = 2
    batch: int = 32
    accumulate: int = 1
    learning_rate: float = 1e-4
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_tokens: int = 64
    seed: int = 13
    label_smoothing: float = 0.0
    class_weights: ClassWeights = "none"
    frozen_layers: int = 0
    checkpoint_minutes: float = 10


class EncoderClassifier(nn.Module):
    """An encoder, mean pooling over its tokens, dropout and a linear head over six."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(int(encoder.config.hidden_size), 6)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids and mask int ``[batch, time]`` to logits float ``[batch, 6]``."""
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(states.dtype)
        pooled = (states * weights).sum(1) / weights.sum(1)
        logits: Tensor = self.head(self.dropout(pooled))
        return logits


def load_encoder(name: str) -> tuple[Any, EncoderClassifier]:
    """Tokenizer and classifier from a local folder or a Hub name; placeholders become tokens of their own.

    The weights are float32 whatever they were saved in: updates are smaller than what half precision can hold.

    Raises:
        DataUnreadable: see `read_pretrained`.
    """
    keep_freed_memory()
    tokenizer, encoder = read_pretrained(name)
    if tokenizer.add_tokens(list(PLACEHOLDERS)):
        encoder.resize_token_embeddings(len(tokenizer))
    return tokenizer, EncoderClassifier(encoder.float())


def read_pretrained(name: str) -> tuple[Any, Any]:
    """Tokenizer and encoder from a local folder or a Hub name, as they were saved.

    Raises:
        DataUnreadable: the folder holds no model, or a damaged one, the Hub cannot be reached, or weights or the
            vocabulary are missing, for which transformers would take random or empty ones.
    """
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
        encoder, loading = AutoModel.from_pretrained(name, output_loading_info=True)
    except Exception as error:  # each library has its own for a file that is damaged
        raise DataUnreadable(
            f"no encoder at {name!r}: name a local folder with config.json, tokenizer and weights, or a Hub model "
            f"while the Hub can be reached ({str(error).partition(chr(10))[0]})"
        ) from error
    missing = sorted(key for key in loading["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise DataUnreadable(
            f"{name} has no weights for {', '.join(missing[:3])} (in all {len(missing)}); fetch it whole"
        )
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
        raise DataUnreadable(f"{name} has no vocabulary; put its tokenizer (tokenizer.json) beside the weights")
    return tokenizer, encoder


def most_tokens(encoder: Any, wanted: int) -> int:
    """So many of the ``wanted`` tokens of a text as it has positions for.

    Those of RoBERTa and MPNet begin after that of padding.
    """
    table = getattr(getattr(encoder, "embeddings", None), "position_embeddings", None)
    if table is None:
        return wanted
    return min(wanted, int(table.num_embeddings) - (0 if table.padding_idx is None else table.padding_idx + 1))


def freeze(encoder: Any, layers: int) -> None:
    """Let the embeddings and the lowest ``layers`` layers stay as they are; 0 lets all of them learn.

    Raises:
        SettingUnfit: the encoder has fewer layers, or keeps them elsewhere than BERT, MPNet and DistilBERT do.
    """
    if layers == 0:
        return
    stack = getattr(encoder, "encoder", None) or getattr(encoder, "transformer", None)
    found = getattr(stack, "layer", None)
    if found is None:
        raise SettingUnfit(f"--freeze-layers does not know where a {encoder.config.model_type} has its layers")
    if layers > len(found):
        raise SettingUnfit(f"--freeze-layers {layers}: the encoder has {len(found)} layers; name at most so many")
    for part in (encoder.embeddings, *found[:layers]):
        part.requires_grad_(False)


def best_precision(cpu: Path = Path("/proc/cpuinfo")) -> torch.dtype:
    """bf16 where the hardware computes in it, else fp32: without it bf16 is several times slower on a CPU."""
    if torch.cuda.is_available():
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        has_bf16 = computes_in_bf16(cpu_flags(cpu))
    return torch.bfloat16 if has_bf16 else torch.float32


def encode(tokenizer: Any, cleaned: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids of each text."""
    ids: list[list[int]] = tokenizer(list(cleaned), truncation=True, max_length=max_tokens)["input_ids"]
    return ids


def bucketed(ids: list[list[int]], size: int, random: np.random.Generator | None = None) -> list[NDArray[np.intp]]:
    """Batches of indices of texts of similar length; with ``random`` slightly mixed, and in random order."""
    lengths = np.asarray([len(i) for i in ids], np.float64)
    order = np.argsort(lengths + (random.uniform(0, 4, len(ids)) if random else 0), kind="stable")
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    if random:
        random.shuffle(chunks)
    return chunks


def padded(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Tokens and mask, int64 ``[batch, time]``."""
    tokens = np.zeros((len(ids), max(map(len, ids))), np.int64)
    mask = np.zeros_like(tokens)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    return torch.from_numpy(tokens), torch.from_numpy(mask)


def save_encoder(run: Path, tokenizer: Any, model: EncoderClassifier) -> None:
    """Keep beside the weights what `load_run` needs to build the model again."""
    with named_if_full(run / ENCODER_FOLDER):
        tokenizer.save_pretrained(run / ENCODER_FOLDER)
        model.encoder.config.save_pretrained(run / ENCODER_FOLDER)


def load_run(run: Path) -> tuple[Any, EncoderClassifier]:
    """Tokenizer and best weights of a run of `train distilbert`, in float32.

    Raises:
        DataUnreadable: there is none, or it is damaged.
        RuntimeError: the weights have other shapes than ours.
    """
    for name in (ENCODER_FOLDER, BEST_FILE):
        if not (run / name).exists():
            raise DataUnreadable(f"{run / name} is missing; name a run of `train distilbert`")
    keep_freed_memory()
    try:
        tokenizer = AutoTokenizer.from_pretrained(run / ENCODER_FOLDER)
        config = AutoConfig.from_pretrained(run / ENCODER_FOLDER)
    except (OSError, ValueError) as error:
        raise DataUnreadable(f"{run / ENCODER_FOLDER} cannot be read; train this run anew") from error
    try:
        weights = torch.load(run / BEST_FILE, weights_only=True, map_location="cpu")
    except DAMAGE as error:
        raise DataUnreadable(f"{run / BEST_FILE} cannot be read; train this run anew") from error
    model = EncoderClassifier(AutoModel.from_config(config).float())  # type: ignore[no-untyped-call]
    model.load_state_dict(weights)
    return tokenizer, model


def predict_logits(
    model: EncoderClassifier,
    ids: list[list[int]],
    dtype: torch.dtype | None = None,
    title: str = "validation",
) -> NDArray[np.float32]:
    """Float32 ``[n, 6]`` in the order of ``ids``, computed in ``dtype`` or else in `best_precision`."""
    out = np.empty((len(ids), 6), np.float32)
    device, dtype = next(model.parameters()).device, dtype or best_precision()
    model.eval()
    chunks = bucketed(ids, _PREDICTED_AT_ONCE)
    inferring, precision = torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32)
    with inferring, precision, watched(title, of=len(chunks)) as advance:
        for chunk in chunks:
            tokens, mask = padded([ids[i] for i in chunk])
            out[chunk] = model(tokens.to(device), mask.to(device)).float().cpu().numpy()
            advance("")
    return out
