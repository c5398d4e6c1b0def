"""Fine-tuning of a transformer encoder with torch: teacher, or model to serve."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoTokenizer

from training.errors import DataUnreadable
from worker.inference.cleaning import PLACEHOLDERS

BEST_FILE = "best.pt"
ENCODER_FOLDER = "encoder"


@dataclass(frozen=True, slots=True)
class EncoderSizes:
    """Settings of the fine-tuning."""

    epochs: int = 2
    batch: int = 32
    accumulate: int = 1
    learning_rate: float = 1e-4
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    max_tokens: int = 64
    seed: int = 13


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

    Raises:
        DataUnreadable: the folder holds no model, or the Hub cannot be reached.
    """
    try:
        tokenizer, encoder = AutoTokenizer.from_pretrained(name), AutoModel.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise DataUnreadable(
            f"no encoder at {name!r}: name a local folder with config.json, tokenizer and weights, or a Hub model "
            f"while the Hub can be reached ({str(error).splitlines()[0]})"
        ) from error
    if tokenizer.add_tokens(list(PLACEHOLDERS)):
        encoder.resize_token_embeddings(len(tokenizer))
    return tokenizer, EncoderClassifier(encoder)


def best_precision() -> torch.dtype:
    """bf16 where the hardware computes in it, else fp32: without it bf16 is several times slower on a CPU."""
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    flags = (
        Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace") if Path("/proc/cpuinfo").exists() else ""
    )
    return torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else torch.float32


def encode(tokenizer: Any, cleaned: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids of each text."""
    ids: list[list[int]] = tokenizer(list(cleaned), truncation=True, max_length=max_tokens)["input_ids"]
    return ids


def _batches(
    ids: list[list[int]], size: int, random: np.random.Generator | None
) -> Iterator[tuple[NDArray[np.intp], Tensor, Tensor]]:
    lengths = np.asarray([len(i) for i in ids], np.float64)
    order = np.argsort(lengths + (random.uniform(0, 4, len(ids)) if random else 0), kind="stable")
    chunks = [order[i : i + size] for i in range(0, len(order), size)]
    if random:
        random.shuffle(chunks)
    for chunk in chunks:
        time = max(len(ids[i]) for i in chunk)
        tokens = np.zeros((len(chunk), time), np.int64)
        mask = np.zeros((len(chunk), time), np.int64)
        for row, index in enumerate(chunk):
            tokens[row, : len(ids[index])] = ids[index]
            mask[row, : len(ids[index])] = 1
        yield chunk, torch.from_numpy(tokens), torch.from_numpy(mask)


def save_encoder(run: Path, tokenizer: Any, model: EncoderClassifier) -> None:
    """Keep beside the weights what `load_run` needs to build the model again."""
    tokenizer.save_pretrained(run / ENCODER_FOLDER)
    model.encoder.config.save_pretrained(run / ENCODER_FOLDER)


def load_run(run: Path) -> tuple[Any, EncoderClassifier]:
    """Tokenizer and best weights of a run of `fine_tune`."""
    tokenizer = AutoTokenizer.from_pretrained(run / ENCODER_FOLDER)
    config = AutoConfig.from_pretrained(run / ENCODER_FOLDER)
    model = EncoderClassifier(AutoModel.from_config(config))  # type: ignore[no-untyped-call]
    model.load_state_dict(torch.load(run / BEST_FILE, weights_only=True))
    return tokenizer, model


def predict_logits(
    model: EncoderClassifier, ids: list[list[int]], batch: int = 64, dtype: torch.dtype | None = None
) -> NDArray[np.float32]:
    """Float32 ``[n, 6]`` in the order of ``ids``, computed in ``dtype`` or else in `best_precision`."""
    out = np.empty((len(ids), 6), np.float32)
    device, dtype = next(model.parameters()).device, dtype or best_precision()
    model.eval()
    with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        for chunk, tokens, mask in _batches(ids, batch, None):
            out[chunk] = model(tokens.to(device), mask.to(device)).float().cpu().numpy()
    return out


def fine_tune(
    model: EncoderClassifier,
    data: tuple[list[list[int]], NDArray[np.float32], NDArray[np.float32]],
    validation: tuple[list[list[int]], NDArray[np.intp]],
    sizes: EncoderSizes,
    folder: Path,
) -> dict[str, Any]:
    """Train on ids, soft targets ``[n, 6]`` and row weights ``[n]``; the epoch with the best validation macro-F1 stays.

    A checkpoint is written after every epoch; an interrupted run goes on after the last one and gives the same result.
    """
    ids, targets, weights = data
    folder.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = best_precision()
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), sizes.learning_rate, weight_decay=sizes.weight_decay)
    steps = math.ceil(math.ceil(len(ids) / sizes.batch) / sizes.accumulate) * sizes.epochs
    warmup = max(1, int(steps * sizes.warmup_share))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, max(0.0, (steps - step) / max(1, steps - warmup)))
    )
    history, start = _resume(folder, model, optimizer, schedule)
    for epoch in range(start, sizes.epochs):
        torch.manual_seed(sizes.seed + epoch)
        random = np.random.default_rng(sizes.seed + epoch)
        model.train()
        for step, (chunk, tokens, mask) in enumerate(_batches(ids, sizes.batch, random)):
            with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                logits = model(tokens.to(device), mask.to(device)).float()
            log_p = torch.log_softmax(logits, dim=1)
            wanted, weight = torch.from_numpy(targets[chunk]).to(device), torch.from_numpy(weights[chunk]).to(device)
            loss = (-(wanted * log_p).sum(1) * weight).mean() / sizes.accumulate
            loss.backward()  # type: ignore[no-untyped-call]
            if (step + 1) % sizes.accumulate == 0:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
            if step % 50 == 0:
                print(f"epoch {epoch + 1}/{sizes.epochs} step {step} loss {loss.item():.4f}", flush=True)  # noqa: T201
        given = predict_logits(model, validation[0]).argmax(axis=1)
        score = float(f1_score(validation[1], given, average="macro"))
        history.append(
            {"epoch": epoch + 1, "val_macro_f1": score, "val_accuracy": float((given == validation[1]).mean())}
        )
        print(json.dumps(history[-1]), flush=True)  # noqa: T201
        if score >= max(entry["val_macro_f1"] for entry in history):
            torch.save(model.state_dict(), folder / BEST_FILE)
        checkpoint = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
        }
        torch.save({**checkpoint, "history": history}, folder / "resume.pt")
    model.load_state_dict(torch.load(folder / BEST_FILE, weights_only=True))
    return {"sizes": asdict(sizes), "history": history, "precision": str(dtype)}


def _resume(folder: Path, model: nn.Module, optimizer: Any, schedule: Any) -> tuple[list[dict[str, float]], int]:
    path = folder / "resume.pt"
    if not path.exists():
        return [], 0
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    schedule.load_state_dict(saved["schedule"])
    return saved["history"], len(saved["history"])
